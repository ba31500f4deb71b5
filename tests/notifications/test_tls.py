"""TLS that fails: a certificate that nobody trusts, and servers that speak no TLS at all."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench.stand_ins import resend
from incidents.models import Incident
from notifications.channels.base import DeliveryError
from notifications.channels.email import EmailChannel
from notifications.models import Notification, Provider
from notifications.providers import PROVIDERS
from notifications.providers.base import ProviderConfig
from notifications.services.delivery import deliver_due
from opsknight.models import User
from tests.factories import NotificationFactory
from tests.notifications.certificates import self_signed
from tests.notifications.providers import FreePortController, Mailbox
from tests.notifications.test_email import PAGE

pytestmark = pytest.mark.django_db
HTTP_KINDS = ["sendgrid", "resend", "ses"]


@contextmanager
def running_https(context: ssl.SSLContext) -> Iterator[tuple[str, list[str]]]:
    """A web server behind TLS: its address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)

        def log_message(self, *args: Any) -> None:
            """Stay quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *args: Any) -> None:
            """A handshake that fails is what these tests want."""

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running_smtp(mailbox: Mailbox, **values: Any) -> Iterator[int]:
    """A mail server, perhaps behind TLS: its port."""
    controller = FreePortController(mailbox, hostname="127.0.0.1", port=0, **values)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def refuse(kind: str, values: dict[str, str]) -> DeliveryError:
    """Send a mail; returns the error."""
    with pytest.raises(DeliveryError) as caught:
        PROVIDERS[kind].send(
            EmailChannel().render([PAGE]),
            config=ProviderConfig("7", kind, "Ours", values),
            channel="email",
            idempotency_key=PAGE.idempotency_key,
        )
    return caught.value


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_an_api_with_a_certificate_that_nobody_trusts_gets_nothing(kind: str, tmp_path: Path):
    with running_https(self_signed(tmp_path)) as (url, asked):
        error = refuse(kind, {"api_url": url, "api_key": "k", "region": "eu-central-1"})

    assert "certificate verify failed" in str(error)
    assert (error.provider_is_down, error.permanent, error.may_have_arrived) == (True, False, False)
    assert asked == []


def test_an_api_that_speaks_no_tls_gets_nothing():
    stand_in = resend.Resend()
    with stand_in.running():
        url = stand_in.url.replace("http://", "https://")
        error = refuse("resend", {"api_url": url, "api_key": "k"})

    assert error.provider_is_down
    assert stand_in.requests == []


def test_a_mail_server_with_a_certificate_that_nobody_trusts_gets_nothing(tmp_path: Path):
    mailbox = Mailbox()
    with running_smtp(mailbox, tls_context=self_signed(tmp_path)) as port:
        error = refuse("smtp", {"url": f"smtp://localhost:{port}?tls=true"})

    assert "certificate verify failed" in str(error)
    assert (error.provider_is_down, error.permanent) == (True, False)
    assert mailbox.mails == []


def test_a_mail_server_without_tls_gets_nothing_where_tls_is_wanted():
    mailbox = Mailbox()
    with running_smtp(mailbox) as port:
        error = refuse("smtp", {"url": f"smtp://localhost:{port}?tls=true"})

    assert "STARTTLS" in str(error)
    assert error.provider_is_down
    assert mailbox.mails == []


def test_tls_from_the_first_byte_is_not_spoken_to_a_server_that_cannot():
    mailbox = Mailbox()
    with running_smtp(mailbox) as port:
        error = refuse("smtp", {"url": f"smtps://localhost:{port}"})

    assert error.provider_is_down
    assert mailbox.mails == []


def test_a_page_goes_by_the_next_account_when_the_first_has_a_wrong_certificate(
    mailbox: Mailbox, incident: Incident, bob: User, tmp_path: Path
):
    page = NotificationFactory(incident=incident, user=bob)
    with running_https(self_signed(tmp_path)) as (url, _):
        secrets = json.dumps({"api_key": "k"})
        Provider.objects.create(
            kind="resend", name="Resend", settings={"api_url": url}, secrets=secrets
        )
        deliver_due(channel="email")

    page.refresh_from_db()
    assert (page.state, page.provider) == (Notification.State.SENT, "env:smtp")
    calls = list(page.delivery_attempts.values_list("provider", "outcome"))
    assert calls == [("Resend", "failed"), ("Mail server (SMTP)", "sent")]
