"""Fixtures for every test. PostgreSQL and Redis are started by tests/services.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.test import TransactionTestCase
from pytest_django import Settings

from config.embedded import NAME
from tests.emptying import empty_tables


@pytest.fixture(scope="session", autouse=True)
def quick_emptying() -> Iterator[None]:
    """What tests commit is removed in milliseconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_tables)
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """The database of the tests is a copy of the one that came with all tables."""
    connection.settings_dict["TEST"]["TEMPLATE"] = NAME


@pytest.fixture(scope="session")
def static_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder where production has the collected static files."""
    return tmp_path_factory.mktemp("static")


@pytest.fixture(autouse=True)
def plain_static_files(settings: Settings, static_root: Path) -> None:
    """Pages in tests name static files without hashes, so nothing has to be collected first."""
    settings.STATIC_ROOT = static_root
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


@pytest.fixture(autouse=True)
def unhurried_sending(settings: Settings) -> None:
    """What Redis remembers of one test must not make the messages of the next wait: no limits, no
    gathering, no breakers, except in tests that set them."""
    settings.SEND_LIMITS = settings.CHANNEL_LIMITS = {}
    settings.BUNDLE_SECONDS = 0
    settings.BREAKER_FAILURES = 0
