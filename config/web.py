"""One web process: Uvicorn on OPSKNIGHT_BIND and OPSKNIGHT_PORT, or on a socket that it is given.

`python -m config.web` listens by itself; `python -m config.web --fd N` shares the listening socket
N with other web processes, so that the kernel spreads the connections. See ADR 6 and 7.
"""

import argparse
import asyncio
import gc
import resource
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from config.asgi import application
from config.listening import listen
from config.settings import BIND, INTAKE_MAX_BODY_BYTES, PORT
from incidents.intake import door
from incidents.intake.committer import shared_committer
from incidents.intake.keyring import keep_saving

MAX_OPEN_FILES = 65_536
MAX_HEAD_BYTES = 64 * 1024  # request line and headers
HEAD_SECONDS = 30.0  # that they may take to arrive, on a new connection and on a used one
BODY_SECONDS = 60.0  # that a body may take to arrive
MAX_MESSAGE_BYTES = 8 * INTAKE_MAX_BODY_BYTES  # one request as sent, with what chunks add
MAX_UNDER_WAY_BYTES = 256 * 1024 * 1024  # of all bodies that are not complete yet
MAX_PIPELINED = 50  # requests of one connection that wait for the one before them
KEEP_ALIVE_SECONDS = 75  # longer than load balancers keep theirs, so that they close first
STOP_SECONDS = 2  # that open requests, live pages among them, have to end


BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\n"
    b"connection: close\r\n\r\n"
)


class UnderWay:
    """Bytes of incomplete bodies, of all connections.

    An object of its own: to write to an attribute of the protocol's class would make Python forget
    where its methods are, with each body.
    """

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = 0


under_way = UnderWay()


class Protocol(HttpToolsProtocol):
    """Uvicorn's own, with bounds where a stranger could otherwise fill memory or hold sockets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_in_head = True
        self._message_bytes = 0
        self._body_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._is_head_awaited = True  # by the deadline; else a body

    def connection_made(self, transport: Any) -> None:
        """Give a new connection a while to say what it wants."""
        super().connection_made(transport)
        self._expect_within(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline, and the body that was under way."""
        self._drop_deadline()
        self._release_body()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what does not end is cut off."""
        self._message_bytes += len(data)
        super().data_received(data)
        if self._message_bytes == 0:  # it was complete, as nearly every request is
            return
        if self._deadline is None or self._is_in_head != self._is_head_awaited:
            self._expect_within(HEAD_SECONDS if self._is_in_head else BODY_SECONDS)
        if self._is_in_head and self._message_bytes > MAX_HEAD_BYTES:
            self.send_400_response("The request's headers are too large.")
        elif self._message_bytes > MAX_MESSAGE_BYTES:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """The head of a request begins."""
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is here; what follows is a body, whose size the applications bound."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("Too many requests wait in one connection.")  # answered with 400
        self._is_in_head = False
        super().on_headers_complete()
        # What comes behind the body is no header: no proxy has looked at it. The request has the
        # list of its headers; trailers go into another one.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """A part of the body; a new one too many is turned away, for its sender to repeat."""
        if not self.cycle.response_complete:
            self._body_bytes += len(body)
            under_way.size += len(body)
        super().on_body(body)
        if under_way.size > MAX_UNDER_WAY_BYTES and not self.transport.is_closing():
            if not self.cycle.response_started:
                self.transport.write(BUSY)
            self.transport.close()

    def on_message_complete(self) -> None:
        """What comes next is the head of the next request."""
        self._is_in_head = True
        self._message_bytes = 0
        self._drop_deadline()
        self._release_body()
        super().on_message_complete()

    def _expect_within(self, seconds: float) -> None:
        self._drop_deadline()
        self._is_head_awaited = self._is_in_head
        # Not close(): that waits until the other side has taken what was written.
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _drop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _release_body(self) -> None:
        under_way.size -= self._body_bytes
        self._body_bytes = 0


def allow_many_connections() -> None:
    """Raise our limit of open files as far as the system permits.

    Every open page holds a connection: with the usual 1024 the door would be shut long before
    OPSKNIGHT_STREAMS_PER_PROCESS pages are open.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def spare_the_collector() -> None:
    """Let Python's garbage collector look at new objects only, and less often.

    It would walk through everything that was ever imported, many times a second under load: each
    time is a pause for everybody. Most of what a request leaves behind is freed without it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def make_server(app: Any = application) -> uvicorn.Server:
    """The server as we run it; the caller hands it the sockets."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # `opsknight.web.client_ip` decides whom to believe
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return uvicorn.Server(config)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, help="listening socket to share")
    fd = parser.parse_args().fd
    allow_many_connections()
    shared_committer()  # what an earlier process left on disk gets in now
    keep_saving(door.keyring)
    spare_the_collector()
    listener = listen(BIND, PORT) if fd is None else socket.socket(fileno=fd)
    make_server().run(sockets=[listener])


if __name__ == "__main__":
    main()
