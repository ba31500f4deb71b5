"""Whoever gets an incident hears of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from incidents.models import Incident, TimelineEntry
from incidents.services.lifecycle import reassign_incident, resolve_incidents
from notifications.models import Notification
from notifications.services.assignments import notify_assigned
from opsknight.models import TeamMember, User
from tests.factories import TeamFactory

pytestmark = pytest.mark.django_db


def told() -> list[str]:
    """Who is paged by e-mail for an assignment, by name."""
    pages = Notification.objects.filter(reason="assignment", channel="email")
    return sorted(pages.values_list("user__name", flat=True))


def test_the_new_assignee_is_told_once(incident: Incident, alice: User, bob: User):
    reassign_incident(incident_id=incident.pk, actor=alice, assignee=bob)

    notify_assigned(now=timezone.now())
    notify_assigned(now=timezone.now())

    assert told() == ["Bob"]
    entry = TimelineEntry.objects.get(kind="reassigned")
    assert Notification.objects.filter(cause=f"assigned:{entry.pk}").count() == 2


def test_who_takes_an_incident_is_not_told(incident: Incident, bob: User):
    reassign_incident(incident_id=incident.pk, actor=bob, assignee=bob)

    notify_assigned(now=timezone.now())

    assert told() == []


def test_a_team_is_told_but_for_the_actor_and_who_wants_no_pages(
    incident: Incident, alice: User, bob: User, carol: User, eve: User
):
    team = TeamFactory(members=[alice, bob, carol, eve])
    TeamMember.objects.filter(user=carol).update(receives_pages=False)
    User.objects.filter(pk=eve.pk).update(status=User.Status.DISABLED)
    reassign_incident(incident_id=incident.pk, actor=alice, team=team)

    notify_assigned(now=timezone.now())

    assert told() == ["Bob"]


def test_only_the_assignment_that_holds_is_told(incident: Incident, alice: User, bob: User):
    reassign_incident(incident_id=incident.pk, actor=bob, assignee=alice)
    reassign_incident(incident_id=incident.pk, actor=alice, assignee=bob)

    notify_assigned(now=timezone.now())

    assert told() == ["Bob"]


def test_being_assigned_again_later_is_told_again(incident: Incident, alice: User, bob: User):
    for assignee in (bob, None, bob):
        reassign_incident(incident_id=incident.pk, actor=alice, assignee=assignee)
        notify_assigned(now=timezone.now())

    assert told() == ["Bob", "Bob"]


def test_an_assignment_is_told_also_when_workers_stood_and_not_after_a_day(
    incident: Incident, alice: User, bob: User
):
    reassign_incident(incident_id=incident.pk, actor=alice, assignee=bob)

    notify_assigned(now=timezone.now() + timedelta(hours=25))
    assert told() == []

    notify_assigned(now=timezone.now() + timedelta(hours=2))
    assert told() == ["Bob"]


def test_nobody_is_told_of_what_is_resolved(incident: Incident, alice: User, bob: User):
    reassign_incident(incident_id=incident.pk, actor=alice, assignee=bob)
    resolve_incidents(incident_ids=[incident.pk], actor=alice)

    notify_assigned(now=timezone.now())

    assert told() == []
