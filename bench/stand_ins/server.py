"""An HTTP server that plays a provider: it remembers what came, and misbehaves when told to."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SLICE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str  # without the query
    query: dict[str, list[str]]
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; raises ValueError."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, list[str]]:
        """The body as a form."""
        return parse_qs(self.body.decode(), keep_blank_values=True)


@dataclass(frozen=True)
class Reply:
    """What is answered, and how badly."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0  # seconds before anything is said
    cut_after: int | None = None  # the connection is cut after so many bytes of the body
    is_silent: bool = False  # nothing is said at all, and the connection is cut


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    """A reply in JSON; `retry_after="3"` becomes the header Retry-After."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"} | named)


class StandIn:
    """One running server. A subclass overrides `answer`; `faults` are given before it is asked."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.faults: deque[Reply] = deque()  # first come, first served
        self.delay = 0.0  # before every answer
        self.port = 0
        self._news = threading.Condition()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, request: Request) -> Reply:
        """What a provider in good health says."""
        return Reply()

    def wait_for(self, is_there: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until what came makes it so; raises TimeoutError."""
        with self._news:
            if not self._news.wait_for(is_there, seconds):
                raise TimeoutError(f"Not after {seconds} s: {[r.path for r in self.requests]}")

    def take(self, request: Request) -> Reply:
        """Remember the request and choose the reply."""
        with self._news:
            self.requests.append(request)
            self._news.notify_all()
            fault = self.faults.popleft() if self.faults else None
        return fault or self.answer(request)

    @contextmanager
    def running(self, port: int = 0) -> Iterator["StandIn"]:
        """Listen until the block ends."""
        server = ThreadingHTTPServer(("127.0.0.1", port), _handler_of(self))
        server.daemon_threads = True
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _handler_of(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def respond(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", 0))
            request = Request(
                self.command,
                parts.path,
                parse_qs(parts.query),
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(length),
            )
            reply = stand_in.take(request)
            time.sleep(stand_in.delay + reply.delay)
            if reply.is_silent:
                self.close_connection = True
                return
            try:
                self._write(reply)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the other side had enough

        def _write(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            end = len(reply.body) if reply.cut_after is None else reply.cut_after
            for start in range(0, end, SLICE_BYTES):
                self.wfile.write(reply.body[start : min(start + SLICE_BYTES, end)])
            if reply.cut_after is not None:
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_DELETE = respond

        def log_message(self, *args: Any) -> None:
            """Stay quiet."""

    return Handler
