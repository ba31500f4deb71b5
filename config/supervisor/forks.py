"""The supervisor's side of the fork server: asks it for processes, which are then ours."""

import asyncio
import json
import os
import signal
import socket
import sys

from config.supervisor.children import Child, Log, Process, Program

# To load everything takes two seconds of a processor, on which many may work.
PATIENCE_SECONDS = 120.0
# Room in which a forked process can write its own command line.
ROOM_FOR_TITLES = "." * 512
ENV = {
    # Ten lines from each worker when we are root, as in a container.
    "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
}


class Forked:
    """A process that the fork server has started and the kernel has given to us."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status, negative for the signal that ended it; None while it runs."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # it ended before we knew its number, as a stray
                self.returncode = -signal.SIGKILL
            else:
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended: then its number may belong to somebody else."""
        if self.poll() is None:
            os.kill(self.pid, sig)


class ForkServer:
    """The fork server, kept running, and `start()`, which has it start programs.

    The command of such a program is a module with its arguments.
    """

    def __init__(self, log: Log) -> None:
        # Both ends are ours as long as we live: each fork server that we start gets the same one.
        self._requests, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._requests.setblocking(False)
        fd = self._theirs.fileno()
        module = "config.supervisor.forkserver"
        self.child = Child(
            Program(
                "forkserver",
                [sys.executable, "-m", module, "--fd", str(fd), ROOM_FOR_TITLES],
                env=ENV,
                stop_signals=((signal.SIGTERM, 1.0),),
                popen_options={"pass_fds": (fd,)},
            ),
            log,
        )

    def close(self) -> None:
        """Ask for nothing any more."""
        self._requests.close()
        self._theirs.close()

    async def start(self, program: Program, output: int) -> Process:
        """A `Starter`; raises OSError when the fork server has ended or cannot fork."""
        if self.child.ended.is_set():
            raise OSError("the fork server has ended")
        mine, theirs = socket.socketpair()
        with mine, theirs:
            mine.setblocking(False)
            module, *arguments = program.command
            request = {"module": module, "arguments": arguments, "env": program.env}
            listeners = [program.listener.fileno()] if program.listener else []
            fds = [theirs.fileno(), output, *listeners]
            socket.send_fds(self._requests, [json.dumps(request).encode()], fds)
            theirs.close()
            number = await self._answer(mine)
            # Until it hears this the process does nothing; if we give up, it ends.
            mine.send(b"1")
            return Forked(int(number))

    async def _answer(self, control: socket.socket) -> bytes:
        """What the fork server says before it ends."""
        answered = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(control, 32))
        ended = asyncio.ensure_future(self.child.ended.wait())
        waits = (answered, ended)
        try:
            await asyncio.wait(waits, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not answered.done():
                raise OSError("the fork server has ended or hangs; its lines say why")
            if not answered.result():
                raise OSError("the fork server cannot fork")
            return answered.result()
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
