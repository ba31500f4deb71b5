"""Fixtures for every test. PostgreSQL and Redis are started by tests/services.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.stack import Stack, start_stack, temporary_home


@pytest.fixture(scope="session")
def running_stack() -> Iterator[Stack]:
    """One running OpsKnight for all tests that only look at it and clean up behind themselves."""
    with temporary_home() as home, start_stack(home) as stack:
        yield stack


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
