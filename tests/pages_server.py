"""A real HTTP server on this machine that serves what a test puts into it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Content:
    """One answer."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str = ""
    drips: bool = False  # a byte now and then, without end


@dataclass
class PagesServer:
    """What is served, by path, and what was asked for."""

    port: int = 0
    pages: dict[str, Content] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def running_pages_server() -> Iterator[PagesServer]:
    """The server on a free port."""
    site = PagesServer()
    is_over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            site.asked.append((self.path, headers))
            content = site.pages.get(self.path, Content(status=404))
            is_known = bool(content.etag) and headers.get("if-none-match") == content.etag
            self.send_response(304 if is_known else content.status)
            for name, value in content.headers.items():
                self.send_header(name, value)
            if content.etag:
                self.send_header("ETag", content.etag)
            self.end_headers()
            try:
                while content.drips and not is_over.wait(0.05):
                    self.wfile.write(b"B")
                    self.wfile.flush()
                if not is_known:
                    self.wfile.write(content.body)
            except OSError:
                return  # the other side has had enough

        def log_message(self, *args: Any) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        is_over.set()
        server.shutdown()
        thread.join()
        server.server_close()
