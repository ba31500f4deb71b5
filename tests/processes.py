"""Looking at the operating system's processes, for tests that start and kill real ones."""

import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil


def processes_of(home: Path) -> list[psutil.Process]:
    """The live processes that belong to a home: by command line, working folder or environment."""
    return [process for process in psutil.process_iter() if _mentions(process, str(home))]


def _mentions(process: psutil.Process, text: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE or process.pid == psutil.Process().pid:
            return False
        return (
            any(text in part for part in process.cmdline())
            or process.cwd().startswith(text)
            or process.environ().get("OPSKNIGHT_HOME") == text
        )
    except psutil.Error:
        return False


def names_of(processes: Iterable[psutil.Process]) -> list[str]:
    """The names of those that have not ended meanwhile."""
    names = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            names.append(process.name())
    return names


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Return as soon as the condition is true; fail with `what` when it stays false."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)
