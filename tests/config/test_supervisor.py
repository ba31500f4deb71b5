"""`python -m config.supervisor`, started for real: what `make run` promises."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from config.celery import WORKERS
from tests.processes import names_of, processes_of, wait_until
from tests.stack import (
    ROOT,
    STOP_SECONDS,
    free_port,
    refused_start,
    stack_environment,
    start_from_nothing,
    start_stack,
    temporary_home,
)

SECOND_START_SECONDS = 30.0  # measured: 5 on two idle cores; the cores of tests are not idle


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as folder:
        yield folder


def test_a_port_in_use_is_named(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        line = refused_start(home, OPSKNIGHT_PORT=str(port))

    assert f"Cannot listen on 127.0.0.1 port {port}" in line
    assert "OPSKNIGHT_PORT" in line


def test_a_port_of_mail_in_use_is_named(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        line = refused_start(home, OPSKNIGHT_MAIL_PORT=str(port))

    assert f"Cannot listen on 127.0.0.1 port {port}" in line
    assert "OPSKNIGHT_MAIL_PORT" in line


@pytest.mark.parametrize(
    ("name", "value", "answer"),
    [
        ("OPSKNIGHT_PORT", "eighty", "OPSKNIGHT_PORT has a wrong value"),
        ("OPSKNIGHT_PORT", "70000", "OPSKNIGHT_PORT must be a number from 1 to 65535"),
        ("OPSKNIGHT_MAIL_PORT", "70000", "OPSKNIGHT_MAIL_PORT must be a number from 1 to 65535"),
        ("OPSKNIGHT_BIND", "192.0.2.1", "OPSKNIGHT_BIND"),  # an address that no machine has
        ("DATABASE_URL", "postgresql://u:hush@127.0.0.1:1/x", "DATABASE_URL does not answer"),
        ("DATABASE_URL", "mysql://u@127.0.0.1/x", "DATABASE_URL must start with postgresql://"),
        ("REDIS_URL", "redis://127.0.0.1:1/0", "REDIS_URL does not answer"),
        ("REDIS_URL", "127.0.0.1", "REDIS_URL does not answer"),  # no scheme
    ],
)
def test_a_wrong_setting_is_one_line_and_starts_nothing(
    home: Path, name: str, value: str, answer: str
) -> None:
    line = refused_start(home, **{name: value})

    assert line.startswith("OpsKnight cannot start: ")
    assert answer in line
    assert "hush" not in line
    assert not (home / "postgres").exists()


def test_a_read_only_home_is_one_line(home: Path) -> None:
    home.chmod(0o555)

    line = refused_start(home)

    assert str(home) in line
    assert "OPSKNIGHT_HOME" in line


def test_nothing_is_left_when_a_server_cannot_start(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "PG_VERSION").write_text("15\n")

    with pytest.raises(AssertionError, match="written by PostgreSQL 15"):
        start_stack(home)

    assert processes_of(home) == []


def test_a_supervisor_dies_with_a_killed_make(home: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.config.make_like", "--with-parent"],
        cwd=ROOT,
        env=stack_environment(home, free_port(), {}),
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: "postgres" in names_of(processes_of(home)), 60, "PostgreSQL runs")
    finally:
        parent.kill()
        parent.wait(10)

    wait_until(lambda: not processes_of(home), 10, "everything ended with make")


def test_given_stores_are_used_instead_of_embedded_ones(home: Path) -> None:
    ours = os.environ["DATABASE_URL"]
    theirs = ours.replace("/opsknight?", "/given?")
    with psycopg.connect(ours, autocommit=True) as connection:
        connection.execute("CREATE DATABASE given")

    env = {"DATABASE_URL": theirs, "REDIS_URL": os.environ["REDIS_URL"].replace("db=0", "db=1")}
    with start_stack(home, env) as stack:
        parts = set(stack.pids())
    with psycopg.connect(theirs) as connection:
        row = connection.execute("SELECT count(*) > 0 FROM django_migrations").fetchone()

    assert parts == {"forkserver", "web", "beat", *WORKERS}
    assert row == (True,)
    assert not (home / "postgres").exists()


def test_a_killed_supervisor_blocks_nothing_and_sigterm_leaves_nothing(home: Path) -> None:
    stack = start_from_nothing(home)
    stack.kill()

    began = time.monotonic()
    stack = start_stack(home, port=stack.port)
    took = time.monotonic() - began
    family = psutil.Process(stack.supervisor.pid).children(recursive=True)
    stack.supervisor.send_signal(signal.SIGTERM)
    status = stack.supervisor.wait(STOP_SECONDS)

    assert took < SECOND_START_SECONDS
    assert status == 0
    assert [process for process in family if process.is_running()] == []
    assert processes_of(home) == []
    assert stack.log.splitlines()[-1].endswith("stopped")
    assert os.listdir(home / "run") == []
