"""Calls to APIs that are slow, silent or lying end in time, and say what may have happened."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bench.stand_ins.server import Reply, StandIn
from notifications.channels.base import DeliveryError, Message
from notifications.providers.http import call
from notifications.providers.smtp_connections import Connection, MailServer
from notifications.providers.user_urls import post_message

SECONDS = 0.5
PATIENCE = 3.0  # far below a read time-out for every byte, far above a busy machine's hiccups


@contextmanager
def dripping(drops: Callable[[], Iterator[bytes]]) -> Iterator[str]:
    """A server that sends these drops, one every tenth of a second, whatever it is asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            for drop in drops():
                if is_over.wait(0.1):
                    return
                try:
                    connection.sendall(drop)
                except OSError:
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        is_over.set()
        thread.join()
        listener.close()


def header_for_ever() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX-Slow: "
    while True:
        yield b"a"


def body_for_ever() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    while True:
        yield b"a"


def interim_for_ever() -> Iterator[bytes]:
    while True:
        yield b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("drops", [header_for_ever, body_for_ever, interim_for_ever])
def test_an_answer_that_drips_is_given_up_in_time(drops: Callable[[], Iterator[bytes]]):
    started = time.monotonic()
    with dripping(drops) as url, pytest.raises(DeliveryError) as caught:
        call("POST", url, who="Slow", seconds=SECONDS)

    assert time.monotonic() - started < PATIENCE
    assert (caught.value.may_have_arrived, caught.value.provider_is_down) == (True, True)


def test_an_answer_that_comes_too_late_is_not_waited_for():
    server = StandIn()
    server.faults.append(Reply(delay=1.5))
    started = time.monotonic()

    with server.running() as running, pytest.raises(DeliveryError) as caught:
        call("POST", running.url, who="Slow", seconds=SECONDS)

    assert time.monotonic() - started < PATIENCE
    assert caught.value.may_have_arrived


def test_a_call_after_one_that_ran_out_of_time_has_its_own_time():
    server = StandIn()
    server.faults.append(Reply(delay=1.0))
    with server.running() as running:
        with pytest.raises(DeliveryError):
            call("POST", running.url, who="Slow", seconds=SECONDS)

        assert call("POST", running.url, who="Slow").status == 200


def test_redirects_are_not_followed():
    server = StandIn()
    server.faults.append(Reply(307, headers={"Location": "http://127.0.0.1:1/"}))
    with server.running() as running:
        answer = call("POST", running.url, who="Moved")

    assert answer.status == 307
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "nonsense", "http://", "http://[::1"])
def test_what_is_no_web_address_is_the_accounts_trouble(url: str):
    with pytest.raises(DeliveryError) as caught:
        call("POST", url, who="Wrong")

    assert (caught.value.provider_is_down, caught.value.may_have_arrived) == (True, False)


def test_a_name_server_that_is_silent_holds_nobody_and_nothing_can_have_arrived(
    monkeypatch: pytest.MonkeyPatch,
):
    answers = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **values: answers.wait(20) and [])
    monkeypatch.setattr("notifications.providers.user_urls.SEND_SECONDS", 0.3)
    message = Message("http://slow.example/hook", "Hello", raw=b"{}")
    started = time.monotonic()

    with pytest.raises(DeliveryError) as of_api:
        call("POST", "http://slow.example/", who="Slow", seconds=0.3)
    with pytest.raises(DeliveryError) as of_hook:
        post_message(message)
    server = MailServer("slow.example", 25, "", "", "plain")
    with pytest.raises(TimeoutError):
        Connection(server, time.monotonic() + 0.3)
    answers.set()

    assert time.monotonic() - started < PATIENCE
    assert [e.value.may_have_arrived for e in (of_api, of_hook)] == [False, False]
    assert [e.value.provider_is_down for e in (of_api, of_hook)] == [True, True]
