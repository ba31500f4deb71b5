"""A real web server on a real port, pages that stay open, and another process that publishes."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import httpx
from django.test import Client

from config.processes import die_with_parent
from opsknight.models import User
from tests.stack import free_port

PATIENCE_SECONDS = 10.0


def eventually(is_so: Callable[[], bool], within: float = PATIENCE_SECONDS) -> bool:
    """Wait until it is so; False when it never came to be."""
    deadline = time.monotonic() + within
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def session_cookie(user: User) -> str:
    """Sign the user in; returns the cookie of the session."""
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


class Page:
    """An open page: reads its stream in the background and remembers the events."""

    def __init__(self, client: httpx.Client, url: str, cookie: str) -> None:
        self.events: list[tuple[str, Any]] = []
        self.headers = httpx.Headers()
        self.is_closed = False
        self.refusal = ""  # the body, where the server refused
        self._client = client
        self._url = url
        self._cookie = cookie
        self._news = threading.Condition()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        headers = {"Cookie": f"sessionid={self._cookie}"}
        try:
            with self._client.stream("GET", self._url, headers=headers, timeout=60) as response:
                if response.status_code != 200:
                    self.refusal = response.read().decode()
                    return
                self.headers = response.headers
                self._socket = response.extensions["network_stream"].get_extra_info("socket")
                self._parse(response.iter_lines())
        except httpx.HTTPError:
            pass  # cut, as some tests do on purpose
        finally:
            with self._news:
                self.is_closed = True
                self._news.notify_all()

    def _parse(self, lines: Iterator[str]) -> None:
        name = ""
        for line in lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data:"):
                text = line.removeprefix("data:").strip()
                with self._news:
                    self.events.append((name, json.loads(text) if text else None))
                    self._news.notify_all()

    def wait_for(self, name: str, count: int = 1, within: float = PATIENCE_SECONDS) -> list[Any]:
        """The data of the events of that name, once there are so many; fails without."""
        with self._news:
            came = self._news.wait_for(lambda: len(self.named(name)) >= count, within)
        assert came, f"{count} events {name} awaited, got {self.events} {self.refusal}"
        return self.named(name)

    def wait_until_closed(self, within: float = PATIENCE_SECONDS) -> bool:
        """Whether the server ended the stream in time."""
        with self._news:
            return self._news.wait_for(lambda: self.is_closed, within)

    def named(self, name: str) -> list[Any]:
        """The data of the events of that name so far."""
        return [data for event, data in self.events if event == name]

    def close(self) -> None:
        """Go away, as a browser does: without a word."""
        if self._socket is not None and not self.is_closed:
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_SECONDS)


class LiveServer:
    """One web process, and a publisher beside it."""

    def __init__(self, port: int, web: subprocess.Popen[bytes], publisher: Any) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.web = web
        self.client = httpx.Client(
            base_url=self.url,
            timeout=PATIENCE_SECONDS,
            transport=httpx.HTTPTransport(
                verify=False, limits=httpx.Limits(max_connections=None, max_keepalive_connections=0)
            ),
        )
        self._publisher = publisher
        self._pages: list[Page] = []

    def open_page(self, user: User, query: str = "", cookie: str = "") -> Page:
        """Open a stream as this user and wait until it is live."""
        page = self.start_page(user, query, cookie)
        page.wait_for("stream-open")
        return page

    def start_page(self, user: User, query: str = "", cookie: str = "") -> Page:
        """Open a stream as this user, without waiting."""
        cookie = cookie or session_cookie(user)
        page = Page(self.client, f"/api/realtime/stream{query}", cookie)
        self._pages.append(page)
        return page

    def open_socket(self, user: User) -> socket.socket:
        """Ask for a stream as this user, and read nothing of it."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", self.client.base_url.port))
        head = f"GET /api/realtime/stream HTTP/1.1\r\nHost: {self.client.base_url.host}\r\n"
        connection.sendall(f"{head}Cookie: sessionid={session_cookie(user)}\r\n\r\n".encode())
        return connection

    def get(self, path: str, cookie: str = "", method: str = "GET") -> httpx.Response:
        """One request, signed in by the cookie."""
        return self.client.request(method, path, headers={"Cookie": f"sessionid={cookie}"})

    def publish(self, topic: str, *ids: int) -> None:
        """Publish from the other process; returns when it is done."""
        self._publisher.stdin.write(json.dumps([topic, ids]) + "\n")
        self._publisher.stdin.flush()
        assert self._publisher.stdout.readline() == "published\n"

    def inside(self) -> dict[str, Any]:
        """What goes on in the web process: open streams, renders, threads."""
        found: dict[str, Any] = self.client.get("/-/inside").json()
        return found

    def close_pages(self) -> None:
        """Close every page that is open, and wait until the server knows."""
        while self._pages:
            self._pages.pop().close()
        assert eventually(lambda: self.inside()["streams"] == 0)


@contextmanager
def running_server(log: IO[bytes], **environment: str) -> Iterator[LiveServer]:
    """The server on a free port, with these variables of the environment."""
    port = free_port()
    env = os.environ | environment
    web = subprocess.Popen(
        [sys.executable, "-m", "tests.realtime.live_app", str(port)], env=env, stdout=log,
        stderr=log, preexec_fn=die_with_parent(signal.SIGKILL),
    )  # fmt: skip
    publisher = subprocess.Popen(
        [sys.executable, "-m", "tests.realtime.publisher"], env=env, text=True, stderr=log,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent(signal.SIGKILL),
    )  # fmt: skip
    server = LiveServer(port, web, publisher)
    try:
        assert eventually(lambda: _answers(port) or web.poll() is not None, within=30)
        assert web.poll() is None, "the server did not start"
        yield server
    finally:
        server.client.close()
        for process in (publisher, web):
            process.kill()
            process.communicate()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
