"""A small closed-loop HTTP load generator: N connections, one request at a time on each."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import uvloop

Body = Callable[[int], bytes]


@dataclass
class Load:
    """What to send where, and what came back."""

    host: str
    port: int
    path: str
    headers: dict[str, str]
    body: Body  # the n-th body
    connections: int
    seconds: float
    latencies: list[float] = field(default_factory=list)  # seconds, of answers counted
    statuses: dict[int, int] = field(default_factory=dict)
    _sent: int = 0
    _until: float = 0.0

    def request(self) -> bytes:
        """The next request as it goes over the wire."""
        body = self.body(self._sent)
        self._sent += 1
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body

    def run(self) -> float:
        """Send until the time is over; answers per second."""
        started = time.perf_counter()
        uvloop.run(self._run())
        return len(self.latencies) / (time.perf_counter() - started)

    async def _run(self) -> None:
        self._until = time.perf_counter() + self.seconds
        await asyncio.gather(*(self._connection() for _ in range(self.connections)))

    async def _connection(self) -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        await loop.create_connection(lambda: _Connection(self, done), self.host, self.port)
        await done

    @property
    def is_over(self) -> bool:
        return time.perf_counter() >= self._until


class _Connection(asyncio.Protocol):
    """One keep-alive connection: a request, its answer, the next request."""

    def __init__(self, load: Load, done: "asyncio.Future[None]") -> None:
        self.load, self.done = load, done
        self.buffer = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its type
        self._next()

    def _next(self) -> None:
        if self.load.is_over:
            self.transport.close()
            return
        self.sent_at = time.perf_counter()
        self.transport.write(self.load.request())

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        self.buffer = b""
        status = int(head[9:12])
        self.load.statuses[status] = self.load.statuses.get(status, 0) + 1
        self.load.latencies.append(time.perf_counter() - self.sent_at)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
