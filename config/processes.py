"""Child processes that never outlive their parent, not even one killed by `kill -9`."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


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
