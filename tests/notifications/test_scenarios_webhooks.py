"""What webhooks get, and what counts as delivered: rows of the list of behaviours."""

import hashlib
import hmac
import time
from collections.abc import Iterator

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins.server import Reply, Request, StandIn
from escalations.services.announcements import tell_channels
from incidents.models import Incident
from notifications.models import DeliveryAttempt, Notification
from notifications.services.delivery import deliver_due
from notifications.services.outbox import PageRequest, queue_pages
from opsknight.models import User
from tests.factories import (
    AnnouncementFactory,
    ContactMethodFactory,
    DestinationFactory,
    NotificationRuleFactory,
    ScheduleFactory,
)

pytestmark = pytest.mark.django_db
State = Notification.State
SECRET = "s3cret"


@pytest.fixture
def receiver(settings: Settings) -> Iterator[StandIn]:
    """Somebody's server; private addresses are allowed."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    settings.BREAKER_FAILURES = 0
    with StandIn().running() as stand_in:
        yield stand_in


def page(incident: Incident, user: User, receiver: StandIn) -> Notification:
    """Page a person who has a webhook and nothing else."""
    method = ContactMethodFactory(
        user=user, channel="webhook", address=f"{receiver.url}/hook", secret=SECRET
    )
    NotificationRuleFactory(contact_method=method)
    request = PageRequest(incident.pk, user.pk, Notification.Reason.ESCALATION, "step:0:0:0")
    with transaction.atomic():
        queue_pages(requests=[request], now=timezone.now())
    return Notification.objects.get(channel="webhook")


def is_genuine(request: Request) -> bool:
    """As docs/reference/webhooks.md tells receivers to check."""
    stamp = request.headers["x-opsknight-timestamp"]
    digest = hmac.new(SECRET.encode(), stamp.encode() + b"." + request.body, hashlib.sha256)
    is_fresh = abs(time.time() - int(stamp) / 1000) < 300
    return is_fresh and request.headers["x-opsknight-signature"] == f"sha256={digest.hexdigest()}"


def test_h6_a_webhook_of_a_person_gets_the_incident_and_its_service(
    incident: Incident, bob: User, receiver: StandIn
):
    page(incident, bob, receiver)

    deliver_due(channel="webhook")

    [request] = receiver.requests
    body = request.json
    assert body["event"]["type"] == "page"
    assert body["incident"]["id"] == incident.pk
    assert body["incident"]["title"] == incident.title
    assert body["incident"]["description"] == incident.description
    assert body["incident"]["service"] == {"id": incident.service_id, "name": "Checkout"}
    assert is_genuine(request)


def test_h6_a_webhook_hears_who_is_on_call_and_where_the_schedule_is(
    bob: User, receiver: StandIn, settings: Settings
):
    schedule = ScheduleFactory(name="Primary", members=[bob])
    place = DestinationFactory(address=receiver.url, secret=SECRET)
    AnnouncementFactory(schedule=schedule, destination=place)
    tell_channels(now=timezone.now())

    deliver_due(channel="webhook")

    [request] = receiver.requests
    notice = request.json["notice"]
    assert notice["on_call"] == [{"id": bob.pk, "name": "Bob", "email": bob.email}]
    assert notice["schedule"]["url"] == f"{settings.PUBLIC_URL}/schedules/{schedule.pk}/"
    assert is_genuine(request)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_t2_every_2xx_is_success(status: int, incident: Incident, bob: User, receiver: StandIn):
    row = page(incident, bob, receiver)
    receiver.faults.append(Reply(status))

    deliver_due(channel="webhook")

    row.refresh_from_db()
    assert row.state == State.DELIVERED


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (301, State.FAILED),  # redirects are not followed
        (400, State.FAILED),
        (401, State.FAILED),
        (404, State.FAILED),
        (408, State.PENDING),
        (410, State.FAILED),
        (425, State.PENDING),
        (429, State.PENDING),
        (500, State.PENDING),
        (503, State.PENDING),
    ],
)
def test_t2_only_2xx_is_success(
    status: int, state: str, incident: Incident, bob: User, receiver: StandIn
):
    row = page(incident, bob, receiver)
    receiver.faults.append(Reply(status))

    deliver_due(channel="webhook")

    row.refresh_from_db()
    assert row.state == state
    assert row.delivery_attempts.get().outcome == DeliveryAttempt.Outcome.FAILED


def test_t2_what_the_other_side_answers_is_kept_nowhere(
    incident: Incident, bob: User, receiver: StandIn
):
    row = page(incident, bob, receiver)
    receiver.faults.append(Reply(500, b"stack trace with a password"))

    deliver_due(channel="webhook")

    row.refresh_from_db()
    assert row.last_error == "Answered 500."
    assert "password" not in row.delivery_attempts.get().detail


def test_the_queue_moves_on_behind_a_receiver_that_cuts_the_connection(
    incident: Incident, bob: User, carol: User, receiver: StandIn
):
    for user in (bob, carol):
        method = ContactMethodFactory(
            user=user, channel="webhook", address=f"{receiver.url}/{user.pk}"
        )
        NotificationRuleFactory(contact_method=method)
        request = PageRequest(incident.pk, user.pk, Notification.Reason.ESCALATION, "step:0:0:0")
        with transaction.atomic():
            queue_pages(requests=[request], now=timezone.now())
    receiver.faults.append(Reply(is_silent=True))

    deliver_due(channel="webhook")

    states = Notification.objects.filter(channel="webhook").values_list("state", flat=True)
    assert sorted(states) == [State.DELIVERED, State.PENDING]
