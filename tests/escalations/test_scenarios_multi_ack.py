"""Scenarios B13 to B17 through the engine: everybody who was paged acknowledges for themselves."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from escalations.services.manual import escalate_incidents
from incidents.models import Incident, Service
from incidents.services.lifecycle import acknowledge_incidents, resolve_incidents
from notifications.models import Notification
from notifications.services.claims import claim_pages
from notifications.services.settling import cancel_settled_pages
from opsknight.models import User
from tests.escalations.walk import MINUTE, Kind, escalating, policy_of, said, take_all, timer
from tests.factories import ContactMethodFactory, NotificationRuleFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    """When the first step is taken: the rules of 30 minutes are still to come today."""
    return timezone.now() - timedelta(minutes=20)


@pytest.fixture
def jane(db: None) -> User:
    return UserFactory(name="Jane", role=User.Role.RESPONDER)


@pytest.fixture
def incident(service: Service, bob: User, jane: User, now: datetime) -> Incident:
    """Bob and Jane were paged at once; each has a rule after 30 minutes. Step 2 names Bob."""
    for person in (bob, jane):
        method = ContactMethodFactory(user=person)
        for delay in (0, 30):
            NotificationRuleFactory(contact_method=method, delay_minutes=delay)
    policy = policy_of((0, [bob, jane]), (60, [bob]), is_multi_ack=True)
    incident = escalating(service, now, policy)
    take_all(now)
    send_what_is_due()
    return incident


def send_what_is_due() -> None:
    Notification.objects.filter(state="pending", due_at__lte=timezone.now()).update(
        state="sent", finished_at=timezone.now()
    )


def acknowledge(incident: Incident, person: User, at: datetime) -> None:
    with time_machine.travel(at, tick=False):
        acknowledge_incidents(incident_ids=[incident.pk], actor=person)


def mailed_later() -> list[str]:
    """Whom the rules of 30 minutes still reach once their time has come."""
    cancel_settled_pages()
    Notification.objects.filter(state="pending").update(due_at=timezone.now())
    return sorted(page.recipient.name for page in claim_pages(channel="email", limit=100))


def test_without_acknowledgements_both_later_rules_fire(incident: Incident) -> None:
    assert mailed_later() == ["Bob", "Jane"]


def test_b13_b14_when_bob_acknowledges_janes_later_rule_fires_and_bobs_does_not(
    incident: Incident, bob: User, now: datetime
) -> None:
    acknowledge(incident, bob, now + 5 * MINUTE)

    assert timer(incident) is None
    assert mailed_later() == ["Jane"]


def test_b15_both_acknowledgements_are_on_the_timeline(
    incident: Incident, bob: User, jane: User, now: datetime
) -> None:
    acknowledge(incident, bob, now + 5 * MINUTE)
    acknowledge(incident, jane, now + 6 * MINUTE)

    assert said(incident, Kind.ACKNOWLEDGED) == ["Acknowledged by Bob", "Acknowledged by Jane"]
    assert mailed_later() == []


def test_b16_bobs_later_rule_of_a_new_cycle_fires_although_he_acknowledged_before_it(
    incident: Incident, bob: User, jane: User, now: datetime
) -> None:
    acknowledge(incident, bob, now + 5 * MINUTE)
    at = now + 10 * MINUTE
    with time_machine.travel(at, tick=False):
        escalate_incidents(incidents=[incident], step=2, actor=None, now=at)
    take_all(at)
    send_what_is_due()
    acknowledge(incident, jane, now + 12 * MINUTE)

    assert mailed_later() == ["Bob"]


def test_b17_when_anyone_closes_nobody_gets_the_later_rules(
    incident: Incident, bob: User, jane: User, now: datetime
) -> None:
    acknowledge(incident, bob, now + 5 * MINUTE)

    resolve_incidents(incident_ids=[incident.pk], actor=jane)

    assert mailed_later() == []
