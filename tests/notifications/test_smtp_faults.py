"""Mail servers that drip, flood, fall silent or hang up: every send ends in time."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from notifications.channels.base import DeliveryError
from notifications.channels.email import EmailChannel
from notifications.providers import smtp
from notifications.providers.base import ProviderConfig
from notifications.providers.smtp import SmtpProvider
from tests.notifications.providers import Mailbox
from tests.notifications.test_email import PAGE

SECONDS = 0.6
PATIENCE = 3.0
GREETING = b"220 mail.example.com\r\n"
# What a server in good health says until it has the mail.
POLITE = [GREETING, b"250 mail.example.com\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 Go on\r\n"]


@pytest.fixture(autouse=True)
def short_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not wait for 15 seconds."""
    monkeypatch.setattr(smtp, "SEND_SECONDS", SECONDS)


@contextmanager
def server_that(answers: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server that talks to one connection as told: its EMAIL_URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                answers(connection, is_over)
            except OSError:
                return  # the other side had enough

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"smtp://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        is_over.set()
        thread.join()
        listener.close()


def refuse(url: str) -> DeliveryError:
    """Send a mail; returns the error."""
    with pytest.raises(DeliveryError) as caught:
        SmtpProvider().send(
            EmailChannel().render([PAGE]),
            config=ProviderConfig("7", "smtp", "Ours", {"url": url}),
            channel="email",
            idempotency_key=PAGE.idempotency_key,
        )
    return caught.value


def politely(connection: socket.socket, count: int) -> None:
    """Greet, and answer so many lines as a good server does."""
    connection.sendall(POLITE[0])
    for answer in POLITE[1:count]:
        connection.recv(65536)
        connection.sendall(answer)


def drip(connection: socket.socket, is_over: threading.Event, drop: bytes) -> None:
    """Send this for ever, ten times a second."""
    while not is_over.wait(0.1):
        connection.sendall(drop)


@pytest.mark.parametrize("drop", [b"2", b"220-more\r\n"])
def test_a_greeting_that_drips_is_given_up_in_time(drop: bytes):
    started = time.monotonic()
    with server_that(lambda connection, is_over: drip(connection, is_over, drop)) as url:
        error = refuse(url)

    assert time.monotonic() - started < PATIENCE
    assert (error.provider_is_down, error.may_have_arrived) == (True, False)


def test_an_answer_to_the_mail_that_drips_may_hide_a_success():
    def answers(connection: socket.socket, is_over: threading.Event) -> None:
        politely(connection, len(POLITE))
        drip(connection, is_over, b"250-more\r\n")

    started = time.monotonic()
    with server_that(answers) as url:
        error = refuse(url)

    assert time.monotonic() - started < PATIENCE
    assert (error.provider_is_down, error.may_have_arrived) == (True, True)


def test_an_answer_of_many_megabytes_is_not_kept():
    def answers(connection: socket.socket, is_over: threading.Event) -> None:
        for _ in range(10_000):
            connection.sendall(b"220-" + b"x" * 1000 + b"\r\n")

    with server_that(answers) as url:
        error = refuse(url)

    assert "too long" in str(error)
    assert error.provider_is_down


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up_in_time():
    started = time.monotonic()
    with server_that(lambda _, is_over: bool(is_over.wait(10))) as url:  # type: ignore[arg-type]
        error = refuse(url)

    assert time.monotonic() - started < PATIENCE
    assert (error.provider_is_down, error.may_have_arrived) == (True, False)


@pytest.mark.parametrize(
    ("count", "may_have_arrived"),
    [(1, False), (2, False), (4, False), (5, True)],  # before and after the mail itself
)
def test_a_server_that_hangs_up_is_believed_to_have_the_mail_only_at_the_end(
    count: int, may_have_arrived: bool
):
    def answers(connection: socket.socket, _: threading.Event) -> None:
        politely(connection, count)
        connection.recv(65536)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(65536)

    with server_that(answers) as url:
        error = refuse(url)

    assert error.provider_is_down
    assert error.may_have_arrived == may_have_arrived


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff\r\n", b"421 busy\r\n"]
)
def test_who_is_no_mail_server_lets_another_try(greeting: bytes):
    with server_that(lambda connection, _: connection.sendall(greeting)) as url:
        error = refuse(url)

    assert (error.provider_is_down, error.permanent) == (True, False)


def test_a_connection_that_is_kept_does_not_use_up_what_may_be_said(mailbox: Mailbox):
    provider = SmtpProvider()
    message = EmailChannel().render([PAGE])
    config = ProviderConfig("7", "smtp", "Ours", {"url": mailbox.url})
    mailbox.data_answers = [f"250 {'x' * 400}" for _ in range(250)]

    for _ in range(250):
        key = PAGE.idempotency_key
        provider.send(message, config=config, channel="email", idempotency_key=key)
    provider.connections.close_all()

    assert mailbox.connections == 1


@pytest.mark.parametrize(
    "wrong", [{"port": "x"}, {"port": "99999"}, {"host": ""}, {"host": "[::1"}, {"host": "a b"}]
)
def test_a_host_or_port_that_is_none_is_the_accounts_trouble(wrong: dict[str, str]):
    values = {"host": "127.0.0.1", "port": "1", "security": "plain"} | wrong

    with pytest.raises(DeliveryError) as caught:
        SmtpProvider().send(
            EmailChannel().render([PAGE]),
            config=ProviderConfig("7", "smtp", "Ours", values),
            channel="email",
            idempotency_key=PAGE.idempotency_key,
        )

    assert (caught.value.provider_is_down, caught.value.permanent) == (True, False)
