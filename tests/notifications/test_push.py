"""Push on the wire: encrypted for one browser, signed by us, and what refusals mean."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from pytest_django import Settings

from bench.stand_ins.push import Browser, PushService, from_base64url
from bench.stand_ins.server import Reply, json_reply
from notifications.channels import CHANNELS
from notifications.channels.base import DeliveryError, Notice, Page
from notifications.channels.push import PushChannel
from notifications.links import read_answer
from opsknight.encryption import encrypt
from opsknight.models import User
from tests.incidents.cast import browser as browser_of
from tests.notifications.sending import carry, notice_of, page_of, several


@pytest.fixture(autouse=True)
def here(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = True
    settings.PUBLIC_URL = "https://ops.example.com"


@pytest.fixture
def service() -> Iterator[PushService]:
    stand_in = PushService()
    with stand_in.running():
        yield stand_in


@pytest.fixture
def browser(service: PushService, settings: Settings) -> Browser:
    return service.subscribe(settings.VAPID_PUBLIC_KEY)


def push_to(browser: Browser, **changes: Any) -> Page:
    token = encrypt(json.dumps(browser.keys))
    return page_of("push", browser.endpoint, secret_token=token, **changes)


def test_the_browser_alone_can_read_what_was_sent(browser: Browser, service: PushService):
    carry("web_push", push_to(browser))

    assert b"Error rate" not in service.requests[0].body
    (shown,) = browser.shown
    assert shown["title"] == "#12 Error rate above 5 %"
    assert shown["body"] == "Checkout · High · Triggered\ncheckout-5xx"
    assert shown["url"] == "https://ops.example.com/incidents/12/"


def test_the_buttons_hold_links_that_answer(browser: Browser):
    carry("web_push", push_to(browser))

    buttons = {button["action"]: button for button in browser.shown[0]["actions"]}
    assert [b["title"] for b in buttons.values()] == ["Acknowledge", "Resolve"]
    for name, button in buttons.items():
        token = button["url"].removeprefix("https://ops.example.com/a/").rstrip("/")
        assert read_answer(token).action == name


@pytest.mark.parametrize(
    ("status", "actions"),
    [("triggered", ["acknowledge", "resolve"]), ("acknowledged", ["resolve"]), ("resolved", [])],
)
def test_only_what_can_be_done_is_a_button(browser: Browser, status: str, actions: list[str]):
    carry("web_push", push_to(browser, status=status))

    assert [button["action"] for button in browser.shown[0]["actions"]] == actions


@pytest.mark.parametrize(
    ("urgency", "header", "seconds"),
    [("high", "high", 4 * 3600), ("medium", "normal", 12 * 3600), ("low", "low", 24 * 3600)],
)
def test_the_push_service_hears_how_urgent_it_is(
    browser: Browser, urgency: str, header: str, seconds: int
):
    carry("web_push", push_to(browser, urgency=urgency))

    headers = browser.headers[0]
    assert (headers["urgency"], headers["ttl"]) == (header, str(seconds))


def test_messages_about_one_incident_have_one_topic(browser: Browser):
    carry("web_push", push_to(browser))
    carry("web_push", push_to(browser, status="resolved"))

    assert [headers["topic"] for headers in browser.headers] == ["incident-12", "incident-12"]
    assert {shown["tag"] for shown in browser.shown} == {"incident-12"}


def test_several_incidents_become_one_push_that_opens_or_acknowledges_all(browser: Browser):
    carry("web_push", *several(push_to(browser), 6))

    (shown,) = browser.shown
    assert shown["title"] == "6 open on Checkout"
    assert "#6 Disk 6" in shown["body"]
    assert shown["url"] == "https://ops.example.com/incidents/?service=3"
    everything, opening = shown["actions"]
    assert everything["title"] == "Acknowledge all"
    token = everything["url"].removeprefix("https://ops.example.com/a/").rstrip("/")
    assert read_answer(token).action == "acknowledge_all"
    assert opening == {"action": "open", "title": "Open"}


def test_a_notice_is_pushed_with_its_link(browser: Browser):
    notice = Notice("You are on call", "Until Monday.", "/on-call/me/", {})
    page = notice_of("push", browser.endpoint, notice, reason="on_call")
    token = encrypt(json.dumps(browser.keys))

    carry("web_push", replace(page, secret_token=token))

    (shown,) = browser.shown
    assert (shown["title"], shown["body"]) == ("You are on call", "Until Monday.")
    assert shown["url"] == "https://ops.example.com/on-call/me/"
    assert browser.headers[0]["urgency"] == "normal"


def test_the_longest_page_fits_into_a_push(browser: Browser):
    carry("web_push", push_to(browser, title="🔥" * 5000, description="🔥" * 5000))

    assert browser.shown[0]["title"].startswith("#12 🔥")


def test_a_message_says_only_that_the_service_took_it(browser: Browser):
    sent = carry("web_push", push_to(browser))

    assert sent.state == "sent"
    assert sent.message_id == push_to(browser).idempotency_key.hex


def test_each_browser_gets_other_bytes(browser: Browser, service: PushService):
    carry("web_push", push_to(browser))
    carry("web_push", push_to(browser))

    first, second = (request.body for request in service.requests)
    assert first != second
    assert browser.shown[0] == browser.shown[1]


@pytest.mark.parametrize(
    ("url", "mail_from", "contact"),
    [
        ("https://ops.example.com", "a@b.org", "https://ops.example.com"),
        ("http://ops.example.com", "OpsKnight <ops@example.com>", "mailto:ops@example.com"),
        ("https://localhost", "o@localhost, Ops <ops@example.com>", "mailto:ops@example.com"),
        ("http://localhost:8000", "OpsKnight <opsknight@localhost>", ""),
        ("https://pager.local", "opsknight@mail.localdomain", ""),
    ],
    ids=["own address", "no https", "second address", "nobody", "one network"],
)
def test_push_services_hear_whom_to_write_to_and_administrators_that_there_is_nobody(
    browser: Browser,
    service: PushService,
    settings: Settings,
    alice: User,
    url: str,
    mail_from: str,
    contact: str,
):
    settings.PUBLIC_URL, settings.DEFAULT_FROM_EMAIL = url, mail_from
    carry("web_push", push_to(browser))

    page = browser_of(alice).get("/settings/notifications/").content.decode()

    token = service.requests[0].headers["authorization"].split("t=")[1].split(",")[0]
    claims = json.loads(from_base64url(token.split(".")[1]))
    assert claims["sub"] == (contact or "mailto:opsknight@localhost")
    assert ("Apple wants to know" in page) == (not contact)


def failure(browser: Browser, **changes: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        carry("web_push", push_to(browser, **changes))
    return caught.value


def test_a_subscription_that_ended_breaks_its_address(browser: Browser):
    browser.is_gone = True

    error = failure(browser)

    assert error.permanent
    assert error.breaks_address
    assert str(error) == "The browser does not take messages any more: subscribe again."


def test_a_subscription_that_nobody_knows_breaks_its_address(
    browser: Browser, service: PushService
):
    service.browsers.clear()

    assert failure(browser).breaks_address


def test_a_browser_of_another_key_has_to_subscribe_again(service: PushService):
    browser = service.subscribe("BOtherKey")

    error = failure(browser)

    assert error.breaks_address
    assert str(error) == "The browser subscribed with another key: subscribe again."


def test_apple_says_with_400_that_a_browser_has_another_key(browser: Browser, service: PushService):
    service.faults.append(json_reply({"reason": "VapidPkHashMismatch"}, 400))

    assert failure(browser).breaks_address


def test_a_message_about_several_incidents_does_not_replace_one_about_others():
    pages = [
        replace(page, idempotency_key=uuid4())
        for page in several(page_of("push", "https://push.example.com/1"), 6)
    ]

    first, second, again = (
        CHANNELS["push"].render(some).data["topic"] for some in (pages[:3], pages[3:], pages[:3])
    )

    assert first != second
    assert first == again
    assert max(len(first), len(second)) <= 32


def test_a_refused_signature_switches_nobody_off(browser: Browser, service: PushService):
    service.faults.append(json_reply({"reason": "BadJwtToken"}, 403))

    error = failure(browser)

    assert error.permanent
    assert not error.breaks_address


@pytest.mark.parametrize("status", [400, 413])
def test_a_refused_message_does_not_switch_the_browser_off(
    browser: Browser, service: PushService, status: int
):
    service.faults.append(Reply(status))

    error = failure(browser)

    assert error.permanent
    assert not error.breaks_address


def test_a_push_service_that_is_out_of_order_is_tried_again(browser: Browser, service: PushService):
    service.faults.extend([Reply(429, headers={"Retry-After": "30"}), Reply(503)])

    busy, broken = failure(browser), failure(browser)

    assert busy.retry_after == timedelta(seconds=30)
    assert not busy.permanent
    assert not broken.permanent


def test_a_push_service_that_falls_silent_may_have_taken_it(browser: Browser, service: PushService):
    service.faults.append(Reply(is_silent=True))

    assert failure(browser).may_have_arrived


def test_an_endpoint_in_a_private_network_is_not_called(
    browser: Browser, service: PushService, settings: Settings
):
    settings.WEBHOOK_ALLOW_PRIVATE = False

    assert failure(browser).breaks_address
    assert service.requests == []


@pytest.mark.parametrize(
    "keys",
    ["", "nonsense", "[]", "{}", '{"p256dh": "AAAA", "auth": "AAAA"}', '{"p256dh": 1, "auth": 2}'],
)
def test_keys_that_are_none_break_the_address(browser: Browser, keys: str):
    token = encrypt(keys) if keys else ""

    with pytest.raises(DeliveryError) as caught:
        carry("web_push", page_of("push", browser.endpoint, secret_token=token))

    assert caught.value.breaks_address


def test_keys_that_cannot_be_decrypted_fail_only_their_page(browser: Browser):
    with pytest.raises(DeliveryError) as caught:
        PushChannel().render([page_of("push", browser.endpoint, secret_token="gAAAAnonsense")])

    assert caught.value.permanent
    assert not caught.value.breaks_address
