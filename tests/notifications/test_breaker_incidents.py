"""A provider that fails is an incident on a service of our own."""

from collections.abc import Iterator

import pytest
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins.twilio import Twilio
from incidents.models import Incident, Service
from notifications import breakers
from notifications.breakers import Guard
from notifications.models import Notification
from notifications.services.breaker_incidents import follow_breakers
from opsknight.models import User
from opsknight.prompt_redis import prompt_redis
from tests.factories import ContactMethodFactory
from tests.notifications.providers import Mailbox

pytestmark = pytest.mark.django_db
MAIL = Guard("env:smtp", "Mail server (SMTP)", "email")
HOST = Guard("host:hooks.example.com", "hooks.example.com", "webhook")


@pytest.fixture(autouse=True)
def breaking(settings: Settings) -> Iterator[None]:
    settings.BREAKER_FAILURES = 2
    settings.BREAKER_SECONDS = 30
    prompt_redis().flushdb()
    yield
    prompt_redis().flushdb()


def fail(guard: Guard) -> None:
    for _ in range(2):
        breakers.report(guard, error="Answered 503.")


def test_an_open_breaker_is_an_incident_once():
    fail(MAIL)

    changed = [follow_breakers(now=timezone.now()) for _ in range(2)]

    incident = Incident.objects.get()
    assert changed == [1, 0]
    assert incident.service.name == "OpsKnight"
    assert incident.title == "Mail server (SMTP) fails: pages by e-mail wait or go another way"
    assert "Answered 503." in incident.description
    assert (incident.status, incident.urgency) == ("triggered", "high")


def test_administrators_hear_of_it_by_another_channel(alice: User, bob: User):
    ContactMethodFactory(user=alice, channel="email")
    ContactMethodFactory(user=alice, channel="webhook", address="https://example.com/alice")
    ContactMethodFactory(user=bob, channel="webhook", address="https://example.com/bob")
    fail(MAIL)

    follow_breakers(now=timezone.now())

    page = Notification.objects.get()
    assert (page.user, page.channel, page.address) == (
        alice,
        "webhook",
        "https://example.com/alice",
    )


def test_where_sms_fails_the_account_s_address_is_another_channel(alice: User):
    ContactMethodFactory(user=alice, channel="sms", address="+491511234567")
    fail(Guard("3", "Twilio", "sms"))

    follow_breakers(now=timezone.now())

    assert Notification.objects.get().address == alice.email


def test_nobody_is_called_by_the_account_that_cannot_send_sms(
    twilio: Twilio, mailbox: Mailbox, alice: User
):
    ContactMethodFactory(user=alice, channel="voice", address="+491511234567")
    ContactMethodFactory(user=alice, channel="telegram", address="77")  # has no bot
    fail(Guard("env:twilio", "Twilio", "sms"))

    follow_breakers(now=timezone.now())

    assert Notification.objects.get().address == alice.email


def test_the_host_of_a_webhook_is_less_urgent_and_nobody_is_paged_beside_the_rules(alice: User):
    fail(HOST)

    follow_breakers(now=timezone.now())

    assert Incident.objects.get().urgency == "medium"
    assert not Notification.objects.exists()


def test_it_is_resolved_when_the_provider_answers_again(settings: Settings):
    fail(MAIL)
    follow_breakers(now=timezone.now())
    settings.BREAKER_SECONDS = 0
    breakers.report(MAIL)

    follow_breakers(now=timezone.now())

    assert Incident.objects.get().status == Incident.Status.RESOLVED


def test_an_emptied_redis_leaves_no_incident_open():
    fail(MAIL)
    follow_breakers(now=timezone.now())
    prompt_redis().flushdb()

    follow_breakers(now=timezone.now())

    assert Incident.objects.get().status == Incident.Status.RESOLVED


def test_without_failures_there_is_no_service():
    follow_breakers(now=timezone.now())

    assert not Service.objects.exists()
