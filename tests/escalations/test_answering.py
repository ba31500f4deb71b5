"""Escalating by an answer to a page (scenario B3 by SMS)."""

from contextlib import suppress

import pytest
from django.utils import timezone

from escalations.services.engine import run_due_steps
from incidents.models import Incident, TimelineEntry
from incidents.services.lifecycle import acknowledge_incidents
from notifications.models import Notification
from notifications.services.answers import act
from notifications.services.replies import answer_reply
from opsknight.errors import Conflict, NotFound
from opsknight.models import User
from tests.factories import (
    ContactMethodFactory,
    IncidentFactory,
    PolicyFactory,
    ServiceFactory,
    TeamFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
PHONE = "+4915112345678"


@pytest.fixture
def jane(db: None) -> User:
    return UserFactory(name="Jane", role=User.Role.RESPONDER)


@pytest.fixture
def john(db: None) -> User:
    return UserFactory(name="John")


@pytest.fixture
def paged(jane: User, john: User) -> Incident:
    """Jane was paged; John is next, in half an hour."""
    policy = PolicyFactory(steps=[(0, [jane]), (30, [john])])
    service = ServiceFactory(escalation_policy=policy, team=TeamFactory(members=[jane]))
    incident: Incident = IncidentFactory(service=service, escalate_at=timezone.now())
    run_due_steps()
    return incident


def paged_people(incident: Incident) -> set[str]:
    pages = Notification.objects.filter(incident=incident).exclude(channel="in_app")
    return {str(page.user) for page in pages.select_related("user")}


def test_an_answer_escalates_and_names_the_person_and_the_way(paged: Incident, jane: User) -> None:
    now = timezone.now()
    answer = act(user=jane, incident_id=paged.pk, action="escalate", via="by telephone", now=now)
    run_due_steps()

    assert (answer.news, answer.is_done) == ("escalated", True)
    assert paged_people(paged) == {"Jane", "John"}
    moved = TimelineEntry.objects.get(incident=paged, kind="escalation_moved")
    assert moved.message == "Escalated to step 2 by Jane by telephone"


def test_a_button_pressed_twice_takes_one_step(paged: Incident, jane: User) -> None:
    for _ in range(2):
        with suppress(Conflict):
            act(
                user=jane,
                incident_id=paged.pk,
                action="escalate",
                via="in Slack",
                now=timezone.now(),
            )

    moved = TimelineEntry.objects.filter(incident=paged, kind="escalation_moved")
    assert [entry.message for entry in moved] == ["Escalated to step 2 by Jane in Slack"]


def test_b3_an_sms_escalates_what_is_acknowledged(paged: Incident, jane: User) -> None:
    ContactMethodFactory(user=jane, channel="sms", address=PHONE)
    acknowledge_incidents(incident_ids=[paged.pk], actor=jane)

    answer = answer_reply(
        channel="sms",
        address=PHONE,
        text=f"escalate {paged.pk}",
        message_id="SM1",
        now=timezone.now(),
    )
    run_due_steps()

    paged.refresh_from_db()
    assert answer.endswith(": escalated.")
    assert paged.status == Incident.Status.TRIGGERED
    assert paged_people(paged) == {"Jane", "John"}


def test_what_cannot_be_escalated_is_refused_with_its_reason(jane: User) -> None:
    incident = IncidentFactory()

    with pytest.raises(Conflict, match="no escalation policy"):
        act(
            user=jane,
            incident_id=incident.pk,
            action="escalate",
            via="by SMS",
            now=timezone.now(),
        )


def test_a_stranger_escalates_nothing(paged: Incident) -> None:
    eve = UserFactory(name="Eve")

    with pytest.raises(NotFound):
        act(user=eve, incident_id=paged.pk, action="escalate", via="by SMS", now=timezone.now())

    assert paged_people(paged) == {"Jane"}
