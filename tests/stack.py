"""A whole running OpsKnight for tests: supervisor, servers, web, workers and beat, as `make run`.

`with start_stack(home) as stack: stack.base_url` is all that most tests need. A start costs 5 s of
processor time: the tests of e2e/ share one (`fresh_stack`), and so do those of flows/ (`flow`).
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from bench.prepared import lay_out_database
from config.processes import die_with_parent
from tests.processes import processes_of, wait_until

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 180.0  # measured: 10 on two idle cores
STOP_SECONDS = 15.0
PORTS = range(20_000, 32_000)
# What the tests' own servers and the developer's shell must not pass on.
NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "DATABASE_POOL_SIZE", "EMAIL_URL", "MAKELEVEL")
# Collecting static files takes seconds: the stacks of one machine share them.
SHARED_STATIC = ROOT / ".pytest_cache" / "static"
# Runs each line of its input, which is code as JSON, and answers with a line.
SHELL = """
import json, sys, traceback
from django.db import connection
for line in sys.stdin:
    names = {"answer": None}
    try:
        exec(json.loads(line), names)
        said = {"answer": names["answer"]}
    except Exception:
        said = {"error": traceback.format_exc()}
    connection.close()
    print(json.dumps(said), flush=True)
"""
ADMIN_EMAIL = "alice@example.com"
ADMIN_PASSWORD = "Correct-Horse-7-Battery"


@contextlib.contextmanager
def temporary_home() -> Iterator[Path]:
    """A data folder with a path short enough for sockets; removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix=f"opsknight-test-{os.getpid()}-"))
    home.chmod(0o711)  # as root the servers run as another user, who must pass through
    try:
        yield home
    finally:
        home.chmod(0o711)
        shutil.rmtree(home, ignore_errors=True)


def free_port() -> int:
    """A port on which nothing listens at this moment.

    Not one of those that the system gives to outgoing connections: between now and the start of
    whoever is to listen there, other workers of the test run open thousands.
    """
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def stack_environment(home: Path, port: int, env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a stack: the first administrator is ADMIN_EMAIL, unless `env` differs."""
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    return {
        **inherited,
        "OPSKNIGHT_HOME": str(home),
        "OPSKNIGHT_PORT": str(port),
        "OPSKNIGHT_URL": f"http://127.0.0.1:{port}",
        "OPSKNIGHT_STATIC": str(SHARED_STATIC),
        "OPSKNIGHT_ADMIN_EMAIL": ADMIN_EMAIL,
        "OPSKNIGHT_ADMIN_PASSWORD": ADMIN_PASSWORD,
        # A message for every page, at once, unless a test is about that.
        "OPSKNIGHT_BUNDLE_SECONDS": "0",
        "OPSKNIGHT_SEND_LIMITS": "email=0",
        **env,
    }


class Stack:
    """One running OpsKnight; `stop()` it, or use it in a `with`."""

    def __init__(self, home: Path, port: int, env: Mapping[str, str]) -> None:
        self.home = home
        self.port = port
        self.base_url = f"http://127.0.0.1:{port}"
        self.env = stack_environment(home, port, env)
        self._shell: subprocess.Popen[str] | None = None
        self.log_path = home / "supervisor.log"
        with self.log_path.open("wb") as log:
            self.supervisor = subprocess.Popen(
                [sys.executable, "-m", "config.supervisor"],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """Everything that the supervisor and its processes have printed since this start."""
        return self.log_path.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        """Wait for the supervisor's ready line; fail with the log when it ends before."""
        wait_until(
            lambda: self._ready_line() in self.log or self.supervisor.poll() is not None,
            START_SECONDS,
            f"the stack is ready\n{self.log[-4000:]}",
        )
        assert self.supervisor.poll() is None, f"the stack ended:\n{self.log[-4000:]}"

    def pids(self) -> dict[str, int]:
        """The process number of each part by its name: web, beat, redis, postgres, or a queue."""
        found = {}
        for child in psutil.Process(self.supervisor.pid).children():
            with contextlib.suppress(psutil.Error):  # it ends at this moment
                found[_part(child)] = child.pid
        return found

    def manage(self, *arguments: str) -> str:
        """Run a management command inside this installation and return what it prints."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.env,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def run(self, code: str) -> Any:
        """Run code with this installation's models; what it leaves in `answer` comes back.

        One process runs all of it: to start Django takes longer than what the tests want of it.
        """
        if self._shell is None:
            self._shell = subprocess.Popen(
                [sys.executable, "manage.py", "shell", "-v0", "-c", SHELL],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        print(json.dumps(code), file=self._shell.stdin, flush=True)
        said = json.loads(self._shell.stdout.readline() or '{"error": "The shell has ended."}')
        assert "error" not in said, said["error"]
        return said["answer"]

    def kill_part(self, name: str) -> None:
        """Kill -9 one part; the supervisor starts it again."""
        os.kill(self.pids()[name], signal.SIGKILL)

    def kill(self) -> None:
        """Kill -9 the supervisor."""
        self.supervisor.kill()
        self.supervisor.wait()

    def stop(self) -> None:
        """Stop everything and check that nothing is left; harmless when repeated."""
        if self._shell is not None:
            self._shell.communicate()  # the end of its input ends it
            self._shell = None
        if self.supervisor.poll() is None:
            self.supervisor.terminate()
            try:
                self.supervisor.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        wait_until(lambda: not processes_of(self.home), 5, f"no process of {self.home} is left")

    def _ready_line(self) -> str:
        return f"OpsKnight is ready at {self.base_url}"


def start_stack(home: Path, env: Mapping[str, str] | None = None, port: int | None = None) -> Stack:
    """Start OpsKnight on a home (see `temporary_home`) and return when it is ready.

    An empty home gets a database with its tables; `start_from_nothing` creates them.
    """
    if "DATABASE_URL" not in (env or {}) and not (home / "postgres").exists():
        lay_out_database(home)
    return start_from_nothing(home, env, port)


def start_from_nothing(
    home: Path, env: Mapping[str, str] | None = None, port: int | None = None
) -> Stack:
    """The same with all that a first start does."""
    stack = Stack(home, port or free_port(), env or {})
    try:
        stack.wait_until_ready()
    except BaseException:
        stack.stop()
        raise
    return stack


def refused_start(home: Path, **env: str) -> str:
    """Start a supervisor that must refuse at once; the one line that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "config.supervisor"],
        cwd=ROOT,
        env=stack_environment(home, free_port(), env),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def _part(child: psutil.Process) -> str:
    command = child.cmdline()
    for module in ("config.web", "config.mail", "config.supervisor.forkserver"):
        if module in command:
            return module.rpartition(".")[2]
    if "beat" in command:
        return "beat"
    if "-n" in command:
        return command[command.index("-n") + 1].removesuffix("@%h")
    return "redis" if child.name() == "redis-server" else child.name()
