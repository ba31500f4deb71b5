"""The parts of a running stack: all there, and back again when one is killed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from config.celery import WORKERS
from tests.processes import wait_until
from tests.stack import ROOT, Stack, refused_start


def is_ready(stack: Stack) -> bool:
    try:
        answer = httpx.get(f"{stack.base_url}/api/health?mode=readiness", timeout=5)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


def test_everything_runs_when_the_ready_line_is_printed(fresh_stack: Stack) -> None:
    parts = {"postgres", "redis", "forkserver", "web", "beat", *WORKERS}
    assert set(fresh_stack.pids()) == parts


def test_each_line_carries_time_and_name(fresh_stack: Stack) -> None:
    odd = [
        line
        for line in fresh_stack.log.splitlines()
        if not re.match(r"\d\d:\d\d:\d\d [a-z]+\d? +\| ", line + " ")
    ]

    assert odd == []


def test_the_fork_server_has_neither_threads_nor_connections(fresh_stack: Stack) -> None:
    forkserver = psutil.Process(fresh_stack.pids()["forkserver"])
    files = [os.readlink(path) for path in Path(f"/proc/{forkserver.pid}/fd").iterdir()]

    assert forkserver.num_threads() == 1
    # Its output, and the socket of the supervisor's requests.
    assert sorted(file.partition(":")[0] for file in files) == [
        "/dev/null",
        "pipe",
        "pipe",
        "socket",
    ]


def test_a_killed_worker_is_started_again_also_without_the_fork_server(fresh_stack: Stack) -> None:
    before = fresh_stack.pids()

    fresh_stack.kill_part("forkserver")
    fresh_stack.kill_part("phone")

    for name in ("forkserver", "phone"):
        wait_until(
            lambda name=name: fresh_stack.pids().get(name, before[name]) != before[name],
            30,
            f"{name} is back",
        )
    after = fresh_stack.pids()
    assert {name for name in before if before[name] != after[name]} == {"forkserver", "phone"}


@pytest.mark.parametrize("server", ["redis", "postgres"])
def test_a_killed_server_is_started_again_and_used(fresh_stack: Stack, server: str) -> None:
    fresh_stack.kill_part(server)

    wait_until(lambda: not is_ready(fresh_stack), 10, "readiness tells that it is gone")
    wait_until(lambda: is_ready(fresh_stack), 30, "the stack is ready again")


def test_the_health_check_of_a_worker_asks_that_worker(fresh_stack: Stack) -> None:
    answers = [
        subprocess.run(
            [sys.executable, "-m", "config.ping", name],
            cwd=ROOT,
            env=fresh_stack.env,
            capture_output=True,
        ).returncode
        for name in ("email", "nobody")
    ]

    assert answers == [0, 1]


def test_a_second_start_on_the_same_home_is_refused(fresh_stack: Stack) -> None:
    line = refused_start(fresh_stack.home)

    assert f"already runs on {fresh_stack.home} (process {fresh_stack.supervisor.pid})" in line
