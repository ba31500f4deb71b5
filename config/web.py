"""One web process: Uvicorn on OPSKNIGHT_BIND and OPSKNIGHT_PORT, or on a socket that it is given.

`python -m config.web` listens by itself; `python -m config.web --fd N` shares the listening socket
N with other web processes, so that the kernel spreads the connections. See ADR 6 and 7.
"""

import argparse
import asyncio
import resource
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from config.asgi import application
from config.listening import listen
from config.settings import BIND, PORT
from incidents.intake import door
from incidents.intake.committer import shared_committer
from incidents.intake.keyring import keep_saving

MAX_OPEN_FILES = 65_536
MAX_HEAD_BYTES = 64 * 1024  # request line and headers
HEAD_SECONDS = 30.0  # that a new connection has to send them
KEEP_ALIVE_SECONDS = 75  # longer than load balancers keep theirs, so that they close first
STOP_SECONDS = 2  # that open requests, live pages among them, have to end


class Protocol(HttpToolsProtocol):
    """Uvicorn's own, with bounds where a stranger could otherwise fill memory or hold sockets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_in_head = True
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Give a new connection a while to say what it wants."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._drop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a head that does not end is cut off."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response("The request's headers are too large.")

    def on_message_begin(self) -> None:
        """The head of a request begins."""
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is here; what follows is a body, whose size the applications bound."""
        self._is_in_head = False
        self._drop_deadline()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What comes next is the head of the next request."""
        self._is_in_head = True
        self._head_bytes = 0
        super().on_message_complete()

    def _drop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def allow_many_connections() -> None:
    """Raise our limit of open files as far as the system permits.

    Every open page holds a connection: with the usual 1024 the door would be shut long before
    OPSKNIGHT_STREAMS_PER_PROCESS pages are open.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


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
    listener = listen(BIND, PORT) if fd is None else socket.socket(fileno=fd)
    make_server().run(sockets=[listener])


if __name__ == "__main__":
    main()
