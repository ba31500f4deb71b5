"""A web process for the tests of live pages."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.realtime.server import LiveServer, running_server


def test_database_url() -> str:
    """The address of the database that the tests use."""
    base, _, query = os.environ["DATABASE_URL"].partition("?")
    return f"{base.rsplit('/', 1)[0]}/{connection.settings_dict['NAME']}?{query}"


test_database_url.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def shared_server(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """One web process for many tests."""
    log = tmp_path_factory.mktemp("live") / "web.log"
    with (
        log.open("wb") as file,
        running_server(
            file,
            DATABASE_URL=test_database_url() + "&connection_limit=5",
            OPSKNIGHT_STREAMS_PER_PROCESS="101",
        ) as server,
    ):
        yield server


@pytest.fixture
def live(shared_server: LiveServer, transactional_db: None) -> Iterator[LiveServer]:
    """The web process, without open pages before and after."""
    yield shared_server
    shared_server.close_pages()


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    """Where a server of the test's own may log."""
    return tmp_path / "web.log"
