"""Scenarios in which telephones are the way, from the rules of a person to the provider."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins import amazon
from bench.stand_ins.twilio import Twilio
from incidents.models import Incident, TimelineEntry
from notifications.models import Notification
from notifications.providers.http import close_connections
from notifications.services.delivery import deliver_due
from notifications.services.outbox import PageRequest, queue_pages
from notifications.services.settling import cancel_settled_pages
from notifications.services.verification import enter_code, send_code
from opsknight.models import User
from tests.factories import (
    ContactMethodFactory,
    IncidentFactory,
    NotificationFactory,
    NotificationRuleFactory,
)
from tests.notifications.telephones import NUMBER, REPLIES_URL, entries_of, page_by, phone_of

pytestmark = pytest.mark.django_db
State = Notification.State
NUMBERS = (
    "+15551234567",
    "+447700900123",
    "+4915112345678",
    "+33612345678",
    "+919812345678",
    "+8613812345678",
    "+61412345678",
)


def page_people(incident: Incident, *users: User, cause: str = "step:0:0:0") -> None:
    requests = [
        PageRequest(incident.pk, user.pk, Notification.Reason.ESCALATION, cause) for user in users
    ]
    with transaction.atomic():
        queue_pages(requests=requests, now=timezone.now())


def deliver_to_telephones() -> None:
    deliver_due(channel="sms")
    deliver_due(channel="voice")


def half_an_hour_later() -> None:
    """Let what waits be due."""
    pages = Notification.objects.filter(state=State.PENDING)
    pages.update(due_at=timezone.now() - timedelta(seconds=1))


def test_c1_sms_and_call_now_and_an_sms_after_half_an_hour(
    twilio: Twilio, incident: Incident, bob: User
):
    sms = phone_of(bob, "sms")
    phone_of(bob, "voice")
    NotificationRuleFactory(contact_method=sms, delay_minutes=30)
    page_people(incident, bob)

    deliver_to_telephones()
    at_once = (len(twilio.messages), len(twilio.calls))
    half_an_hour_later()
    deliver_to_telephones()

    assert at_once == (1, 1)
    assert (len(twilio.messages), len(twilio.calls)) == (2, 1)


def test_c2_sms_and_calls_to_seven_countries_leave_in_one_pass(
    twilio: Twilio, incident: Incident, bob: User
):
    for number in NUMBERS:
        phone_of(bob, "sms", number)
        phone_of(bob, "voice", number)
    page_people(incident, bob)

    deliver_to_telephones()

    assert {sms.to for sms in twilio.messages} == set(NUMBERS)
    assert {call.to for call in twilio.calls} == set(NUMBERS)
    assert len(twilio.messages) + len(twilio.calls) == 14


def test_d3_eight_rounds_of_page_and_reply_all_page(twilio: Twilio, incident: Incident, bob: User):
    phone_of(bob, "sms")
    for _ in range(8):
        incident = IncidentFactory(service=incident.service)
        page_people(incident, bob)
        deliver_due(channel="sms")
        twilio.reply(REPLIES_URL, NUMBER, "1c")

    statuses = Incident.objects.filter(pk__gt=0).values_list("status", flat=True)
    assert len(twilio.messages) == 8
    assert list(statuses).count(Incident.Status.RESOLVED) == 8


def test_e2_after_an_acknowledgement_by_sms_the_later_rule_is_silent(
    twilio: Twilio, incident: Incident, bob: User
):
    sms = phone_of(bob, "sms")
    NotificationRuleFactory(contact_method=sms, delay_minutes=30)
    page_people(incident, bob)
    deliver_due(channel="sms")
    twilio.report(twilio.messages[0], "delivered")

    twilio.reply(REPLIES_URL, NUMBER, f"ack{incident.pk}")
    cancel_settled_pages()
    half_an_hour_later()
    deliver_due(channel="sms")

    page = Notification.objects.get(channel="sms", delay_minutes=0)
    log = TimelineEntry.objects.filter(incident=incident).exclude(kind="page_cancelled")
    assert len(twilio.messages) == 1
    assert page.state == State.DELIVERED
    assert list(log.values_list("message", flat=True)) == [
        "Page sent to Bob by SMS",
        "Acknowledged by Bob by SMS",
    ]


def test_n1_a_code_by_sms_verifies_and_a_test_arrives(twilio: Twilio, bob: User):
    now = timezone.now()
    method = ContactMethodFactory(user=bob, channel="sms", address=NUMBER, verified_at=None)
    send_code(user=bob, pk=method.pk, now=now)
    deliver_due(channel="sms")
    code = twilio.messages[0].body.removeprefix("OpsKnight: ")[:6]

    enter_code(user=bob, pk=method.pk, code=code, now=now)
    NotificationFactory(
        incident=None,
        user=bob,
        channel="sms",
        address=NUMBER,
        contact_method=method,
        reason=Notification.Reason.TEST,
        subject="A test",
        text="It works.",
    )
    deliver_due(channel="sms")

    method.refresh_from_db()
    assert method.is_verified
    assert twilio.messages[1].body == "OpsKnight: A test\nIt works."


def test_a_sender_that_takes_no_answers_asks_for_none(
    settings: Settings, incident: Incident, bob: User
):
    with amazon.Sns().running() as sns:
        settings.PROVIDERS_FROM_ENV = {
            "sns": {
                "access_key_id": amazon.ACCESS_KEY_ID,
                "secret_access_key": amazon.SECRET_ACCESS_KEY,
                "region": amazon.REGION,
                "api_url": sns.url,
            }
        }
        page_by("sms", incident, bob)

        deliver_due(channel="sms")
        close_connections()

    assert entries_of(incident) == ["Page sent to Bob by SMS"]
    assert "Reply" not in sns.requests[0].body.decode()
