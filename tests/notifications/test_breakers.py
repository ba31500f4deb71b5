"""Providers and hosts that fail are left alone for a while."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from incidents.models import Incident, TimelineEntry
from notifications import breakers
from notifications.breakers import Guard
from notifications.channels import CHANNELS
from notifications.channels.base import DeliveryError, Message
from notifications.models import Notification
from notifications.providers import PROVIDERS
from notifications.providers.base import Provider, ProviderConfig, Sent
from notifications.services.delivery import deliver_due
from notifications.services.routing import send_message
from opsknight.models import User
from opsknight.prompt_redis import prompt_redis
from tests.factories import (
    ContactMethodFactory,
    DestinationFactory,
    NotificationFactory,
    UserFactory,
)
from tests.notifications.providers import Endpoint, Mailbox

pytestmark = pytest.mark.django_db
State = Notification.State
Wait = Notification.Wait
GUARD = Guard("7", "Some mail service", "email")


@pytest.fixture(autouse=True)
def breaking(settings: Settings) -> Iterator[None]:
    settings.BREAKER_FAILURES = 3
    settings.BREAKER_SECONDS = 30
    prompt_redis().flushdb()
    yield
    prompt_redis().flushdb()


def hook(incident: Incident, user: User, url: str) -> Notification:
    method = ContactMethodFactory(user=user, channel="webhook", address=url)
    return NotificationFactory(
        incident=incident, user=user, channel="webhook", address=url, contact_method=method
    )


def make_due() -> None:
    Notification.objects.filter(state=State.PENDING).update(
        due_at=timezone.now() - timedelta(seconds=1)
    )


def fail(times: int) -> None:
    for _ in range(times):
        breakers.report(GUARD, error="Answered 500.")


def test_a_breaker_opens_after_failures_in_a_row():
    fail(2)
    breakers.report(GUARD)
    fail(2)
    before = breakers.free_at(GUARD, now=time.time())

    fail(1)

    assert before is None
    until = breakers.free_at(GUARD, now=time.time())
    assert until is not None
    assert 28 < until - time.time() <= 30


def test_after_its_time_one_call_tries_and_the_others_wait(settings: Settings):
    settings.BREAKER_SECONDS = 0
    fail(3)

    first, second = (breakers.free_at(GUARD, now=time.time()) for _ in range(2))

    assert first is None
    assert second is not None


def test_a_call_that_works_closes_it_again(settings: Settings):
    settings.BREAKER_SECONDS = 0
    fail(3)
    assert breakers.free_at(GUARD, now=time.time()) is None

    breakers.report(GUARD)

    assert [breakers.free_at(GUARD, now=time.time()) for _ in range(3)] == [None] * 3
    states = breakers.breaker_states()
    assert states is not None
    assert [(s.guard, s.state, s.failures) for s in states] == [(GUARD, "closed", 0)]


def test_a_call_that_fails_opens_it_anew(settings: Settings):
    settings.BREAKER_SECONDS = 1
    fail(3)
    opened = breakers.breaker_states()
    time.sleep(1.1)  # the breaker's own clock
    assert breakers.free_at(GUARD, now=time.time()) is None

    fail(1)

    assert breakers.free_at(GUARD, now=time.time()) is not None
    assert opened is not None
    assert opened[0].state == "open"
    assert opened[0].last_error == "Answered 500."


def test_a_host_that_fails_is_left_alone_and_its_pages_wait_without_attempts(
    endpoint: Endpoint, incident: Incident
):
    endpoint.answers = [500] * 3
    pages = [hook(incident, UserFactory(), endpoint.url) for _ in range(6)]
    Notification.objects.exclude(pk__in=[p.pk for p in pages[:3]]).update(
        due_at=timezone.now() + timedelta(minutes=5)
    )
    deliver_due(channel="webhook")
    make_due()

    deliver_due(channel="webhook")

    assert len(endpoint.requests) == 3
    waiting = Notification.objects.filter(state=State.PENDING)
    assert set(waiting.values_list("waits_for", flat=True)) == {Wait.BREAKER}
    assert sorted(waiting.values_list("attempts", flat=True)) == [0, 0, 0, 1, 1, 1]


def test_other_hosts_go_on(endpoint: Endpoint, incident: Incident, bob: User):
    other = endpoint.url.replace("127.0.0.1", "localhost")
    for _ in range(3):
        breakers.report(
            Guard(f"host:127.0.0.1:{endpoint.port}", "127.0.0.1", "webhook"), error="Answered 500."
        )
    kept = hook(incident, bob, endpoint.url)
    free = hook(incident, UserFactory(), other)

    deliver_due(channel="webhook")

    kept.refresh_from_db()
    free.refresh_from_db()
    assert (kept.state, free.state) == (State.PENDING, State.DELIVERED)


def test_a_page_that_waited_for_minutes_takes_the_next_way(
    endpoint: Endpoint, mailbox: Mailbox, incident: Incident, bob: User
):
    for _ in range(3):
        breakers.report(
            Guard(f"host:127.0.0.1:{endpoint.port}", "127.0.0.1", "webhook"), error="Answered 500."
        )
    page = hook(incident, bob, endpoint.url)
    Notification.objects.update(created_at=timezone.now() - timedelta(minutes=6), claims=2)

    deliver_due(channel="webhook")
    deliver_due(channel="email")

    page.refresh_from_db()
    assert page.state == State.FAILED
    assert mailbox.recipients == [bob.email]
    said = TimelineEntry.objects.filter(incident=incident).first()
    assert said is not None
    assert "failing for too long" in said.message


def test_a_page_that_was_kept_back_for_hours_is_not_given_up_at_its_first_try(
    mailbox: Mailbox, incident: Incident
):
    for _ in range(3):
        breakers.report(Guard("env:smtp", "Mail server", "email"), error="Answered 421.")
    page = NotificationFactory(incident=incident, channel="email")
    Notification.objects.update(created_at=timezone.now() - timedelta(hours=6))

    deliver_due(channel="email")

    page.refresh_from_db()
    assert (page.state, page.waits_for) == (State.PENDING, Wait.BREAKER)


def test_while_the_only_provider_is_left_alone_everything_waits_and_nothing_is_rendered(
    mailbox: Mailbox, incident: Incident, monkeypatch: pytest.MonkeyPatch
):
    for _ in range(3):
        breakers.report(Guard("env:smtp", "Mail server", "email"), error="Answered 421.")
    pages = NotificationFactory.create_batch(CHANNELS["email"].parallel + 5, incident=incident)
    old = NotificationFactory(incident=incident, channel="email")
    Notification.objects.filter(pk=old.pk).update(
        created_at=timezone.now() - timedelta(minutes=9), claims=2
    )
    monkeypatch.setattr(CHANNELS["email"], "render", None)

    deliver_due(channel="email")

    waiting = Notification.objects.filter(pk__in=[page.pk for page in pages])
    assert set(waiting.values_list("state", "waits_for")) == {(State.PENDING, Wait.BREAKER)}
    assert waiting.filter(due_at__lte=timezone.now()).count() == 0
    old.refresh_from_db()
    assert old.state == State.FAILED
    assert mailbox.mails == []


def test_with_all_accounts_left_alone_their_backlog_is_put_back_at_once(
    settings: Settings, mailbox: Mailbox, incident: Incident
):
    settings.PROVIDERS_FROM_ENV = {"sendgrid": {"api_key": "k"}}
    for _ in range(3):
        for key in ("env:smtp", "env:sendgrid"):
            breakers.report(Guard(key, key, "email"), error="Answered 500.")
    NotificationFactory.create_batch(CHANNELS["email"].parallel + 5, incident=incident)

    count = deliver_due(channel="email")

    assert count == CHANNELS["email"].parallel
    assert set(Notification.objects.values_list("waits_for", flat=True)) == {Wait.BREAKER}


@pytest.mark.parametrize(
    ("reason", "state"), [("event", State.PENDING), ("escalation", State.FAILED)]
)
def test_what_has_no_next_way_waits_for_longer(
    reason: str, state: str, incident: Incident, endpoint: Endpoint
):
    place = DestinationFactory(address=endpoint.url)
    row = NotificationFactory(
        incident=incident,
        user=None,
        destination=place,
        channel="webhook",
        address=endpoint.url,
        reason=reason,
        claims=5,
        created_at=timezone.now() - timedelta(hours=2),
    )
    host = endpoint.url.split("/")[2]
    for _ in range(3):
        breakers.report(Guard(f"host:{host}", host, "webhook"), error="Answered 500.")

    deliver_due(channel="webhook")

    row.refresh_from_db()
    assert row.state == state


class Flaky(Provider):
    """An account of a mail service that can be made to fail."""

    kind = "flaky"
    label = "Flaky"
    channels = ("email",)

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.down: set[str] = set()
        self.seconds = 0.0  # that each call takes

    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: object
    ) -> Sent:
        self.calls.append(config.key)
        time.sleep(self.seconds)
        if config.key in self.down:
            raise DeliveryError("Answered 503.", provider_is_down=True)
        return Sent("1")


def test_with_an_open_breaker_the_next_account_is_asked_at_once(monkeypatch: pytest.MonkeyPatch):
    provider = Flaky()
    monkeypatch.setitem(PROVIDERS, "flaky", provider)
    accounts = [ProviderConfig(key, "flaky", key, {}) for key in ("first", "second")]
    provider.down = {"first"}
    message = Message("bob@example.com", "Hello")
    page = NotificationFactory.build()

    for _ in range(5):
        route = send_message(
            message,
            channel="email",
            accounts=accounts,
            idempotency_key=page.idempotency_key,
        )

    assert route.account is accounts[1]
    assert provider.calls.count("first") == 3
    assert provider.calls.count("second") == 5


def test_an_account_whose_minute_is_used_up_is_passed_over(monkeypatch: pytest.MonkeyPatch):
    provider = Flaky()
    monkeypatch.setitem(PROVIDERS, "flaky", provider)
    accounts = [
        ProviderConfig("first", "flaky", "first", {}, per_minute=2),
        ProviderConfig("second", "flaky", "second", {}, per_minute=1),
    ]
    key = NotificationFactory.build().idempotency_key
    message = Message("bob@example.com", "Hello")

    routes = [
        send_message(message, channel="email", accounts=accounts, idempotency_key=key)
        for _ in range(4)
    ]

    assert provider.calls == ["first", "first", "second"]
    assert routes[3].postponed is not None
    assert routes[3].postponed.wait == Wait.LIMIT


def test_an_account_that_took_too_long_is_followed_by_no_other_under_the_same_lease(
    monkeypatch: pytest.MonkeyPatch,
):
    provider = Flaky()
    provider.down = {"first"}
    provider.seconds = 0.1
    monkeypatch.setitem(PROVIDERS, "flaky", provider)
    monkeypatch.setattr("notifications.services.routing.PASS_ON_SECONDS", 0.05)
    accounts = [ProviderConfig(key, "flaky", key, {}) for key in ("first", "second")]

    route = send_message(
        Message("bob@example.com", "Hello"),
        channel="email",
        accounts=accounts,
        idempotency_key=NotificationFactory.build().idempotency_key,
    )

    assert provider.calls == ["first"]
    assert route.error is not None
    assert not route.error.permanent
