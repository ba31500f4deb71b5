"""Starts PostgreSQL and Redis for the test run, before Django reads its settings.

A pytest plugin (`-p tests.services` in pyproject.toml): conftest.py would come too late, because
pytest-django loads the settings before it. Each xdist worker gets servers of its own.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from bench.prepared import lay_out_database
from config.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServer

PREFIX = "opsknight-test-"
NOT_INHERITED = (
    "DATABASE_POOL_SIZE",
    "EMAIL_URL",
    "OPSKNIGHT_ADMIN_EMAIL",
    "OPSKNIGHT_DEBUG",
    "OPSKNIGHT_URL",
)

_home: Path | None = None
_servers: list[EmbeddedServer] = []


def needs_services(args: list[str]) -> bool:
    """False for runs that load no settings worth serving: help, and xdist's controller."""
    if {"-h", "--help", "--version", "-V"} & set(args):
        return False
    counts = [arg for arg in args if arg.startswith(("-n", "--numprocesses"))]
    distributing = any(not arg.endswith(("n0", "=0")) for arg in counts)
    return not distributing or "PYTEST_XDIST_WORKER" in os.environ


def start_services() -> None:
    """Start both servers in a new temporary home and point the environment at them."""
    global _home
    _remove_homes_of_dead_runs()
    _home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    _home.chmod(0o711)  # as root the servers run as another user, who must pass through
    postgres, redis = EmbeddedPostgres(_home, durable=False), EmbeddedRedis(_home)
    _servers.extend([redis, postgres])
    lay_out_database(_home)
    postgres.start()
    redis.start()
    # The developer's own settings must not leak into the tests.
    for name in NOT_INHERITED:
        os.environ.pop(name, None)
    os.environ["OPSKNIGHT_HOME"] = str(_home)
    os.environ["DATABASE_URL"] = postgres.url
    os.environ["REDIS_URL"] = redis.url


def stop_services() -> None:
    """Stop both servers and remove their home; harmless when nothing runs."""
    while _servers:
        _servers.pop(0).stop()
    if _home is not None:
        shutil.rmtree(_home, ignore_errors=True)


def _remove_homes_of_dead_runs() -> None:
    """A run ended by kill -9 takes its servers along but leaves its folder."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        number = folder.name.removeprefix(PREFIX).split("-")[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(args: list[str]) -> Generator[None, None, None]:
    """Run before every other plugin's share of this hook; stop again when that fails."""
    if needs_services([*sys.argv[1:], *args]):
        start_services()
    try:
        yield
    except BaseException:
        stop_services()
        raise


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop the servers after everything else has let go of them."""
    stop_services()
