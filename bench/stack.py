"""Stacks to measure: real processes in a temporary folder, stopped at the end."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.prepared import lay_out_database
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

    @property
    def home(self) -> Path:
        """The data folder."""
        return Path(self.env["OPSKNIGHT_HOME"])

    def manage(self, *arguments: str, stdin: str = "") -> str:
        """Run a management command; its output."""
        command = [sys.executable, "manage.py", *arguments]
        result = subprocess.run(
            command, cwd=ROOT, env=self.env, input=stdin, text=True, capture_output=True, check=True
        )
        return result.stdout.strip()

    def prepare(self) -> None:
        """Bring tables and static files up to date, as every start does."""
        command = [sys.executable, "-m", "config.prepare"]
        subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, check=True)


def free_port() -> int:
    """A TCP port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class DoorStack(Stack):
    """The door alone, whose parts can be stopped and started."""

    postgres: EmbeddedPostgres
    listener: socket.socket
    webs: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start_webs(self) -> None:
        """Start the web processes on the shared socket, and wait until they answer."""
        fd = self.listener.fileno()
        command = [sys.executable, "-m", "config.web", "--fd", str(fd)]
        for _ in range(WEB_PROCESSES):
            self.webs.append(subprocess.Popen(command, cwd=ROOT, env=self.env, pass_fds=(fd,)))
        await_answer(f"http://127.0.0.1:{self.port}/api/health")

    def stop_webs(self, signum: signal.Signals = signal.SIGTERM) -> None:
        """End them all and wait for it."""
        for web in self.webs:
            web.send_signal(signum)
        while self.webs:
            self.webs.pop().wait(10)


@contextmanager
def door_stack(**settings: str) -> Iterator[DoorStack]:
    """A durable PostgreSQL, Redis and the web processes: the door, and nothing that pages."""
    home = Path(tempfile.mkdtemp(prefix="opsknight-bench-"))
    home.chmod(0o711)
    postgres, redis = EmbeddedPostgres(home), EmbeddedRedis(home)
    try:
        lay_out_database(home)
        postgres.start()
        redis.start()
        port = free_port()
        stores = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
        env = os.environ | stores | {"OPSKNIGHT_HOME": str(home), "OPSKNIGHT_PORT": str(port)}
        with listen("127.0.0.1", port) as listener:
            stack = DoorStack(port, env | settings, postgres, listener)
            stack.prepare()
            try:
                stack.start_webs()
                yield stack
            finally:
                stack.stop_webs()
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
