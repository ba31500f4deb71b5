"""Webhooks on the wire, and whom they must not reach."""

import hashlib
import hmac
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpcore
import pytest
from django.utils import timezone
from pytest_django import Settings

from notifications.channels.base import DeliveryError, Page
from notifications.channels.webhook import WebhookChannel
from notifications.outgoing_http import is_public, post
from notifications.providers.answers import MAX_PATIENCE, patience
from notifications.providers.base import ProviderConfig
from notifications.providers.webhook import WebhookProvider
from opsknight.encryption import encrypt
from tests.notifications.providers import Endpoint
from tests.notifications.test_email import PAGE


def hook_page(url: str, secret: str = "s3cret") -> Page:  # noqa: S107
    return replace(
        PAGE, channel="webhook", address=url, secret_token=encrypt(secret) if secret else ""
    )


def send(page: Page) -> None:
    WebhookProvider().send(
        WebhookChannel().render([page]),
        config=ProviderConfig("built-in:webhook", "webhook", "Webhook", {}),
        channel="webhook",
        idempotency_key=page.idempotency_key,
    )


def test_the_body_is_signed_together_with_its_time(endpoint: Endpoint):
    send(hook_page(endpoint.url))

    (request,) = endpoint.requests
    stamp = request.headers["x-opsknight-timestamp"]
    digest = hmac.new(b"s3cret", stamp.encode() + b"." + request.body, hashlib.sha256)
    assert request.headers["x-opsknight-signature"] == f"sha256={digest.hexdigest()}"
    assert abs(int(stamp) / 1000 - time.time()) < 60
    assert request.headers["idempotency-key"] == str(PAGE.idempotency_key)


def test_the_receiver_of_the_documentation_tells_genuine_from_forged(endpoint: Endpoint):
    page = (Path(__file__).parents[2] / "docs/reference/webhooks.md").read_text()
    sample: dict[str, Any] = {}
    exec(re.search(r"```python\n(.*?)```", page, re.S)[1], sample)  # type: ignore[index]  # noqa: S102
    is_genuine = sample["is_genuine"]

    send(hook_page(endpoint.url))

    (request,) = endpoint.requests
    spelled = {name.title(): value for name, value in request.headers.items()}
    late = spelled | {"X-Opsknight-Timestamp": "1"}
    assert is_genuine("s3cret", request.headers, request.body)
    assert is_genuine("s3cret", spelled, request.body)
    assert not is_genuine("another", spelled, request.body)
    assert not is_genuine("s3cret", spelled, request.body + b" ")
    assert not is_genuine("s3cret", late, request.body)
    assert not is_genuine("s3cret", {}, request.body)
    assert not is_genuine("s3cret", spelled | {"X-Opsknight-Signature": "ä"}, request.body)


def test_the_body_tells_event_recipient_and_incident(endpoint: Endpoint, settings: Settings):
    settings.PUBLIC_URL = "https://ops.example.com"

    send(hook_page(endpoint.url))

    body = endpoint.requests[0].json
    assert body["event"]["type"] == "page"
    assert body["event"]["reason"] == "escalation"
    assert body["recipient"] == {"id": 2, "name": "Bob"}
    assert body["incident"] == {
        "id": 12,
        "title": "Error rate above 5 %",
        "description": "checkout-5xx",
        "status": "triggered",
        "urgency": "high",
        "url": "https://ops.example.com/incidents/12/",
        "service": {"id": 3, "name": "Checkout"},
        "assignee": None,
        "timestamps": {
            "created": "2026-11-23T12:00:00+00:00",
            "acknowledged": None,
            "resolved": None,
        },
    }


def test_without_a_secret_there_is_no_signature(endpoint: Endpoint):
    send(hook_page(endpoint.url, secret=""))

    assert "x-opsknight-signature" not in endpoint.requests[0].headers


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_2xx_is_success(endpoint: Endpoint, status: int):
    endpoint.answers = [status]

    send(hook_page(endpoint.url))

    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("status", "permanent", "breaks"),
    [
        (301, True, False),
        (302, True, False),
        (400, True, False),
        # What forgot its credentials, or is being deployed, is not dead.
        (401, True, False),
        (403, True, False),
        (404, True, False),
        (408, False, False),
        (410, True, True),
        (422, True, False),
        (425, False, False),
        (429, False, False),
        (500, False, False),
        (503, False, False),
    ],
)
def test_everything_else_is_a_failure(
    endpoint: Endpoint, status: int, permanent: bool, breaks: bool
):
    endpoint.answers = [status]

    with pytest.raises(DeliveryError) as caught:
        send(hook_page(endpoint.url))

    assert (caught.value.permanent, caught.value.breaks_address) == (permanent, breaks)
    assert len(endpoint.requests) == 1


def test_the_answers_text_and_the_url_are_not_repeated(endpoint: Endpoint):
    endpoint.answers = [500]

    with pytest.raises(DeliveryError) as caught:
        send(hook_page(endpoint.url + "?token=hush"))

    assert str(caught.value) == "Answered 500."


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
    ],
)
def test_private_addresses_are_refused(endpoint: Endpoint, settings: Settings, url: str):
    settings.WEBHOOK_ALLOW_PRIVATE = False

    with pytest.raises(DeliveryError) as caught:
        send(hook_page(url.format(port=endpoint.port)))

    assert str(caught.value) == "The address leads into a private network."
    assert caught.value.permanent
    assert endpoint.requests == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),  # carrier-grade NAT
        ("169.254.169.254", False),  # clouds tell secrets here
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("fec0::2", False),  # site-local: the host, seen from a virtual machine
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),  # 10.0.0.1 behind NAT64
        ("2002:a00:1::1", False),  # 10.0.0.1 by 6to4
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),  # Teredo
        ("ff02::1", False),
    ],
)
def test_what_counts_as_public(address: str, public: bool):
    assert is_public(address) is public


def test_the_checked_address_is_the_one_that_is_used(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    # A name that answers with a public address first and a private one afterwards.
    answers = [[(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))]]
    asked = []

    def resolve(host: str, port: int, **kwargs: object) -> object:
        asked.append(host)
        return answers.pop(0)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    connected = []

    def connect(address: tuple[str, int], *args: object, **kwargs: object) -> socket.socket:
        connected.append(address)
        raise OSError("no network here")

    monkeypatch.setattr(socket, "create_connection", connect)

    with pytest.raises(httpcore.ConnectError):
        post("http://rebind.example/", body=b"", headers={}, seconds=5, allow_private=False)

    assert asked == ["rebind.example"]
    assert connected == [("93.184.216.34", 80)]


@pytest.fixture
def dripping_url() -> Iterator[str]:
    """A server that sends a byte of its headers now and then, for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    stop = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    stop.set()
    thread.join()
    listener.close()


def test_a_server_that_drips_cannot_hold_a_sender(dripping_url: str):
    started = time.monotonic()

    with pytest.raises(httpcore.TimeoutException):
        post(dripping_url, body=b"", headers={}, seconds=0.5, allow_private=True)

    assert time.monotonic() - started < 5


def test_a_silent_server_may_have_taken_the_page(
    dripping_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    settings.WEBHOOK_ALLOW_PRIVATE = True
    monkeypatch.setattr("notifications.providers.user_urls.SEND_SECONDS", 0.5)

    with pytest.raises(DeliveryError) as caught:
        send(hook_page(dripping_url))

    assert caught.value.may_have_arrived
    assert not caught.value.permanent


@pytest.mark.parametrize("url", ["ftp://example.com/", "http://", "nonsense", "http://exa mple/"])
def test_an_address_that_is_none_is_refused_for_good(settings: Settings, url: str):
    settings.WEBHOOK_ALLOW_PRIVATE = True

    with pytest.raises(DeliveryError) as caught:
        send(hook_page(url))

    assert caught.value.permanent


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", timedelta(seconds=120)),
        ("999999999999", MAX_PATIENCE),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("Mon, 01 Jan 2024 00:00:00 GMT", timedelta()),
    ],
)
def test_retry_after(text: str, expected: timedelta | None):
    assert patience(text) == expected


def test_retry_after_as_a_date():
    at = (timezone.now() + timedelta(seconds=60)).strftime("%a, %d %b %Y %H:%M:%S GMT")

    wait = patience(at)

    assert wait is not None
    assert 55 < wait.total_seconds() <= 60
