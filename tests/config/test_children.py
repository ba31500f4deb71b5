"""One child of the supervisor: it is kept running."""

import asyncio
import signal
from pathlib import Path

import pytest

from config.supervisor import children
from config.supervisor.children import Child, Log, Program


class Notes(Log):
    """Remembers what the supervisor says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, name: str, line: str) -> None:
        self.lines.append(line)


def test_a_program_that_could_not_be_started_for_a_while_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "FIRST_PAUSE_SECONDS", 0.05)
    program = tmp_path / "program"
    runs = tmp_path / "runs"

    def write_program() -> None:
        program.write_text(f"#!/bin/sh\necho run >> {runs}\n")
        program.chmod(0o755)

    notes = Notes()

    async def live() -> None:
        child = Child(Program("part", [str(program)]), notes)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, child.notice)
        write_program()
        await child.start()
        await child.ended.wait()
        program.unlink()
        keeper = loop.create_task(child.keep_running())
        async with asyncio.timeout(20):
            while not any("cannot be started" in line for line in notes.lines):
                await asyncio.sleep(0.01)
            write_program()
            while runs.read_text().count("run") < 2:
                await asyncio.sleep(0.01)
        await child.stop()
        keeper.cancel()

    asyncio.run(live())

    assert runs.read_text().count("run") >= 2
