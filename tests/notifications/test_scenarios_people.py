"""Scenarios of people and their telephones, with a provider that speaks Twilio's protocol
(C1, C2, D5, N1, N4, N5)."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bench.stand_ins.twilio import Twilio
from escalations.services import engine
from incidents.models import Incident, Service, TimelineEntry
from incidents.services.intake import receive_events
from notifications.models import ContactMethod, Notification
from notifications.services.delivery import deliver_due
from notifications.services.outbox import PageRequest, queue_pages
from opsknight.models import User
from tests.api.asking import Asker
from tests.incidents.storms import event_of
from tests.notifications.telephones import NUMBER, phone_of

pytestmark = pytest.mark.django_db
TELEPHONES = ("sms", "voice")
# Germany, the US, India, China, Brazil, Australia, Austria.
NUMBERS = (
    "+4915112345678",
    "+12025550123",
    "+919812345678",
    "+8613812345678",
    "+5511912345678",
    "+61412345678",
    "+436641234567",
)


def page(incident: Incident, user: User) -> None:
    request = PageRequest(incident.pk, user.pk, Notification.Reason.ESCALATION, "step:0:0:0")
    queue_pages(requests=[request], now=timezone.now())


def deliver() -> None:
    for channel in TELEPHONES:
        deliver_due(channel=channel)


def let_pass(minutes: int) -> None:
    """The database's clock cannot be moved, so all that is written moves back."""
    for row in Notification.objects.all():
        row.due_at -= timedelta(minutes=minutes)
        row.created_at -= timedelta(minutes=minutes)
        row.save(update_fields=["due_at", "created_at"])


def counts(twilio: Twilio) -> tuple[int, int]:
    """SMS and calls so far."""
    return len(twilio.messages), len(twilio.calls)


def test_c1_an_sms_and_a_call_now_and_an_sms_after_half_an_hour(
    twilio: Twilio, incident: Incident, bob: User
):
    method = phone_of(bob, "sms")
    phone_of(bob, "voice")
    method.rules.create(user=bob, delay_minutes=30)
    page(incident, bob)
    seen = []

    for minutes in (0, 29, 1, 90):
        let_pass(minutes)
        deliver()
        seen.append(counts(twilio))

    assert seen == [(1, 1), (1, 1), (2, 1), (2, 1)]


def test_c2_seven_countries_by_sms_and_call_leave_in_one_pass(
    twilio: Twilio, incident: Incident, bob: User
):
    for number in NUMBERS:
        for channel in TELEPHONES:
            phone_of(bob, channel, number)
    page(incident, bob)

    deliver()

    assert {sms.to for sms in twilio.messages} == set(NUMBERS)
    assert {call.to for call in twilio.calls} == set(NUMBERS)
    assert counts(twilio) == (7, 7)


def test_d5_a_disabled_number_gets_no_sms_and_the_timeline_says_so(
    twilio: Twilio, incident: Incident, bob: User
):
    phone_of(bob, "voice")
    method = phone_of(bob, "sms")
    ContactMethod.objects.filter(pk=method.pk).update(enabled=False)
    page(incident, bob)

    deliver()

    assert counts(twilio) == (0, 1)
    said = TimelineEntry.objects.filter(incident=incident).values_list("message", flat=True)
    assert "Bob is not paged by SMS: its owner switched it off" in said


def test_n1_a_code_comes_by_sms_and_then_a_test(twilio: Twilio, bob: User):
    asker = Asker(bob)
    made = asker.post("me/contact-methods", {"channel": "sms", "address": NUMBER}).json()
    deliver()
    code = re.search(r"\b\d{6}\b", twilio.messages[0].body)
    assert code is not None

    verified = asker.post(f"me/contact-methods/{made['id']}/verify", {"code": code[0]})
    tested = asker.post(f"me/contact-methods/{made['id']}/test")
    deliver()

    assert (verified.json()["health"], tested.status_code) == ("usable", 202)
    assert "Test of OpsKnight" in twilio.messages[1].body


def test_n4_the_owner_is_tested_by_sms_and_call_and_nobody_else_is(
    twilio: Twilio, alice: User, bob: User
):
    methods = [phone_of(bob, channel) for channel in TELEPHONES]
    paths = [f"me/contact-methods/{method.pk}/test" for method in methods]

    refused = [Asker(alice).post(path).status_code for path in paths]
    taken = [Asker(bob).post(path).status_code for path in paths]
    deliver()

    assert (refused, taken) == ([404, 404], [202, 202])
    assert counts(twilio) == (1, 1)


def verified_number(asker: Asker, number: str) -> None:
    """Add a number, enter its code, and make a rule of it."""
    made: Any = asker.post("me/contact-methods", {"channel": "sms", "address": number}).json()
    row = Notification.objects.get(contact_method=made["id"], reason="verification")
    asker.post(f"me/contact-methods/{made['id']}/verify", {"code": row.text[:6]})
    asker.post("me/notification-rules", {"contact_method": made["id"], "delay_minutes": 0})


def test_n5_from_a_number_to_a_page_both_people_are_reached(
    twilio: Twilio, alice: User, bob: User, carol: User
):
    admin = Asker(alice)
    for user, number in ((bob, NUMBERS[0]), (carol, NUMBERS[6])):
        verified_number(Asker(user), number)
    schedule = admin.post(
        "schedules",
        {
            "name": "Primary",
            "layers": [
                {
                    "name": "Days",
                    "rotation": "daily",
                    "starts_at": "2026-01-01T08:00:00Z",
                    "members": [bob.pk],
                }
            ],
        },
    ).json()
    targets = [{"type": "schedule", "id": schedule["id"]}, {"type": "user", "id": carol.pk}]
    policy = admin.post("escalation-policies", {"name": "Day", "steps": [{"targets": targets}]})
    service = admin.post(
        "services", {"name": "Checkout", "escalation_policy": policy.json()["id"]}
    ).json()
    deliver()  # the codes
    twilio.messages.clear()

    opened = trigger(service["id"])
    engine.run_due_steps(now=timezone.now())
    deliver()

    assert {sms.to for sms in twilio.messages} == {NUMBERS[0], NUMBERS[6]}
    assert all(f"#{opened.pk}" in sms.body for sms in twilio.messages)


def trigger(service_id: int) -> Incident:
    """An alert comes."""
    receive_events([event_of(Service.objects.get(pk=service_id), "disk")])
    return Incident.objects.get()
