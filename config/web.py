"""One web process: Daphne on OPSKNIGHT_BIND and OPSKNIGHT_PORT, or on a socket that it is given.

`python -m config.web` listens by itself; `python -m config.web --fd N` shares the listening socket
N with other web processes, so that the kernel spreads the connections. See ADR 6.
"""

import argparse
import resource
import socket
from typing import Any

from daphne import http_protocol
from daphne.server import Server
from twisted.internet import reactor

from config.asgi import application
from config.listening import listen
from config.settings import BIND, INTAKE_MAX_BODY_BYTES, PORT
from incidents.intake import door
from incidents.intake.committer import shared_committer
from incidents.intake.keyring import keep_saving

MAX_OPEN_FILES = 65_536


class Request(http_protocol.WebRequest):  # type: ignore[misc] # Daphne has no types
    """Daphne's request, without Twisted's own parsing of forms, and with bodies of bounded size.

    Nothing reads what it parses, and it costs a fifth of the time of an event at the door.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, parsePOSTFormSubmission=False, **kwargs)

    def process(self) -> Any:
        """Serve it without two headers by which Daphne does what strangers say.

        One sets the root of all paths, which passes by a proxy's rules about addresses; the other
        asks for WebSockets, which we do not speak. Both ended in tracebacks.
        """
        for name in (b"daphne-root-path", b"upgrade"):
            self.requestHeaders.removeHeader(name)
        return super().process()

    def handleContentChunk(self, data: bytes) -> None:
        """Keep no more than shows that the body is too large.

        Twisted writes it to disk before anybody is asked: strangers could fill the disk.
        """
        room = INTAKE_MAX_BODY_BYTES + 1 - self.content.tell()
        if room > 0:
            super().handleContentChunk(data[:room])


def allow_many_connections() -> None:
    """Raise our limit of open files as far as the system permits.

    Every open page holds a connection: with the usual 1024 the door would be shut long before
    OPSKNIGHT_STREAMS_PER_PROCESS pages are open.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, help="listening socket to share")
    fd = parser.parse_args().fd
    allow_many_connections()
    shared_committer()  # what an earlier process left on disk gets in now
    keep_saving(door.keyring)
    listener = listen(BIND, PORT) if fd is None else socket.socket(fileno=fd)
    http_protocol.WebRequest = Request
    server = Server(application, endpoints=["adopted"], server_name="", verbosity=0)
    server.endpoints = []  # its own can neither share a socket of IPv6 nor be left out

    def adopt() -> None:
        reactor.adoptStreamPort(listener.fileno(), listener.family, server.http_factory)

    server.ready_callable = adopt
    server.run()


if __name__ == "__main__":
    main()
