"""A small supervisor: forks a few programs, and says as JSON what became of them."""

import asyncio
import json
import os
import signal
import sys
from typing import Any

from config.processes import adopt_orphans, reap_strays
from config.supervisor.children import Child, Log, Program
from config.supervisor.forks import ForkServer

TELLER = "tests.config.forked"


class Silence(Log):
    """Says nothing: our output is JSON."""

    def say(self, name: str, line: str) -> None: ...


async def run(forks: ForkServer, children: list[Child]) -> dict[str, Any]:
    """Everything that the test wants to know."""
    log = Silence(["any"])
    await forks.child.start()

    async def begin(*arguments: str) -> Child:
        env = {"DATABASE_POOL_SIZE": "3", "TOLD": "yes"}
        child = Child(Program("any", [TELLER, *arguments], env=env), log, forks.start)
        children.append(child)
        await child.start()
        return child

    tellers = [await begin("7"), await begin("7")]
    statuses = [await child.finish() for child in tellers]
    sleeper = await begin("sleep")
    os.kill(sleeper.pid or 0, signal.SIGKILL)
    # Asked for and given up: what was forked meanwhile must end without having begun.
    giving_up = asyncio.ensure_future(begin("touch", sys.argv[1]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    giving_up.cancel()
    await asyncio.gather(giving_up, return_exceptions=True)
    return {
        "me": os.getpid(),
        "said": [json.loads(child.last_lines[-1]) for child in tellers],
        "pids": [child.pid for child in tellers],
        "statuses": statuses,
        "killed": await sleeper.finish(),
        "last": await (await begin("7")).finish(),  # answered after the one that was given up
    }


def has_children() -> bool:
    """Whether any process is left, ended or not; leaves it as it is."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


async def main() -> None:
    """Run, stop, print."""
    adopt_orphans()
    forks = ForkServer(Silence(["any"]))
    children = [forks.child]

    def notice() -> None:
        for child in children:
            child.notice()
        reap_strays({child.pid for child in children if child.pid is not None})

    asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, notice)
    async with asyncio.timeout(60):
        found = await run(forks, children)
    await forks.child.stop()
    async with asyncio.timeout(10):
        while has_children():
            await asyncio.sleep(0.01)
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
