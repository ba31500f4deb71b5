"""A small site for browser tests of the shell: given pages, our static files, one event stream."""

import json
import queue
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mimetypes import guess_type
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.contrib.staticfiles import finders

POLICY = "default-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'self'"
CLOSE = ""


@dataclass
class Answer:
    """What the site says at one address."""

    body: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Site:
    """Serves `pages` by path; `send` puts an event on every open stream."""

    def __init__(self) -> None:
        # The shell asks for the bell on every page.
        self.pages: dict[str, Answer] = {"/notifications/bell/": Answer("")}
        self.requests: Counter[str] = Counter()
        self.stream_status = 200
        self.streams: list[queue.Queue[str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def send(self, event: str, data: Any) -> None:
        for stream in self.streams:
            stream.put(f"event: {event}\ndata: {json.dumps(data)}\n\n")

    def break_streams(self) -> None:
        """Close every open stream, as a restart of the server would."""
        while self.streams:
            self.streams.pop().put(CLOSE)

    def close(self) -> None:
        self.break_streams()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                site.requests[path] += 1
                if path == "/api/realtime/stream":
                    self.stream()
                elif path.startswith("/static/"):
                    self.static(path.removeprefix("/static/"))
                else:
                    self.answer(site.pages.get(path, Answer("nothing here", 404)))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.do_GET()

            def answer(self, answer: Answer) -> None:
                body = answer.body.encode()
                self.send_response(answer.status)
                headers = {"Content-Type": "text/html; charset=utf-8"} | answer.headers
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Security-Policy", POLICY)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def static(self, name: str) -> None:
                found = finders.find(name)
                if not found:
                    self.answer(Answer("no such file", 404))
                    return
                kind = guess_type(name)[0] or "application/octet-stream"
                self.answer(Answer(Path(found).read_text(), headers={"Content-Type": kind}))

            def stream(self) -> None:
                if site.stream_status != 200:
                    self.answer(Answer("full", site.stream_status))
                    return
                events: queue.Queue[str] = queue.Queue()
                site.streams.append(events)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                text = "retry: 100\n\nevent: stream-open\ndata:\n\n"
                while text != CLOSE:
                    self.wfile.write(text.encode())
                    self.wfile.flush()
                    text = events.get()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler
