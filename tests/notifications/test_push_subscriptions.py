"""Browsers that are notified: subscribing, the worker that shows messages, and its receipts."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins.push import Browser, PushService
from incidents.models import Incident
from notifications.models import ContactMethod, Notification, NotificationRule
from notifications.push_receipts import receipt_url
from notifications.services.delivery import deliver_due
from notifications.services.outbox import PageRequest, queue_pages
from notifications.services.preferences import disable_contact_method
from notifications.services.push_subscriptions import mark_of
from opsknight.models import AuditEntry, User
from tests.factories import ContactMethodFactory, NotificationRuleFactory

pytestmark = pytest.mark.django_db
HOME = "/settings/notifications/"


@pytest.fixture
def service(settings: Settings) -> Iterator[PushService]:
    settings.WEBHOOK_ALLOW_PRIVATE = True
    stand_in = PushService()
    with stand_in.running():
        yield stand_in


@pytest.fixture
def browser(service: PushService, settings: Settings) -> Browser:
    return service.subscribe(settings.VAPID_PUBLIC_KEY)


def subscribe(user: User, browser: Browser, **changes: str) -> str:
    """As the button does; returns what the next page says."""
    client = Client()
    client.force_login(user)
    form = {"endpoint": browser.endpoint, **browser.keys, "label": "Firefox on Linux"} | changes
    return told(client.post("/settings/push/subscribe/", form))


def told(response: Any) -> str:
    """What the next page will say."""
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def methods_of(user: User) -> list[ContactMethod]:
    return list(ContactMethod.objects.filter(user=user, channel="push"))


def test_a_press_of_the_button_adds_the_browser(bob: User, browser: Browser):
    said = subscribe(bob, browser)

    (method,) = methods_of(bob)
    assert (method.address, method.label) == (browser.endpoint, "Firefox on Linux")
    assert json.loads(method.secret) == browser.keys
    assert method.is_usable
    assert "You are notified in this browser from now on" in said


def test_the_keys_of_a_browser_are_encrypted(bob: User, browser: Browser):
    subscribe(bob, browser)

    (row,) = ContactMethod.objects.filter(channel="push").extra(select={"raw": "secret"})
    assert browser.keys["auth"] not in row.raw  # type: ignore[attr-defined]


def test_a_browser_is_used_at_once_beside_the_account_address(bob: User, browser: Browser):
    subscribe(bob, browser)

    rules = NotificationRule.objects.filter(user=bob).values_list(
        "urgency", "contact_method__channel", "delay_minutes"
    )
    assert sorted(rules) == [
        ("high", "email", 0),
        ("high", "push", 0),
        ("other", "email", 0),
        ("other", "push", 0),
    ]


def test_who_has_rules_already_gets_only_those_of_the_browser(bob: User, browser: Browser):
    method = ContactMethodFactory(user=bob, verified_at=timezone.now())
    NotificationRuleFactory(contact_method=method, urgency="high", delay_minutes=5)
    NotificationRuleFactory(contact_method=method, urgency="other", delay_minutes=5)

    subscribe(bob, browser)

    assert NotificationRule.objects.filter(user=bob).count() == 4
    assert not ContactMethod.objects.filter(user=bob, address=bob.email).exists()


def test_the_same_browser_again_changes_nothing_but_its_state(bob: User, browser: Browser):
    subscribe(bob, browser)
    ContactMethod.objects.filter(channel="push").update(enabled=False, broken_reason="Gone.")
    NotificationRule.objects.filter(contact_method__channel="push", urgency="other").delete()

    subscribe(bob, browser)

    (method,) = methods_of(bob)
    assert method.is_usable
    assert method.rules.count() == 1  # the owner took the other one out


def test_whoever_uses_the_browser_now_is_the_one_who_is_notified(
    bob: User, carol: User, browser: Browser
):
    subscribe(bob, browser)

    subscribe(carol, browser)

    assert methods_of(bob) == []
    assert len(methods_of(carol)) == 1
    assert AuditEntry.objects.filter(action="contact_method.taken_over").exists()


def test_who_knows_only_the_endpoint_takes_no_browser_over(
    bob: User, eve: User, service: PushService, browser: Browser, settings: Settings
):
    subscribe(bob, browser)
    other = service.subscribe(settings.VAPID_PUBLIC_KEY)

    said = subscribe(eve, other, endpoint=browser.endpoint)

    assert "Somebody else is notified at this address" in said
    assert len(methods_of(bob)) == 1
    assert methods_of(eve) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": ""},
        {"endpoint": "nonsense"},
        {"endpoint": "javascript:alert(1)"},
        {"endpoint": "https://push.example.com/" + "x" * 1000},
        {"p256dh": ""},
        {"p256dh": "AAAA"},
        {"p256dh": "B" + "A" * 86},  # 65 bytes, but no point of the curve
        {"auth": ""},
        {"auth": "AAAA"},
        {"auth": "!" * 22},
        {"auth": "A" * 22 + "=" * 100},
    ],
)
def test_what_is_no_subscription_is_refused(bob: User, browser: Browser, changes: dict[str, str]):
    said = subscribe(bob, browser, **changes)

    assert "something else than a subscription" in said
    assert methods_of(bob) == []


def test_push_services_are_reached_by_https_only(bob: User, browser: Browser, settings: Settings):
    settings.WEBHOOK_ALLOW_PRIVATE = False

    subscribe(bob, browser)

    assert methods_of(bob) == []


def test_stop_takes_the_browser_out(bob: User, browser: Browser, client: Client):
    subscribe(bob, browser)
    client.force_login(bob)

    client.post("/settings/push/unsubscribe/", {"endpoint": browser.endpoint})

    assert methods_of(bob) == []


def test_nobody_takes_out_the_browser_of_another(
    bob: User, eve: User, browser: Browser, client: Client
):
    subscribe(bob, browser)
    client.force_login(eve)

    response = client.post("/settings/push/unsubscribe/", {"endpoint": browser.endpoint})

    assert told(response) == "You are not notified in this browser."
    assert len(methods_of(bob)) == 1


def test_the_page_knows_its_browsers_by_a_hash(bob: User, browser: Browser, client: Client):
    subscribe(bob, browser)
    client.force_login(bob)

    page = client.get(HOME).content.decode()

    assert mark_of(browser.endpoint) in page
    assert browser.keys["auth"] not in page


def test_the_worker_is_served_from_the_root_without_a_session(client: Client):
    response = client.get("/sw.js")

    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/javascript")
    assert response["Cache-Control"] == "no-cache"
    assert b"/static/opsknight/img/icon-192.png" in response.content


# From the engine to the screen


def page_bob(bob: User, incident: Incident) -> Notification:
    now = timezone.now() - timedelta(seconds=1)
    request = PageRequest(incident.pk, bob.pk, Notification.Reason.ESCALATION, "step:0:0:0")
    with transaction.atomic():
        queue_pages(requests=[request], now=now)
    return Notification.objects.get(user=bob, channel="push")


@pytest.mark.django_db(transaction=True)
def test_a_page_appears_in_the_browser(bob: User, incident: Incident, browser: Browser):
    subscribe(bob, browser)
    row = page_bob(bob, incident)

    deliver_due(channel="push")

    row.refresh_from_db()
    assert row.state == "sent"
    assert browser.shown[0]["title"] == f"#{incident.pk} Error rate above 5 %"


@pytest.mark.django_db(transaction=True)
def test_a_browser_that_is_gone_is_switched_off_and_the_next_way_is_taken(
    bob: User, incident: Incident, browser: Browser
):
    subscribe(bob, browser)
    row = page_bob(bob, incident)
    browser.is_gone = True

    deliver_due(channel="push")

    row.refresh_from_db()
    (method,) = methods_of(bob)
    assert row.state == "failed"
    assert not method.enabled
    assert "subscribe again" in method.broken_reason


@pytest.mark.django_db(transaction=True)
def test_a_button_of_a_push_acknowledges_without_a_session(
    bob: User, incident: Incident, browser: Browser, client: Client
):
    subscribe(bob, browser)
    page_bob(bob, incident)
    deliver_due(channel="push")
    button = browser.shown[0]["actions"][0]

    said = press(client, button["url"])

    incident.refresh_from_db()
    assert incident.status == "acknowledged"
    assert incident.acknowledged_by == bob
    assert said["is_done"]
    assert incident.timeline.filter(message__contains="by push").exists()


def press(client: Client, url: str) -> Any:
    """As the worker does."""
    path = "/a/" + url.split("/a/")[1]
    return client.post(path, headers={"Accept": "application/json"}).json()


@pytest.mark.django_db(transaction=True)
def test_the_browser_says_that_it_has_shown_the_page(
    bob: User, incident: Incident, browser: Browser, client: Client
):
    subscribe(bob, browser)
    row = page_bob(bob, incident)
    deliver_due(channel="push")

    said = browser.shown[0]["receipt"]
    answers = [client.post("/api" + said.split("/api")[1]) for _ in range(2)]

    row.refresh_from_db()
    assert [answer.status_code for answer in answers] == [204, 204]
    assert row.state == "delivered"


@pytest.mark.django_db(transaction=True)
def test_a_forged_receipt_changes_nothing(
    bob: User, incident: Incident, browser: Browser, client: Client
):
    subscribe(bob, browser)
    row = page_bob(bob, incident)
    deliver_due(channel="push")

    forged = [
        client.post(reverse("push-shown", args=[token]))
        for token in (row.idempotency_key.hex, f"{row.idempotency_key.hex}.nonsense")
    ]

    row.refresh_from_db()
    assert [answer.status_code for answer in forged] == [403, 403]
    assert row.state == "sent"


def move(old: Any, new: Any) -> int:
    """As the worker does."""
    body = json.dumps({"old": old, "new": new})
    answer = Client().post("/api/providers/push/moved/", body, content_type="application/json")
    return answer.status_code


@pytest.mark.django_db(transaction=True)
def test_pages_follow_a_browser_whose_address_changed(
    bob: User, incident: Incident, service: PushService, browser: Browser, settings: Settings
):
    subscribe(bob, browser)
    row = page_bob(bob, incident)
    fresh = service.subscribe(settings.VAPID_PUBLIC_KEY)

    status = move(browser.subscription, fresh.subscription)
    deliver_due(channel="push")

    row.refresh_from_db()
    (method,) = methods_of(bob)
    assert status == 204
    assert method.address == fresh.endpoint
    assert method.rules.count() == 2
    assert row.state == "sent"
    assert len(fresh.shown) == 1


def test_a_browser_that_its_person_switched_off_stays_so_when_it_moves(
    bob: User, service: PushService, browser: Browser, settings: Settings
):
    subscribe(bob, browser)
    (method,) = methods_of(bob)
    disable_contact_method(user=bob, pk=method.pk)

    move(browser.subscription, service.subscribe(settings.VAPID_PUBLIC_KEY).subscription)

    assert not methods_of(bob)[0].enabled


def test_who_has_not_the_keys_moves_no_browser(
    bob: User, service: PushService, browser: Browser, settings: Settings
):
    subscribe(bob, browser)
    mine = service.subscribe(settings.VAPID_PUBLIC_KEY)

    stolen = {"endpoint": browser.endpoint, "keys": mine.keys}
    statuses = [move(old, mine.subscription) for old in (stolen, None, {}, mine.subscription)]

    assert statuses == [403] * 4
    assert methods_of(bob)[0].address == browser.endpoint


@pytest.mark.parametrize(
    "new",
    [
        None,
        "text",
        {},
        {"endpoint": "https://push.example.com/x", "keys": {"p256dh": 1, "auth": 2}},
        {"endpoint": "nonsense", "keys": {"p256dh": "AAAA", "auth": "AAAA"}},
    ],
)
def test_a_browser_moves_only_to_a_subscription(bob: User, browser: Browser, new: Any):
    subscribe(bob, browser)

    assert move(browser.subscription, new) == 400
    assert methods_of(bob)[0].address == browser.endpoint


def test_a_receipt_is_posted_not_fetched(client: Client):
    key = Notification().idempotency_key

    response = client.get("/api" + receipt_url(key).split("/api")[1])

    assert response.status_code == 405
