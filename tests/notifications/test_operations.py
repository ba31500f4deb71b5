"""The operations page: depth, age, pace and breakers of each channel, for responders."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from kombu.asynchronous.timer import Timer
from pytest_django import Settings

from config.celery import WORKERS, TellPresence
from incidents.models import Incident
from notifications import breakers
from notifications.breakers import Guard
from notifications.holds import hold
from notifications.models import Notification, Provider
from notifications.operations import ChannelState, operations_now
from notifications.web.operations import in_words
from notifications.workers import presence, tell_presence, tell_swept
from opsknight.models import User
from opsknight.prompt_redis import prompt_redis
from tests.factories import IncidentFactory, NotificationFactory

pytestmark = pytest.mark.django_db
State = Notification.State
URL = "/operations/"


@contextmanager
def worker_of(queues: list[str]) -> Iterator[None]:
    """What a worker with these queues does while it is connected."""
    consumer = SimpleNamespace(
        app=SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=queues))),
        timer=Timer(),
    )
    step = TellPresence(consumer)
    step.start(consumer)
    yield
    step.stop(consumer)
    assert not [entry for entry in consumer.timer.queue if not entry.entry.canceled]


def channel(name: str) -> ChannelState:
    return next(state for state in operations_now().channels if state.name == name)


def finished(incident: Incident, state: str, **values: object) -> Notification:
    values = {"finished_at": timezone.now()} | values
    return NotificationFactory(incident=incident, state=state, **values)


@pytest.mark.parametrize(("name", "status"), [("alice", 200), ("bob", 200), ("eve", 403)])
def test_the_page_is_for_responders(
    name: str, status: int, client: Client, alice: User, bob: User, eve: User
):
    client.force_login({"alice": alice, "bob": bob, "eve": eve}[name])

    assert client.get(URL).status_code == status


def test_what_waits_is_counted_with_its_reason_and_the_age_of_the_oldest(incident: Incident):
    now = timezone.now()
    NotificationFactory(incident=incident, due_at=now - timedelta(seconds=90))
    NotificationFactory(incident=incident, due_at=now - timedelta(seconds=1), waits_for="limit")
    NotificationFactory(incident=incident, due_at=now + timedelta(minutes=5))

    email = channel("email")

    assert (email.due, email.later, email.waits) == (2, 1, {"for a free slot": 1})
    assert email.oldest_due is not None
    assert 90 <= email.oldest_due.total_seconds() < 120


def test_the_last_hour_is_counted_by_what_became_of_messages(incident: Incident):
    now = timezone.now()
    for _ in range(5):
        finished(incident, State.SENT)
    finished(incident, State.FAILED)
    finished(incident, State.SENT, finished_at=now - timedelta(minutes=30))
    finished(incident, State.SENT, finished_at=now - timedelta(hours=2))
    finished(incident, State.CANCELLED)

    email = channel("email")

    assert (email.per_minute, email.sent, email.failed) == (1.0, 6, 1)


def test_the_time_to_send_is_counted_from_when_a_message_was_wanted(incident: Incident):
    now = timezone.now()
    finished(
        incident, State.SENT, delay_minutes=10, finished_at=now,
        created_at=now - timedelta(minutes=10, seconds=3),
    )  # fmt: skip

    p95 = channel("email").p95

    assert p95 is not None
    assert p95.total_seconds() == pytest.approx(3, abs=0.1)


def test_incidents_whose_step_is_due_are_counted_with_the_oldest():
    now = timezone.now()
    IncidentFactory(escalate_at=now - timedelta(seconds=40))
    IncidentFactory(escalate_at=now + timedelta(minutes=1))

    found = operations_now()

    assert found.steps_due == 1
    assert found.oldest_step is not None
    assert 40 <= found.oldest_step.total_seconds() < 60


def test_an_open_breaker_is_shown_at_its_channel(client: Client, settings: Settings, bob: User):
    settings.BREAKER_FAILURES = 2
    guard = Guard(f"host:{time.time_ns()}.example.com", "hooks.example.com", "webhook")
    for _ in range(2):
        breakers.report(guard, error="Answered 503.")
    client.force_login(bob)

    page = client.get(URL).content.decode()

    assert [b.guard for b in channel("webhook").breakers if b.state == "open"] == [guard]
    assert "hooks.example.com" in page
    assert "Answered 503." in page
    breakers.report(guard)
    prompt_redis().hdel(f"{settings.REDIS_PREFIX}breaker:known", guard.key)


def test_administrators_are_led_to_accounts_that_are_left_alone_and_to_those_that_lack(
    client: Client, settings: Settings, alice: User, bob: User, incident: Incident
):
    settings.REDIS_PREFIX = f"test-{time.time_ns()}:"
    settings.BREAKER_FAILURES = 1
    down, patient = (
        Provider.objects.create(kind="resend", name=name, secrets='{"api_key": "x"}')
        for name in ("Down", "Patient")
    )
    breakers.report(Guard(down.key, "Down", "email"), error="Resend answered 503.")
    hold(patient.key, until=time.time() + 60)
    NotificationFactory(incident=incident, channel="sms", address="+4915112345678")
    pages = {}

    for user in (alice, bob):
        client.force_login(user)
        pages[user] = client.get(URL).content.decode()

    test_page = reverse("admin:notifications_provider_test", args=[down.key])
    assert f'href="{test_page}"' in pages[alice]
    assert "/admin/" not in pages[bob].split("<main", 1)[1]
    for page in pages.values():
        assert "<span>Patient</span>" in page
        assert "No provider takes messages for E-mail." in page
        assert "kept in the sandbox</a>" in page


def test_tasks_in_the_queue_of_a_channel_are_counted():
    before = channel("webhook").nudges or 0
    prompt_redis().rpush("webhook", "a task of this test")

    after = channel("webhook").nudges

    prompt_redis().lrem("webhook", 1, "a task of this test")
    assert after == before + 1


def test_channels_without_an_account_and_a_message_are_named_below_the_table(
    client: Client, bob: User, incident: Incident
):
    client.force_login(bob)

    empty = client.get(URL).content.decode()
    NotificationFactory(incident=incident, channel="webhook", address="https://h.example.com/x")
    full = client.get(URL).content.decode()

    assert "Nothing went in the last hour: Push, Slack, Microsoft Teams" in empty
    assert "Not set up: " in empty
    assert 'id="log-webhook"' not in empty
    assert 'id="log-webhook"' in full


def test_htmx_gets_the_figures_alone(client: Client, bob: User):
    client.force_login(bob)

    whole = client.get(URL).content.decode()
    figures = client.get(URL, headers={"HX-Request": "true"}).content.decode()

    assert 'hx-trigger="every 5s"' in whole
    assert "<html" not in figures
    assert "Breakers open" in figures


def test_the_page_works_while_redis_is_away(
    client: Client, settings: Settings, bob: User, tmp_path: object
):
    settings.REDIS_URL = f"unix://{tmp_path}/nowhere.sock"
    prompt_redis.cache_clear()
    client.force_login(bob)

    page = client.get(URL)

    prompt_redis.cache_clear()
    assert page.status_code == 200
    assert "Redis is away" in page.content.decode()
    assert "Start it, and look at its log" in page.content.decode()


def test_a_queue_without_a_worker_and_sweeps_that_stay_away_are_told(
    client: Client, settings: Settings, bob: User
):
    settings.REDIS_PREFIX = f"test-{time.time_ns()}:"
    served = [q for queues in WORKERS.values() for q in queues if q not in ("sms", "voice")]
    client.force_login(bob)

    tell_presence(served)
    wounded = client.get(URL).content.decode()
    tell_presence(["sms", "voice"])
    tell_swept()
    well = client.get(URL).content.decode()

    assert "No worker serves the queues sms, voice." in wounded
    assert wounded.count("notice--line") == well.count("notice--line") == 1
    assert 'href="#what-to-do"' in wounded
    assert "do their work" in well
    assert "No sweep has come" in wounded
    assert "No worker serves" not in well
    assert "No sweep has come" not in well


def test_a_worker_says_which_queues_it_serves_until_it_is_cut_off(settings: Settings):
    settings.REDIS_PREFIX = f"test-{time.time_ns()}:"
    with worker_of(["push"]):
        during = presence(["push", "sms"])
    key = f"{settings.REDIS_PREFIX}worker:push"

    assert during is not None
    assert during.unserved == ["sms"]
    assert 0 < prompt_redis().ttl(key) <= 20


def test_a_step_that_is_late_is_told_with_what_to_do(client: Client, bob: User):
    IncidentFactory(escalate_at=timezone.now() - timedelta(seconds=90))
    client.force_login(bob)

    page = client.get(URL).content.decode()

    assert "A step of an escalation is 90 s late." in page


def test_the_page_costs_the_same_however_much_waits(client: Client, incident: Incident, bob: User):
    client.force_login(bob)
    client.get(URL)
    with CaptureQueriesContext(connection) as empty:
        client.get(URL)
    for _ in range(10):
        NotificationFactory(incident=incident)
    with CaptureQueriesContext(connection) as full:
        client.get(URL)

    assert len(full) == len(empty)


def test_the_rail_leads_responders_to_it(client: Client, bob: User, eve: User):
    address = reverse("notifications:operations")
    client.force_login(bob)
    shown = client.get(reverse("notifications:messages")).content.decode()
    client.force_login(eve)
    hidden = client.get(reverse("notifications:messages")).content.decode()

    assert (f'href="{address}"' in shown, f'href="{address}"' in hidden) == (True, False)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.42, "0.4 s"), (12, "12 s"), (180, "3 min"), (7200, "2 h")],
)
def test_lengths_of_time_are_short(seconds: float, words: str):
    assert in_words(timedelta(seconds=seconds)) == words
