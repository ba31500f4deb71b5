"""Outgoing messages and who follows what, by the API."""

from typing import Any

import pytest
from django.utils import timezone

from incidents.models import Incident, Service
from notifications.models import DeliveryAttempt, EventSubscription, Notification
from opsknight.models import Team
from tests.api.asking import Asker, code_of, fields_of
from tests.factories import (
    DestinationFactory,
    EventSubscriptionFactory,
    IncidentFactory,
    NotificationFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def incident(service: Service) -> Incident:
    return IncidentFactory(service=service)


def ended(incident: Incident, state: str = "failed", **values: Any) -> Notification:
    return NotificationFactory(incident=incident, state=state, finished_at=timezone.now(), **values)


def test_a_message_is_shown_with_its_attempts_and_without_its_address(
    incident: Incident, bob: Asker
):
    row = ended(incident, channel="sms", address="+4915123456789", last_error="Answered 500.")
    DeliveryAttempt.objects.create(
        notification=row, outcome="failed", detail="Answered 500.", provider="Relay", duration_ms=5
    )

    shown = bob.get(f"outgoing-messages/{row.pk}").json()

    assert shown["address"] == "+49…789"
    assert shown["recipient"] == {"type": "user", "id": row.user_id, "name": str(row.user)}
    assert shown["tries"][0]["detail"] == "Answered 500."
    assert "+4915123456789" not in str(shown)


def test_messages_are_narrowed_by_several_words(incident: Incident, bob: Asker):
    failed, waiting = ended(incident), NotificationFactory(incident=incident)
    ended(incident, "delivered", address="x@example.com")

    listed = bob.get("outgoing-messages", state="failed,pending").json()["results"]

    assert [row["id"] for row in listed] == [waiting.pk, failed.pk]


def test_private_messages_are_in_nobody_elses_list(service: Service, alice: Asker, carol: Asker):
    row = ended(IncidentFactory(service=service, visibility="private"))

    lists = [who.get("outgoing-messages").json()["results"] for who in (alice, carol)]

    assert [[message["id"] for message in found] for found in lists] == [[], [row.pk]]


def test_sending_again_answers_with_the_new_message(incident: Incident, bob: Asker):
    row = ended(incident)

    answer = bob.post(f"outgoing-messages/{row.pk}/resend")
    again = bob.post(f"outgoing-messages/{row.pk}/resend")

    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["id"] != row.pk) == ("pending", True)
    assert (again.status_code, code_of(again)) == (409, "conflict")


def test_a_subscription_is_made_changed_and_deleted(alice: Asker, service: Service):
    place = DestinationFactory()
    body = {"destination": place.pk, "service": service.pk, "events": ["incident.note"]}

    made = alice.post("event-subscriptions", body)
    path = f"event-subscriptions/{made.json()['id']}"
    changed = alice.patch(path, {"events": [], "template": '{"a": {{ event.id }}}'}).json()
    gone = alice.delete(path)

    assert made.status_code == 201
    assert (changed["events"], changed["template"]) == ([], '{"a": {{ event.id }}}')
    assert (gone.status_code, EventSubscription.objects.count()) == (204, 0)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"events": ["incident.exploded"]}, "events.0"),
        ({"events": "incident.note"}, "events"),
        ({"template": "{{"}, "template"),
        ({"service": None}, "service"),
        ({"service": 999_999}, "service"),
        ({"template": "x" * 3000}, "template"),
    ],
)
def test_bad_values_are_refused_at_their_field(
    change: dict[str, Any], field: str, alice: Asker, service: Service
):
    body = {"destination": DestinationFactory().pk, "service": service.pk} | change

    assert field in fields_of(alice.post("event-subscriptions", body))


def test_what_is_followed_cannot_be_changed(alice: Asker, team: Team):
    row = EventSubscriptionFactory()

    refused = alice.patch(f"event-subscriptions/{row.pk}", {"service": None, "team": team.pk})

    assert "service" in fields_of(refused)
