"""The parts of a running stack: all there, and back again when one is killed."""

import re
import subprocess
import sys

import httpx
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
    assert set(fresh_stack.pids()) == {"postgres", "redis", "web", "beat", *WORKERS}


def test_each_line_carries_time_and_name(fresh_stack: Stack) -> None:
    odd = [
        line
        for line in fresh_stack.log.splitlines()
        if not re.match(r"\d\d:\d\d:\d\d [a-z]+\d? +\| ", line + " ")
    ]

    assert odd == []


def test_a_killed_worker_is_started_again(fresh_stack: Stack) -> None:
    before = fresh_stack.pids()["phone"]

    fresh_stack.kill_part("phone")

    wait_until(lambda: fresh_stack.pids().get("phone", before) != before, 10, "the worker is back")


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
