"""What strangers cannot do to the sockets and the memory of a web process."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import pytest

from config.listening import listen
from tests.processes import wait_until

Opener = Callable[[], socket.socket]


class Echo:
    """An application that reads the whole body, then says what it got; it can be held up."""

    def __init__(self) -> None:
        self.scopes: list[MutableMapping[str, Any]] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        self.bodies.append(body)
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def served(echo: Echo) -> Iterator[Opener]:
    """Our server with this application, in a thread; hands out connections to it."""
    from config.web import make_server  # not before a fixture has made the folder

    with listen("127.0.0.1", 0) as listener:
        server = make_server(echo)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        wait_until(lambda: server.started, 10, "it serves")
        opened = []

        def connect() -> socket.socket:
            opened.append(socket.create_connection(listener.getsockname(), timeout=10))
            return opened[-1]

        try:
            yield connect
        finally:
            for connection in opened:
                connection.close()
            server.should_exit = True
            thread.join(10)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def opened(echo: Echo) -> Iterator[Opener]:
    with served(echo) as connect:
        yield connect


def read_until_closed(connection: socket.socket) -> bytes:
    """What comes until the other side hangs up; fails when it does not."""
    said = b""
    try:
        while chunk := connection.recv(65536):
            said += chunk
    except ConnectionError:
        pass
    return said


def test_body_that_does_not_end_loses_its_connection(
    monkeypatch: pytest.MonkeyPatch, opened: Opener
) -> None:
    monkeypatch.setattr("config.web.BODY_SECONDS", 0.2)
    connection = opened()

    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")

    assert read_until_closed(connection) == b""


def test_second_head_that_does_not_end_loses_its_connection_too(
    monkeypatch: pytest.MonkeyPatch, opened: Opener
) -> None:
    monkeypatch.setattr("config.web.HEAD_SECONDS", 0.2)
    connection = opened()
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.recv(1000).endswith(b"ok")

    connection.sendall(b"GET / HT")

    assert read_until_closed(connection) == b""


def test_connection_that_waits_between_requests_stays(
    monkeypatch: pytest.MonkeyPatch, opened: Opener
) -> None:
    monkeypatch.setattr("config.web.HEAD_SECONDS", 0.1)
    monkeypatch.setattr("config.web.BODY_SECONDS", 0.1)
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    connection = opened()
    connection.sendall(request)
    assert connection.recv(1000).endswith(b"ok")

    time.sleep(0.3)  # nothing happens: that is the point
    connection.sendall(request)

    assert connection.recv(1000).endswith(b"ok")


def test_trailers_are_no_headers(echo: Echo, opened: Opener) -> None:
    connection = opened()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    connection.sendall(head + b"1\r\na\r\n0\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n")

    assert connection.recv(1000).endswith(b"ok")
    assert b"x-forwarded-for" not in dict(echo.scopes[0]["headers"])


def test_trailers_without_end_are_cut_off(monkeypatch: pytest.MonkeyPatch, opened: Opener) -> None:
    monkeypatch.setattr("config.web.MAX_MESSAGE_BYTES", 200_000)
    connection = opened()
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")

    def go_on() -> None:
        for _ in range(200):
            connection.sendall(b"X-Trailer: 1\r\n" * 5_000)
            time.sleep(0.005)

    with pytest.raises(ConnectionError):
        go_on()


def test_requests_that_wait_in_one_connection_are_few(echo: Echo, opened: Opener) -> None:
    connection = opened()

    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 5_000)

    read_until_closed(connection)
    assert len(echo.scopes) < 200


def test_bodies_under_way_fill_so_much_memory_and_no_more(
    monkeypatch: pytest.MonkeyPatch, echo: Echo, opened: Opener
) -> None:
    monkeypatch.setattr("config.web.MAX_UNDER_WAY_BYTES", 100_000)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n"
    first, second = opened(), opened()
    first.sendall(head + b"x" * 60_000)
    wait_until(lambda: len(echo.scopes) == 1, 10, "the first is under way")

    second.sendall(head + b"x" * 60_000)

    assert read_until_closed(second).startswith(b"HTTP/1.1 503")
    first.sendall(b"x" * 30_000)
    assert first.recv(1000).endswith(b"ok")
    third = opened()
    third.sendall(head + b"x" * 90_000)
    assert third.recv(1000).endswith(b"ok")
