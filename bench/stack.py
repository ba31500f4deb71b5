"""Stacks to measure: real processes in a temporary folder, stopped at the end."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.embedded import EmbeddedPostgres, EmbeddedRedis
from config.listening import listen

WEB_PROCESSES = int(os.environ.get("OPSKNIGHT_WEB_PROCESSES", "2"))  # as `make run` has
STORES = ("DATABASE_URL", "REDIS_URL")  # a developer's own must not be measured into
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Stack:
    """Where the processes listen and what environment they run in."""

    port: int
    env: dict[str, str]

    def manage(self, *arguments: str, stdin: str = "") -> str:
        """Run a management command; its output."""
        command = [sys.executable, "manage.py", *arguments]
        result = subprocess.run(
            command, cwd=ROOT, env=self.env, input=stdin, text=True, capture_output=True, check=True
        )
        return result.stdout.strip()


def free_port() -> int:
    """A TCP port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def door_stack() -> Iterator[Stack]:
    """A durable PostgreSQL, Redis and the web processes: the door, and nothing that pages."""
    home = Path(tempfile.mkdtemp(prefix="opsknight-bench-"))
    home.chmod(0o711)
    postgres, redis = EmbeddedPostgres(home), EmbeddedRedis(home)
    try:
        postgres.start()
        redis.start()
        port = free_port()
        stores = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
        env = os.environ | stores | {"OPSKNIGHT_HOME": str(home), "OPSKNIGHT_PORT": str(port)}
        stack = Stack(port, env)
        stack.manage("migrate", "-v0")
        stack.manage("collectstatic", "--noinput", "-v0")
        with listen("127.0.0.1", port) as listener:
            fd = listener.fileno()
            command = [sys.executable, "-m", "config.web", "--fd", str(fd)]
            webs = [
                subprocess.Popen(command, cwd=ROOT, env=env, pass_fds=(fd,))
                for _ in range(WEB_PROCESSES)
            ]
        try:
            await_answer(f"http://127.0.0.1:{port}/api/health")
            yield stack
        finally:
            for web in webs:
                web.terminate()
            for web in webs:
                web.wait(10)
    finally:
        redis.stop()
        postgres.stop()
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def full_stack(settings: dict[str, str]) -> Iterator[Stack]:
    """Everything that `make run` starts, with a first administrator."""
    home = Path(tempfile.mkdtemp(prefix="opsknight-bench-"))
    home.chmod(0o711)
    port = free_port()
    env = {name: value for name, value in os.environ.items() if name not in STORES}
    env |= {
        "OPSKNIGHT_HOME": str(home),
        "OPSKNIGHT_PORT": str(port),
        "OPSKNIGHT_ADMIN_EMAIL": "admin@example.com",
        "OPSKNIGHT_ADMIN_PASSWORD": "Bench-" + secrets.token_hex(8) + "!",
        **settings,
    }
    command = [sys.executable, "-m", "config.supervisor"]
    with (home / "log").open("wb") as log:
        supervisor = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        await_answer(f"http://127.0.0.1:{port}/api/health?mode=readiness", only_success=True)
        yield Stack(port, env)
    finally:
        supervisor.terminate()
        supervisor.wait(20)
        shutil.rmtree(home, ignore_errors=True)


def await_answer(url: str, seconds: float = 90, only_success: bool = False) -> None:
    """Wait until the address answers: anything at all, or a success."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=2)  # noqa: S310 — our own address
        except urllib.error.HTTPError:
            if not only_success:
                return
            error: Exception = TimeoutError(f"{url} does not get ready.")
        except OSError as refused:
            error = refused
        else:
            return
        if time.monotonic() > deadline:
            raise error
        time.sleep(0.05)
