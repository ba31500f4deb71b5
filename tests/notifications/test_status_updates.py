"""What became of an incident, for those who were paged and asked to hear (scenarios G1 to G3)."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from incidents.models import Incident, TimelineEntry
from incidents.services.lifecycle import (
    acknowledge_incidents,
    resolve_incidents,
    unacknowledge_incident,
)
from notifications.models import ContactMethod, Notification
from notifications.services.claims import claim_pages
from notifications.services.delivery import deliver_due
from notifications.services.preferences import change_contact_method
from notifications.services.replies import answer_reply
from notifications.services.status_updates import tell_status
from opsknight.models import User
from tests.factories import ContactMethodFactory, NotificationFactory
from tests.notifications.providers import Endpoint

pytestmark = pytest.mark.django_db
State = Notification.State
PHONE = "+4915112345678"


def opted_in(user: User, *, channel: str = "sms", address: str = PHONE) -> ContactMethod:
    return ContactMethodFactory(
        user=user,
        channel=channel,
        address=address,
        status_updates=True,
        status_updates_since=timezone.now() - timedelta(days=30),
    )


def page(incident: Incident, method: ContactMethod, at: datetime | None = None) -> Notification:
    """What was sent a minute ago, or at another time."""
    at = at or timezone.now() - timedelta(minutes=1)
    return NotificationFactory(
        incident=incident,
        user=method.user,
        contact_method=method,
        channel=method.channel,
        address=method.address,
        state=State.SENT,
        created_at=at,
        finished_at=at,
    )


def tell() -> int:
    return tell_status(now=timezone.now())


def updates() -> list[tuple[str, str]]:
    """To which address, and what it says."""
    rows = Notification.objects.filter(reason="status").order_by("pk")
    return [(row.address, row.details["event"]["message"]) for row in rows]


def resolve(incident: Incident, actor: User | None = None) -> None:
    resolve_incidents(incident_ids=[incident.pk], actor=actor, source="" if actor else "Prometheus")


def test_g1_a_close_by_the_monitoring_system_is_told(incident: Incident, bob: User) -> None:
    page(incident, opted_in(bob))
    resolve(incident)

    assert tell() == 1
    assert updates() == [(PHONE, "Resolved (Prometheus)")]


def test_g1_what_somebody_else_acknowledged_is_told(
    incident: Incident, bob: User, carol: User
) -> None:
    page(incident, opted_in(bob))
    acknowledge_incidents(incident_ids=[incident.pk], actor=carol)

    tell()

    assert updates() == [(PHONE, "Acknowledged by Carol")]


def test_g1_your_own_reply_gives_you_no_update(incident: Incident, bob: User) -> None:
    page(incident, opted_in(bob))
    incident.participants.create(user=bob)
    answer_reply(
        channel="sms", address=PHONE, text=f"c{incident.pk}", message_id="", now=timezone.now()
    )

    assert Incident.objects.get(pk=incident.pk).status == Incident.Status.RESOLVED
    assert tell() == 0


def test_g1_an_update_is_told_once(incident: Incident, bob: User) -> None:
    page(incident, opted_in(bob))
    resolve(incident)

    assert [tell(), tell()] == [1, 0]


def test_g1_of_several_changes_the_last_is_told(incident: Incident, bob: User, carol: User) -> None:
    page(incident, opted_in(bob))
    acknowledge_incidents(incident_ids=[incident.pk], actor=carol)
    resolve(incident, carol)

    tell()

    assert updates() == [(PHONE, "Resolved by Carol")]


def test_g1_an_update_goes_out_although_the_incident_is_over(
    endpoint: Endpoint, incident: Incident, bob: User
) -> None:
    page(incident, opted_in(bob, channel="webhook", address=endpoint.url))
    resolve(incident)
    tell()

    deliver_due(channel="webhook")

    update = Notification.objects.get(reason="status")
    assert update.state in (State.SENT, State.DELIVERED)
    assert "Resolved (Prometheus)" in endpoint.requests[0].body.decode()


def test_an_update_is_no_page_on_the_timeline(
    endpoint: Endpoint, incident: Incident, bob: User
) -> None:
    page(incident, opted_in(bob, channel="webhook", address=endpoint.url))
    resolve(incident)
    tell()

    deliver_due(channel="webhook")

    kinds = TimelineEntry.objects.filter(incident=incident).values_list("kind", flat=True)
    assert list(kinds) == ["resolved"]


def test_an_update_that_fails_is_not_sent_by_another_way(
    endpoint: Endpoint, incident: Incident, bob: User
) -> None:
    page(incident, opted_in(bob, channel="webhook", address=endpoint.url))
    resolve(incident)
    tell()
    endpoint.answers = [400]

    deliver_due(channel="webhook")

    assert Notification.objects.get(reason="status").state == State.FAILED
    assert not Notification.objects.filter(channel="email").exists()


def test_an_acknowledgement_that_was_withdrawn_is_not_told_any_more(
    incident: Incident, bob: User, carol: User
) -> None:
    page(incident, opted_in(bob))
    acknowledge_incidents(incident_ids=[incident.pk], actor=carol)
    tell()
    unacknowledge_incident(incident_id=incident.pk, actor=carol)

    assert claim_pages(channel="sms", limit=5) == []


def test_g2_without_asking_for_them_nobody_gets_updates(incident: Incident, bob: User) -> None:
    page(incident, ContactMethodFactory(user=bob, channel="sms", address=PHONE))
    resolve(incident)

    assert tell() == 0


def test_g2_another_method_does_not_inherit_what_it_was_paged_for_before(
    incident: Incident, bob: User
) -> None:
    first = opted_in(bob)
    second = ContactMethodFactory(user=bob, channel="sms", address="+43660123456")
    page(incident, first)
    page(incident, second)
    now = timezone.now()
    change_contact_method(user=bob, pk=first.pk, status_updates=False, now=now)
    change_contact_method(user=bob, pk=second.pk, status_updates=True, now=now)
    resolve(incident)

    assert tell() == 0


def test_g2_stop_ends_updates_and_start_does_not_bring_them_back(
    incident: Incident, bob: User
) -> None:
    page(incident, opted_in(bob))
    for text in ("stop", "start"):
        answer_reply(channel="sms", address=PHONE, text=text, message_id="", now=timezone.now())
    resolve(incident)

    assert tell() == 0


@pytest.mark.parametrize(
    "change", [{"enabled": False}, {"verified_at": None}, {"stopped_at": timezone.now()}]
)
def test_a_method_that_is_not_in_use_gets_no_updates(
    incident: Incident, bob: User, change: dict[str, object]
) -> None:
    method = opted_in(bob)
    page(incident, method)
    ContactMethod.objects.filter(pk=method.pk).update(**change)
    resolve(incident)

    assert tell() == 0


def test_somebody_whose_page_failed_gets_no_updates(incident: Incident, bob: User) -> None:
    page(incident, opted_in(bob))
    Notification.objects.update(state=State.FAILED)
    resolve(incident)

    assert tell() == 0


@pytest.mark.parametrize(("days", "told"), [(6.9, 1), (7.1, 0)])
def test_g3_seven_days_after_the_last_message_closing_is_silent(
    incident: Incident, bob: User, days: float, told: int
) -> None:
    page(incident, opted_in(bob), timezone.now() - timedelta(days=days))
    resolve(incident)

    assert tell() == told


def test_g3_an_update_in_between_lets_the_seven_days_begin_anew(
    endpoint: Endpoint, incident: Incident, bob: User, carol: User
) -> None:
    method = opted_in(bob, channel="webhook", address=endpoint.url)
    page(incident, method, timezone.now() - timedelta(days=6))
    acknowledge_incidents(incident_ids=[incident.pk], actor=carol)
    tell()
    deliver_due(channel="webhook")

    with time_machine.travel(timezone.now() + timedelta(days=5)):
        resolve(incident)
        told = tell()

    assert told == 1


def test_who_may_not_see_a_private_incident_any_more_hears_nothing_of_it(
    incident: Incident, bob: User, carol: User
) -> None:
    Incident.objects.filter(pk=incident.pk).update(visibility="private")
    page(incident, opted_in(bob))
    page(incident, opted_in(carol, address="+4915112345679"))

    resolve(incident)
    tell()

    assert [address for address, _ in updates()] == ["+4915112345679"]


def test_many_updates_cost_as_many_queries_as_one(bob: User, incident: Incident) -> None:
    page(incident, opted_in(bob))
    resolve(incident)
    with CaptureQueriesContext(connection) as one:
        tell()
    Notification.objects.filter(reason="status").delete()
    for number in range(10):
        page(incident, opted_in(bob, address=f"+43660123450{number}"))
    TimelineEntry.objects.update(at=timezone.now())

    with CaptureQueriesContext(connection) as eleven:
        assert tell() == 11

    assert len(one) == len(eleven)
