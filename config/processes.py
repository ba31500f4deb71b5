"""Child processes: as whom they run, how they end, and that they never outlive their parent.

Not even a parent killed by `kill -9`.
"""

import contextlib
import ctypes
import functools
import logging
import os
import pwd
import signal
import stat
import subprocess
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import psutil

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SERVICE_USER = "pgserver"  # who runs the servers when we are root, which PostgreSQL refuses to be
_libc = ctypes.CDLL(None, use_errno=True)


class StartError(RuntimeError):
    """OpsKnight cannot start; the message is one line that says what to do."""


@functools.cache
def service_user() -> pwd.struct_passwd | None:
    """The system user for the servers, created when missing; None unless we are root."""
    if os.geteuid() != 0:
        return None
    user = _find_user(SERVICE_USER)
    if user is None:
        create = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        with contextlib.suppress(OSError):  # no such program: the check below tells
            subprocess.run([*create, SERVICE_USER], capture_output=True)
        user = _find_user(SERVICE_USER)
    if user is None:
        raise StartError(
            f"PostgreSQL does not run as root and the user {SERVICE_USER} could not be created: "
            "start OpsKnight as an ordinary user, or set DATABASE_URL and REDIS_URL."
        )
    return user


def _find_user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def as_service_user() -> dict[str, Any]:
    """Arguments for `subprocess` that run a program as the servers' user."""
    user = service_user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}


def make_traversable(path: Path) -> None:
    """Let the servers' user pass through the folders above `path` (search permission only)."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            logger.warning("Gave other users permission to pass through %s.", folder)


def die_with_parent(signum: signal.Signals, parent: int | None = None) -> Callable[[], None]:
    """A `preexec_fn` that makes the kernel send `signum` to the child when its parent dies.

    `parent` None means the calling process.

    The request is cleared by a change of user, so it must be made after it; `subprocess` calls
    `preexec_fn` last. The kernel watches the thread that started the child: start children from
    the main thread.
    """
    expected = parent or os.getpid()

    def ask_kernel() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
        if os.getppid() != expected:  # the parent died before the kernel was asked
            os._exit(1)

    return ask_kernel


def adopt_orphans() -> None:
    """Become the parent of each descendant whose parent ends; see `reap_strays`."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_strays(known: Collection[int]) -> None:
    """Let the kernel forget ended children that nobody here has started: adopted orphans.

    Those in `known` are left to whoever started them.
    """
    with contextlib.suppress(ChildProcessError):  # no children at all
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if found.si_pid in known:
                return  # it ended this moment; its own signal comes
            os.waitpid(found.si_pid, os.WNOHANG)


def set_command_line(words: list[str]) -> None:
    """Show these words in `ps`, as far as they fit into the place of those we were started with."""
    numbers = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    start, end = int(numbers[45]), int(numbers[46])  # arg_start and arg_end, see proc(5)
    size = end - start
    if size > 0:
        text = b"\0".join(map(os.fsencode, words))[: size - 1]
        ctypes.memmove(start, text.ljust(size, b"\0"), size)


def stop_process(
    process: subprocess.Popen[bytes], signals: Iterable[tuple[signal.Signals, float]]
) -> None:
    """Send the signals one after another, each with the seconds it gets, until the process ends."""
    for signum, seconds in signals:
        if process.poll() is not None:
            return
        process.send_signal(signum)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def processes_in(folder: Path, name: str) -> list[psutil.Process]:
    """The running processes of that name whose working directory is the folder.

    Name and folder together identify a server: its number alone may belong to somebody else today.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == name and process.cwd() == str(folder):
                found.append(process)
        except psutil.Error:  # gone meanwhile, or another user's
            continue
    return found


def stop_leftovers(folder: Path, name: str, signum: signal.Signals, seconds: float) -> None:
    """End the orphans of an earlier run; call it only while holding the lock of that folder."""
    orphans = processes_in(folder, name)
    for orphan in orphans:
        _signal(orphan, signum)
    _, alive = psutil.wait_procs(orphans, timeout=seconds)
    for orphan in alive:
        _signal(orphan, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=seconds)


def _signal(process: psutil.Process, signum: signal.Signals) -> None:
    try:
        process.send_signal(signum)
    except psutil.NoSuchProcess:
        return
