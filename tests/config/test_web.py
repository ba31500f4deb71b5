"""What one web process does to strangers, and before anybody is asked."""

import contextlib
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from config.listening import listen
from config.settings import INTAKE_MAX_BODY_BYTES
from tests.processes import wait_until


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A web process on a free port."""
    with listen("127.0.0.1", 0) as listener:
        number: int = listener.getsockname()[1]
        command = [sys.executable, "-m", "config.web", "--fd", str(listener.fileno())]
        web = subprocess.Popen(command, pass_fds=(listener.fileno(),))
        try:
            wait_until(lambda: talk(number, b"GET /api/health HTTP/1.1"), 30, "it answers")
            yield number
        finally:
            web.terminate()
            assert web.wait(10) in (0, -signal.SIGTERM)


def talk(port: int, head: bytes, body: bytes = b"") -> bytes:
    """Say something as a stranger would; everything that comes back until the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        answer = b""
        with contextlib.suppress(OSError):  # it is tired of us; what it said may be here
            connection.sendall(head + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n" + body)
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                answer += chunk
        return answer


def test_a_body_that_is_too_large_is_refused_before_django_keeps_it(port: int):
    size = INTAKE_MAX_BODY_BYTES + 1
    head = b"POST /login/ HTTP/1.1\r\nContent-Length: %d" % size

    answer = talk(port, head, b"x" * size)

    assert answer.startswith(b"HTTP/1.1 413")


def test_a_body_that_hides_its_size_is_refused_too(port: int):
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = b"POST /login/ HTTP/1.1\r\nTransfer-Encoding: chunked"

    answer = talk(port, head, chunk * 20)

    assert answer.startswith(b"HTTP/1.1 413")


def test_headers_without_end_are_cut_off(port: int):
    answer = talk(port, b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 10_000_000)

    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431")) or answer == b""


def test_strangers_choose_neither_root_nor_protocol(port: int):
    evil = b"Daphne-Root-Path: /evil\r\nX-Forwarded-Prefix: /evil\r\nUpgrade: websocket"

    answer = talk(port, b"GET /api/health HTTP/1.1\r\n" + evil + b"\r\nConnection: Upgrade")

    assert answer.startswith(b"HTTP/1.1 200")


def test_nonsense_is_a_400(port: int):
    assert talk(port, b"\x00\xff\x13 nonsense").startswith(b"HTTP/1.1 400")


def test_two_events_in_one_write_are_both_answered(port: int):
    one = b"POST /api/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"

    answer = talk(port, one + b"POST /api/events HTTP/1.1\r\nContent-Length: 2", b"{}")

    assert answer.count(b"HTTP/1.1 401") == 2


def test_connections_are_not_limited_to_the_usual_1024() -> None:
    from config.web import allow_many_connections  # not before a fixture has made the folder

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        allow_many_connections()
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert allowed == min(hard, 65_536)
