"""What waits, what is gathered, and what never stands behind somebody else's storm."""

import socket
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from incidents.models import Incident, Service, TimelineEntry
from incidents.services.lifecycle import acknowledge_incidents, resolve_incidents
from notifications.bundling import BundleKey, Window
from notifications.channels import CHANNELS
from notifications.models import DeliveryAttempt, Notification
from notifications.pacing import keep_sent
from notifications.services import admission
from notifications.services.accounts import accounts_for
from notifications.services.claims import claim_pages
from notifications.services.delivery import deliver_due, send_parcel
from notifications.services.outbox import PageRequest, queue_pages
from notifications.turns import MORE
from notifications.windows import last_window, open_window
from opsknight.models import User
from opsknight.prompt_redis import forget_prompt_redis, prompt_redis
from tests.factories import (
    ContactMethodFactory,
    IncidentFactory,
    NotificationFactory,
    NotificationRuleFactory,
    ServiceFactory,
)
from tests.notifications.providers import Endpoint, Mailbox

pytestmark = pytest.mark.django_db
State = Notification.State
Wait = Notification.Wait


@pytest.fixture(autouse=True)
def empty_redis() -> Iterator[None]:
    """Ids are used again, and what Redis knows of them with them."""
    prompt_redis().flushdb()
    admission.forget_full()
    yield
    prompt_redis().flushdb()
    admission.forget_full()


@pytest.fixture
def gathering(settings: Settings) -> None:
    settings.BUNDLE_SECONDS = 30


def page_for(user: User, service: Service, turn: int = 0, **values: object) -> Notification:
    incident = IncidentFactory(service=service)
    return NotificationFactory(incident=incident, user=user, turn=turn, **values)


def storm(user: User, service: Service, count: int) -> list[Notification]:
    return [page_for(user, service, MORE + n if n else 0) for n in range(count)]


def look_once(channel: str = "email") -> int:
    """One claim, and no waiting for what was put back."""
    return deliver_due(channel=channel, may_go_on=lambda: False)


def states(pages: list[Notification]) -> list[str]:
    return [Notification.objects.get(pk=page.pk).state for page in pages]


def make_due() -> None:
    Notification.objects.filter(state=State.PENDING).update(
        due_at=timezone.now() - timedelta(seconds=1)
    )


# Gathering


def test_d2_four_alerts_of_one_service_are_one_message(
    gathering: None, mailbox: Mailbox, bob: User
):
    pages = storm(bob, ServiceFactory(name="Checkout"), 4)

    look_once()

    assert states(pages) == [State.SENT] * 4
    assert len(mailbox.mails) == 1
    assert len(set(Notification.objects.values_list("bundle", flat=True))) == 1
    said = TimelineEntry.objects.get(incident=pages[0].incident_id).message
    assert said == "Page sent to Bob by e-mail, in one message with 3 others"


def test_the_first_page_goes_at_once_and_those_that_follow_are_gathered(
    gathering: None, mailbox: Mailbox, bob: User
):
    service = ServiceFactory()
    page_for(bob, service)
    look_once()
    later = [page_for(bob, service) for _ in range(3)]

    look_once()

    assert len(mailbox.mails) == 1
    for page in later:
        page.refresh_from_db()
        assert (page.state, page.waits_for, page.attempts) == (State.PENDING, Wait.BUNDLE, 0)
        assert page.due_at - timezone.now() < timedelta(seconds=1)


def test_a_run_stays_for_what_it_gathers(gathering: None, mailbox: Mailbox, bob: User):
    service = ServiceFactory()
    page_for(bob, service)
    look_once()
    later = [page_for(bob, service) for _ in range(3)]
    started = time.monotonic()

    deliver_due(channel="email")

    assert len(mailbox.mails) == 2
    assert states(later) == [State.SENT] * 3
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("other", ["service", "person"])
def test_others_do_not_wait_for_a_gathering(
    gathering: None, mailbox: Mailbox, bob: User, carol: User, other: str
):
    service = ServiceFactory()
    storm(bob, service, 3)
    look_once()
    page = page_for(carol, service) if other == "person" else page_for(bob, ServiceFactory())

    look_once()

    assert states([page]) == [State.SENT]


def test_webhooks_are_never_gathered(gathering: None, endpoint: Endpoint, bob: User):
    method = ContactMethodFactory(user=bob, channel="webhook", address=endpoint.url)
    for page in storm(bob, ServiceFactory(), 3):
        Notification.objects.filter(pk=page.pk).update(
            channel="webhook", address=endpoint.url, contact_method=method
        )

    look_once("webhook")

    assert len(endpoint.requests) == 3


def test_gathering_can_be_switched_off(mailbox: Mailbox, bob: User):
    storm(bob, ServiceFactory(), 4)

    look_once()

    assert len(mailbox.mails) == 4


def test_what_was_acknowledged_meanwhile_is_not_in_the_message(
    gathering: None, mailbox: Mailbox, bob: User
):
    pages = storm(bob, ServiceFactory(), 3)
    acknowledge_incidents(incident_ids=[pages[1].incident_id], actor=bob)

    look_once()

    assert states(pages) == [State.SENT, State.CANCELLED, State.SENT]


def test_a_gathered_message_that_may_have_arrived_is_repeated_as_it_was(
    gathering: None, mailbox: Mailbox, bob: User
):
    service = ServiceFactory()
    storm(bob, service, 3)
    claimed = claim_pages(channel="email", limit=1, mates=10)
    key = Notification.objects.first()
    assert key is not None
    Notification.objects.update(bundle=key.idempotency_key)
    Notification.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    fresh = page_for(bob, service)

    again = claim_pages(channel="email", limit=1, mates=10)

    assert len(claimed) == 3
    assert {page.notification_id for page in again} == {p.notification_id for p in claimed}
    assert states([fresh]) == [State.PENDING]


# Order


def test_d1_a_page_of_another_service_goes_before_the_rest_of_a_storm(
    gathering: None, mailbox: Mailbox, bob: User
):
    flood = storm(bob, ServiceFactory(name="Flooded"), 300)
    look_once()
    other = page_for(bob, ServiceFactory(name="Quiet"))

    look_once()

    assert states([other]) == [State.SENT]
    assert len(mailbox.mails) == 2
    assert states(flood).count(State.PENDING) >= 100


def test_d1_also_when_the_minute_is_used_up(settings: Settings, mailbox: Mailbox, bob: User):
    settings.CHANNEL_LIMITS = {"email": 10}
    flood = storm(bob, ServiceFactory(name="Flooded"), 30)
    deliver_due(channel="email")
    sent = states(flood).count(State.SENT)
    other = page_for(bob, ServiceFactory(name="Quiet"))

    deliver_due(channel="email")

    assert sent == 8  # two slots are kept for first pages
    assert states([other]) == [State.SENT]


def test_d3_a_page_every_twenty_minutes_always_goes(
    gathering: None, settings: Settings, mailbox: Mailbox, bob: User
):
    settings.CHANNEL_LIMITS = {"email": 2}
    service = ServiceFactory()
    start = timezone.now() - timedelta(hours=4)
    for round in range(8):
        with time_machine.travel(start + timedelta(minutes=20 * round), tick=True):
            page = page_for(bob, service)
            look_once()
        resolve_incidents(incident_ids=[page.incident_id], actor=bob)

        assert len(mailbox.mails) == round + 1


def test_d9_somebody_who_was_paged_half_a_minute_ago_waits_for_the_rest_of_the_minute(
    settings: Settings, mailbox: Mailbox, bob: User
):
    settings.BUNDLE_SECONDS = 60
    page = page_for(bob, ServiceFactory())
    assert page.incident is not None
    key = BundleKey("email", page.address, False, bob.pk, page.incident.service_id)
    open_window(key, Window(time.time() - 30, 60), after=None)

    look_once()

    page.refresh_from_db()
    assert page.waits_for == Wait.BUNDLE
    assert 25 < (page.due_at - timezone.now()).total_seconds() <= 30


def test_d10_a_telephone_is_left_in_peace_about_a_service_but_not_about_its_first_pages(
    gathering: None, settings: Settings, bob: User
):
    settings.PHONE_PACE = [(3, 15), (18, 60)]
    method = ContactMethodFactory(user=bob, channel="sms", address="+491511234567")
    service = ServiceFactory()
    values = {"channel": "sms", "address": method.address, "contact_method": method}
    for seconds in (300, 200, 100):
        keep_sent(
            BundleKey("sms", method.address, False, bob.pk, service.pk), now=time.time() - seconds
        )
    more = page_for(bob, service, MORE, **values)
    look_once("sms")
    first = page_for(bob, service, **values)
    other = page_for(bob, ServiceFactory(), MORE, **values)

    look_once("sms")

    more.refresh_from_db()
    assert more.waits_for == Wait.LIMIT
    assert 590 < (more.due_at - timezone.now()).total_seconds() <= 600
    assert State.PENDING not in states([first, other])


# Limits


def test_t5_what_is_over_the_limit_waits_and_is_not_lost(
    settings: Settings, mailbox: Mailbox, bob: User
):
    settings.CHANNEL_LIMITS = {"email": 10}
    pages = storm(bob, ServiceFactory(), 15)
    deliver_due(channel="email")

    waiting = Notification.objects.filter(state=State.PENDING)
    assert set(waiting.values_list("waits_for", "attempts")) == {(Wait.LIMIT, 0)}
    make_due()
    with time_machine.travel(datetime.now().astimezone() + timedelta(seconds=61), tick=True):
        deliver_due(channel="email")

    assert states(pages) == [State.SENT] * 15


def test_what_waits_for_a_slot_is_gathered(
    gathering: None, settings: Settings, mailbox: Mailbox, bob: User, carol: User
):
    settings.CHANNEL_LIMITS = {"email": 1}
    page_for(carol, ServiceFactory())
    look_once()
    storm(bob, ServiceFactory(), 5)
    look_once()

    make_due()
    with time_machine.travel(datetime.now().astimezone() + timedelta(seconds=61), tick=True):
        look_once()

    assert len(mailbox.mails) == 2


def test_the_limit_of_webhooks_is_each_destination_s_own(
    settings: Settings, endpoint: Endpoint, bob: User, carol: User
):
    settings.SEND_LIMITS = {"webhook": 5}
    for user, path in ((bob, "/a"), (carol, "/b")):
        method = ContactMethodFactory(user=user, channel="webhook", address=endpoint.url + path)
        for number in range(10):
            page_for(
                user,
                ServiceFactory(),
                MORE + number,
                channel="webhook",
                address=method.address,
                contact_method=method,
            )

    deliver_due(channel="webhook")

    sent = sorted(request.path for request in endpoint.requests)
    assert sent == ["/hook/a"] * 4 + ["/hook/b"] * 4
    assert Notification.objects.filter(state=State.PENDING, waits_for=Wait.LIMIT).count() == 12


@pytest.mark.parametrize("loss", ["gone", "hung"])
def test_without_redis_pages_go_out(
    gathering: None, settings: Settings, mailbox: Mailbox, bob: User, loss: str
):
    settings.CHANNEL_LIMITS = {"email": 1}
    settings.BREAKER_FAILURES = 2
    pages = [page_for(bob, ServiceFactory()) for _ in range(3)]
    present, started = settings.REDIS_URL, time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as hung:  # connects, and says nothing ever
        settings.REDIS_URL = (
            "unix:///nowhere/redis.sock"
            if loss == "gone"
            else f"redis://127.0.0.1:{hung.getsockname()[1]}"
        )
        forget_connections()
        try:
            deliver_due(channel="email")
        finally:
            settings.REDIS_URL = present
            forget_connections()

    assert states(pages) == [State.SENT] * 3
    assert time.monotonic() - started < 3  # one second in all, not one for each question


def forget_connections() -> None:
    admission.forget_full()
    forget_prompt_redis()


def test_of_two_workers_only_one_opens_a_window():
    key = BundleKey("email", "bob@example.com", False, 1, 2)
    window = Window(time.time(), 1.0)
    open_window(key, window, after=None)

    late = open_window(key, Window(time.time() + 0.1, 1.0), after=None)
    following = open_window(key, Window(window.ends_at, 2.0), after=window)

    assert late == window
    assert following is None
    assert last_window(key) == Window(window.ends_at, 2.0)
    prompt_redis().flushdb()
    assert open_window(key, window, after=window) is None  # emptied: nothing is known


# Once, and marked if twice


def test_d11_t1_a_worker_killed_after_the_provider_accepted_repeats_with_the_same_key(
    mailbox: Mailbox, bob: User
):
    page = page_for(bob, ServiceFactory())
    claimed = claim_pages(channel="email", limit=1)
    send_parcel(CHANNELS["email"], claimed, accounts_for("email"))  # and kill -9
    Notification.objects.update(leased_until=timezone.now() - timedelta(seconds=1))

    look_once()

    first, second = mailbox.mails
    page.refresh_from_db()
    assert first["Message-ID"] == second["Message-ID"]
    assert (page.state, page.maybe_duplicate, page.attempts) == (State.SENT, True, 2)
    outcomes = page.delivery_attempts.values_list("outcome", flat=True)
    assert list(outcomes) == [DeliveryAttempt.Outcome.UNKNOWN, DeliveryAttempt.Outcome.SENT]


def test_c6_an_escalation_by_hand_pages_again_at_once_but_not_twice_later(
    mailbox: Mailbox, incident: Incident, bob: User
):
    method = ContactMethodFactory(user=bob)
    NotificationRuleFactory(contact_method=method)
    NotificationRuleFactory(contact_method=method, delay_minutes=30)
    for cause in ("step:0:0:0", "step:1:0:0"):
        request = PageRequest(incident.pk, bob.pk, Notification.Reason.ESCALATION, cause)
        with transaction.atomic():
            queue_pages(requests=[request], now=timezone.now())
        look_once()

    make_due()
    look_once()

    assert len(mailbox.mails) == 3
