"""Pages that go on until their person has acknowledged (scenarios B13 to B17)."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from incidents.models import Incident
from incidents.services.lifecycle import (
    acknowledge_incidents,
    resolve_incidents,
    unacknowledge_incident,
)
from notifications.models import Notification
from notifications.services.claims import claim_pages
from notifications.services.outbox import PageRequest, queue_pages
from notifications.services.preferences import add_rule
from notifications.services.settling import cancel_settled_pages
from opsknight.models import User
from tests.factories import (
    ContactMethodFactory,
    DestinationFactory,
    NotificationRuleFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
State = Notification.State


def at(minute: int) -> datetime:
    """The minute of a story that began twenty minutes ago."""
    return timezone.now() + timedelta(minutes=minute - 20)


@pytest.fixture
def jane(db: None) -> User:
    return UserFactory(name="Jane")


@pytest.fixture
def paged(incident: Incident, bob: User, jane: User) -> Incident:
    """Bob and Jane are paged, at once and after 30 minutes."""
    Incident.objects.filter(pk=incident.pk).update(is_multi_ack=True)
    for person in (bob, jane):
        method = ContactMethodFactory(user=person)
        for delay in (0, 30):
            NotificationRuleFactory(contact_method=method, delay_minutes=delay)
    page(incident, [bob, jane], "step:0:0:0", minute=0)
    send_what_is_due()
    return incident


def page(incident: Incident, people: list[User], cause: str, *, minute: int) -> None:
    requests = [
        PageRequest(
            incident.pk, person.pk, Notification.Reason.ESCALATION, cause, needs_own_ack=True
        )
        for person in people
    ]
    queue_pages(requests=requests, now=at(minute))


def acknowledge(incident: Incident, person: User, *, minute: int) -> None:
    with time_machine.travel(at(minute), tick=False):
        acknowledge_incidents(incident_ids=[incident.pk], actor=person)


def send_what_is_due() -> None:
    """As far as it matters here: whatever is due by the database's clock went out."""
    Notification.objects.filter(state=State.PENDING, due_at__lte=timezone.now()).update(
        state=State.SENT, finished_at=timezone.now()
    )


def let_delays_end() -> list[str]:
    """Who is sent to once all delays are over; claimed by the statement that decides."""
    cancel_settled_pages()
    Notification.objects.filter(state=State.PENDING).update(due_at=timezone.now())
    claimed = claim_pages(channel="email", limit=100)
    return sorted(page.recipient.name for page in claimed)


def test_b13_b14_the_others_rule_still_fires_and_ones_own_does_not(paged: Incident, bob: User):
    acknowledge(paged, bob, minute=5)

    assert let_delays_end() == ["Jane"]


def test_b15_nobody_is_paged_once_all_have_acknowledged(paged: Incident, bob: User, jane: User):
    acknowledge(paged, bob, minute=5)
    acknowledge(paged, jane, minute=6)

    assert let_delays_end() == []


@pytest.mark.parametrize("is_swept", [True, False])
def test_b16_an_acknowledgement_before_the_cycle_does_not_end_it(
    paged: Incident, bob: User, jane: User, is_swept: bool
):
    acknowledge(paged, bob, minute=5)
    if is_swept:
        cancel_settled_pages()
    Incident.objects.filter(pk=paged.pk).update(status="triggered", acknowledged_at=None)
    page(paged, [bob], "step:1:0:1", minute=10)
    send_what_is_due()
    acknowledge(paged, jane, minute=12)

    assert let_delays_end() == ["Bob"]


@pytest.mark.parametrize("has_acknowledged", [True, False])
def test_b17_closing_ends_everybodys_rules(
    paged: Incident, bob: User, jane: User, has_acknowledged: bool
):
    if has_acknowledged:
        acknowledge(paged, bob, minute=5)
    resolve_incidents(incident_ids=[paged.pk], actor=jane)

    assert let_delays_end() == []


def test_the_claim_itself_notices_ones_own_acknowledgement(paged: Incident, bob: User, jane: User):
    acknowledge(paged, bob, minute=5)
    Notification.objects.filter(state=State.PENDING).update(due_at=timezone.now())

    claimed = claim_pages(channel="email", limit=100)

    assert [page.recipient.name for page in claimed] == ["Jane"]
    assert set(Notification.objects.filter(delay_minutes=30, user=bob).values_list("state")) == {
        (State.CANCELLED,)
    }


def test_giving_it_back_does_not_revive_pages_that_were_acknowledged(paged: Incident, bob: User):
    acknowledge(paged, bob, minute=5)
    unacknowledge_incident(incident_id=paged.pk, actor=bob)

    assert let_delays_end() == ["Jane"]


def test_a_rule_added_while_others_have_acknowledged_takes_part(
    paged: Incident, bob: User, jane: User
):
    acknowledge(paged, bob, minute=5)
    for person in (bob, jane):
        method = ContactMethodFactory(user=person)
        add_rule(user=person, contact_method_id=method.pk, delay_minutes=40, now=timezone.now())

    assert let_delays_end() == ["Jane", "Jane"]


def test_pages_of_a_destination_end_with_the_first_acknowledgement(paged: Incident, bob: User):
    place = DestinationFactory(channel="email", address="ops@example.com")
    request = PageRequest(
        paged.pk, None, Notification.Reason.ESCALATION, "step:0:0:1", destination_id=place.pk
    )
    queue_pages(requests=[request], now=timezone.now())
    acknowledge(paged, bob, minute=25)

    assert let_delays_end() == ["Jane"]
