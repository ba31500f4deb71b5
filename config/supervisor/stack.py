"""All processes of one installation: started in order, kept running, stopped in order.

PostgreSQL and Redis, beside them the fork server, then the one-time preparation, then web, workers
and beat. On the way out the other way round, so that nobody loses the database while still at work.
"""

import asyncio
import signal
import socket
import time
from collections.abc import Awaitable, Callable

from config.celery import WORKERS
from config.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServer
from config.processes import StartError, adopt_orphans, reap_strays
from config.supervisor.children import Child, Log, Program
from config.supervisor.forks import ForkServer
from config.supervisor.preflight import Options

# How many tasks a worker runs at once; threads, because the work is waiting for others.
CONCURRENCY = {"escalations": 2, "email": 4, "phone": 6, "chat": 10, "webhook": 4, "default": 4}
OTHER_CONCURRENCY = 2
MAIL_CONNECTIONS = 6  # to the database: who looks up keys, the committer, who empties the spool
# No banner, and no Django checks: `make check` makes them, here they cost each process a while.
CELERY = ["celery", "-A", "config", "--quiet", "--skip-checks"]
SERVER_TIMEOUT_SECONDS = 60.0
WEB_TIMEOUT_SECONDS = 60.0
SERVER_STOP_SIGNALS = {
    "postgres": ((signal.SIGINT, 3.0), (signal.SIGQUIT, 1.0)),
    "redis": ((signal.SIGTERM, 2.0),),
}


def web(number: int, listener: socket.socket) -> Program:
    """A web process: pages, REST, the door and the streams; all share one listening socket."""
    return Program(
        "web" if number == 1 else f"web{number}",
        ["config.web"],
        stop_signals=((signal.SIGTERM, 5.0),),
        listener=listener,
    )


def mail(listener: socket.socket) -> Program:
    """The mail process: alerts by SMTP."""
    return Program(
        "mail",
        ["config.mail"],
        env={"DATABASE_POOL_SIZE": str(MAIL_CONNECTIONS)},
        stop_signals=((signal.SIGTERM, 5.0),),
        listener=listener,
    )


def worker(name: str, options: Options) -> Program:
    """A Celery worker with its queues."""
    concurrency = CONCURRENCY.get(name, OTHER_CONCURRENCY)
    return Program(
        name,
        [
            *CELERY, "worker", "-Q", ",".join(WORKERS[name]), "-n", f"{name}@%h", "--pool=threads",
            f"--concurrency={concurrency}", f"--loglevel={options.log_level}",
            "--without-gossip", "--without-mingle", "--without-heartbeat",
        ],
        env={"DATABASE_POOL_SIZE": str(concurrency + 2)},
    )  # fmt: skip


def beat(options: Options) -> Program:
    """Celery Beat, which sends the sweeps."""
    return Program("beat", [*CELERY, "beat", f"--loglevel={options.log_level}"])


class Stack:
    """Runs the processes until a signal says stop."""

    def __init__(
        self, options: Options, listener: socket.socket, mail_listener: socket.socket | None = None
    ) -> None:
        self.options = options
        self._webs = [web(n + 1, listener) for n in range(options.web_processes)]
        self._mails = [mail(mail_listener)] if mail_listener is not None else []
        self._servers: list[EmbeddedServer] = []
        if options.redis_url is None:
            self._servers.append(EmbeddedRedis(options.home))
        if options.database is None:
            self._servers.append(EmbeddedPostgres(options.home))
        self._server_children: list[Child] = []
        self._app_children: list[Child] = []
        self._keepers: list[asyncio.Task[None]] = []
        names = [server.name for server in self._servers]
        webs = [program.name for program in (*self._webs, *self._mails)]
        self._log = Log(["opsknight", *names, "forkserver", "prepare", *webs, "beat", *WORKERS])
        self._forks = ForkServer(self._log)

    async def run(self) -> int:
        """Start everything, wait for SIGINT, SIGTERM or SIGHUP, stop everything.

        Raises StartError when something essential does not start; nothing is left running then.
        """
        adopt_orphans()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, stop.set)
        loop.add_signal_handler(signal.SIGCHLD, self._notice_ends)
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await stopping
            self._log.say("opsknight", "stopping")
        finally:
            starting.cancel()
            stopping.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)
            await self._stop()
            self._forks.close()
        self._log.say("opsknight", "stopped")
        return 0

    async def _start(self) -> None:
        for server in self._servers:
            await self._start_server(server)
        await self._keep(self._forks.child, self._app_children)  # loads while the servers start
        for server, child in zip(self._servers, self._server_children, strict=True):
            await self._until(_answers(server), child, SERVER_TIMEOUT_SECONDS)
        invitation = await self._prepare()
        web_child = await self._fork(self._webs[0])
        for program in (*self._webs[1:], *self._mails):
            await self._fork(program)
        for program in (beat(self.options), *(worker(name, self.options) for name in WORKERS)):
            await self._fork(program)
        await self._until(self._is_healthy, web_child, WEB_TIMEOUT_SECONDS)
        for line in (*invitation, f"OpsKnight is ready at {self.options.address}"):
            self._log.say("opsknight", line)

    async def _start_server(self, server: EmbeddedServer) -> None:
        server.prepare()
        program = Program(
            server.name,
            server.command(),
            stop_signals=SERVER_STOP_SIGNALS[server.name],
            popen_options=server.popen_options(),
        )
        await self._keep(Child(program, self._log), self._server_children)

    async def _fork(self, program: Program) -> Child:
        try:
            child = Child(program, self._log, self._forks.start)
            return await self._keep(child, self._app_children)
        except OSError as error:
            raise StartError(f"{program.name} cannot be started: {error}.") from error

    async def _keep(self, child: Child, group: list[Child]) -> Child:
        group.append(child)  # before it starts, so that a stop in this moment finds it
        await child.start()
        self._keepers.append(asyncio.create_task(child.keep_running()))
        return child

    async def _prepare(self) -> list[str]:
        """Run `config.prepare`; what it says about an address is worth saying again at the end."""
        child = Child(Program("prepare", ["config.prepare"]), self._log, self._forks.start)
        self._app_children.append(child)
        try:
            await child.start()
        except OSError as error:
            raise StartError(f"the preparation cannot be started: {error}.") from error
        if await child.finish() != 0:
            raise StartError("the preparation failed; the lines above say why.")
        return [line for line in child.last_lines if "http" in line]

    async def _until(
        self, is_ready: Callable[[], Awaitable[bool]], child: Child, seconds: float
    ) -> None:
        name = child.program.name
        deadline = time.monotonic() + seconds
        while not await is_ready():
            if child.exits:
                raise StartError(f"{name} ended at once; the lines above say why.")
            if time.monotonic() > deadline:
                raise StartError(f"{name} does not answer after {seconds:.0f} s.")
            await asyncio.sleep(0.1)

    async def _is_healthy(self) -> bool:
        """Whether `/api/health` answers 200 on our port."""
        host = self.options.local_host
        request = f"GET /api/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection(host, self.options.port)
                writer.write(request.encode())
                status_line = await reader.readline()
                writer.close()
        except (OSError, TimeoutError):
            return False
        return status_line.split()[1:2] == [b"200"]

    def _notice_ends(self) -> None:
        children = (*self._server_children, *self._app_children)
        for child in children:
            child.notice()
        reap_strays({child.pid for child in children if child.pid is not None})

    async def _stop(self) -> None:
        for group in (self._app_children, self._server_children):
            await asyncio.gather(*(child.stop() for child in group))
        for keeper in self._keepers:
            keeper.cancel()
        for server in self._servers:
            server.stop()


def _answers(server: EmbeddedServer) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return server.is_ready()  # a local socket: it answers or refuses at once

    return check
