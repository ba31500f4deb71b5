"""One child process: its output with a name before each line, its restarts, its end."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from config.processes import die_with_parent

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0  # who lived this long starts again with the first pause
COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


@dataclass(frozen=True)
class Program:
    """What to run, and how to end it."""

    name: str
    command: list[str]
    env: dict[str, str] = field(default_factory=dict)  # added to ours
    # Each signal with its seconds of grace; SIGKILL follows the last.
    stop_signals: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, 7.0),)
    popen_options: dict[str, Any] = field(default_factory=dict)
    listener: socket.socket | None = None  # of a forked program: added as `--fd N`


class Process(Protocol):
    """What we need of a running process; `subprocess.Popen` is one."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """The exit status; None while it runs."""

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""


# Starts a program whose output goes into the file with that number.
Starter = Callable[[Program, int], Awaitable[Process]]


async def spawn(program: Program, output: int) -> Process:
    """Start a program of its own; call it from the main thread, whose death the child shares."""
    options = {
        "start_new_session": True,  # Ctrl-C is ours alone: we stop the children in order
        "preexec_fn": die_with_parent(signal.SIGKILL),
        **program.popen_options,
    }
    return subprocess.Popen(
        program.command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=os.environ | {"PYTHONUNBUFFERED": "1"} | program.env,
        **options,
    )


class Log:
    """Prints lines behind an aligned name, coloured on a terminal."""

    def __init__(self, names: list[str]) -> None:
        self._width = max(len(name) for name in names)
        coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._colours = dict(zip(names, COLOURS * len(names), strict=False)) if coloured else {}

    def say(self, name: str, line: str) -> None:
        """Print one line at once."""
        head = f"{time.strftime('%H:%M:%S')} {name:<{self._width}} |"
        if name in self._colours:
            head = f"\033[{self._colours[name]}m{head}\033[0m"
        print(head, line, flush=True)


class LineReader(asyncio.Protocol):
    """Cuts what a pipe delivers into lines, however long or broken they are."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._rest = b""
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Hand over the complete lines, keep the rest."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line.decode(errors="replace").rstrip("\r"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand over an unfinished last line."""
        if self._rest:
            self._take(self._rest.decode(errors="replace"))
        self.closed.set()


class Child:
    """A program kept running: when it ends unasked it starts again after a growing pause."""

    def __init__(self, program: Program, log: Log, start: Starter = spawn) -> None:
        self.program = program
        self.exits = 0
        self.ended = asyncio.Event()  # the present process has ended
        self.last_lines: deque[str] = deque(maxlen=20)
        self._log = log
        self._starter = start
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._pause = FIRST_PAUSE_SECONDS

    async def start(self) -> None:
        """Start the process, and read what it says."""
        self.ended.clear()
        self._reader = LineReader(self._take_line)
        reader, writer = os.pipe()
        try:
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: self._reader,
                open(reader, "rb", buffering=0),  # noqa: SIM115 - it closes it
            )
            self._process = await self._starter(self.program, writer)
        finally:
            os.close(writer)
        if self._stopping.is_set():  # meanwhile
            self._process.send_signal(signal.SIGKILL)

    @property
    def pid(self) -> int | None:
        """The number of the present process, or of the last one."""
        return self._process.pid if self._process else None

    def notice(self) -> None:
        """Look whether the process has ended; called on each SIGCHLD."""
        if self._process and not self.ended.is_set() and self._process.poll() is not None:
            self.exits += 1
            self.ended.set()

    async def keep_running(self) -> None:
        """Start the process again whenever it ends, until `stop()`."""
        while True:
            started = time.monotonic()
            await self.ended.wait()
            if self._stopping.is_set():
                return
            if time.monotonic() - started > STEADY_SECONDS:
                self._pause = FIRST_PAUSE_SECONDS
            self._log.say(
                self.program.name,
                f"ended with status {self.status}; starting again in {self._pause:.0f} s",
            )
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
            if self._stopping.is_set():
                return
            await self._start_again()

    async def _start_again(self) -> None:
        """Start the process; a machine without memory or handles for it now is asked again."""
        try:
            await self.start()
        except (OSError, subprocess.SubprocessError) as error:
            self._log.say(self.program.name, f"cannot be started: {error}")
            self.ended.set()

    async def finish(self) -> int:
        """Wait for a program that ends by itself; its status, after all of its output."""
        await self.ended.wait()
        await asyncio.wait_for(self._reader.closed.wait(), timeout=5)
        return self.status

    @property
    def status(self) -> int:
        """The exit status of the last process; negative: the signal that ended it."""
        return (self._process.returncode if self._process else None) or 0

    async def stop(self) -> None:
        """End the process, by force when it does not listen."""
        self._stopping.set()
        for signum, seconds in (*self.program.stop_signals, (signal.SIGKILL, 1.0)):
            if self._process is None or self._process.poll() is not None:
                break
            self._process.send_signal(signum)
            try:
                await asyncio.wait_for(self.ended.wait(), timeout=seconds)
            except TimeoutError:
                self._log.say(self.program.name, f"did not end within {seconds:.0f} s")

    def _take_line(self, line: str) -> None:
        if not line.strip():
            return
        self.last_lines.append(line)
        self._log.say(self.program.name, line)
