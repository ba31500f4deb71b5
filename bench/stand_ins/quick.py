"""Providers in one process, for measuring: they answer late and keep when what came.

`python -m bench.stand_ins.quick <HTTP port> <SMTP port> <seconds>`: mail, Twilio, Slack, Telegram
and webhooks. Nothing is checked; the stand-ins beside this one do that. `GET /log?<n>` answers the
lines from the n-th on: when it came (the machine's monotonic clock), where, the marks in it,
whether it says that it may be a repetition, and whether it was taken. `GET /down?sms,email` puts
these out of order, and the others back in.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop
from aiosmtpd.smtp import SMTP

MARK = re.compile(rb"mark-([0-9a-f]{32})")
SAYS_SO = re.compile(
    rb'maybe_duplicate": ?true|may[ +]have[ +](received|arrived)|Possibly[ +]repeated'
)
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
ANSWERS = {
    "sms": (201, {"sid": "SM" + "0" * 32, "status": "queued"}),
    "slack": (200, {"ok": True, "channel": "C1", "ts": "1.1"}),
    "telegram": (200, {"ok": True, "result": {"message_id": 1, "chat": {"id": 1}}}),
    "webhook": (200, {}),
}


@dataclass
class Log:
    """What came."""

    delay: float
    down: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)

    def keep(self, place: str, body: bytes) -> bool:
        """Whether the provider takes it."""
        marks = [mark.decode() for mark in dict.fromkeys(MARK.findall(body))]
        is_taken = place not in self.down
        line = [time.monotonic(), place, marks, bool(SAYS_SO.search(body)), is_taken]
        self.lines.append(json.dumps(line))
        return is_taken


class Mail:
    """The handler of the mail server."""

    def __init__(self, log: Log) -> None:
        self.log = log

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Called with each message."""
        is_taken = self.log.keep("email", envelope.content)
        await asyncio.sleep(self.log.delay)
        return "250 OK" if is_taken else "451 Out of order"


class Http(asyncio.Protocol):
    """One connection, one request after the other."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, rest = self.buffer.partition(b"\r\n\r\n")
            found = LENGTH.search(head)
            length = int(found[1]) if found else 0
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            self._take(head.split(b" ", 2)[1].decode(), rest[:length])

    def _take(self, path: str, body: bytes) -> None:
        if path.startswith("/log"):
            start = int(path.partition("?")[2] or 0)
            self._say(200, "\n".join(self.log.lines[start:]).encode())
            return
        if path.startswith("/down"):
            self.log.down = set(path.partition("?")[2].split(","))
            self._say(200, b"")
            return
        place = path.split("/")[1]
        status, answer = ANSWERS.get(place, (200, {}))
        if not self.log.keep(place, body):
            status, answer = 503, {}
        loop = asyncio.get_running_loop()
        loop.call_later(self.log.delay, self._say, status, json.dumps(answer).encode())

    def _say(self, status: int, body: bytes) -> None:
        if self.transport.is_closing():
            return  # whoever asked was killed
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
        self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


async def serve(http_port: int, smtp_port: int, delay: float) -> None:
    """Until it is ended."""
    log = Log(delay)
    loop = asyncio.get_running_loop()
    await loop.create_server(
        lambda: SMTP(Mail(log), hostname="localhost", loop=loop),
        "127.0.0.1",
        smtp_port,
        backlog=500,
    )
    await loop.create_server(lambda: Http(log), "127.0.0.1", http_port, backlog=500)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
