"""Tells people what was assigned to them."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import CharField, Exists, OuterRef, QuerySet, Value
from django.db.models.functions import Cast, Concat

from incidents.models import Incident, TimelineEntry
from notifications.models import Notification
from notifications.services.outbox import PageRequest, queue_pages
from opsknight.models import TeamMember, User

# Assignments older than this are no news any more. Longer than anybody lets workers stand.
HORIZON = timedelta(days=1)


def notify_assigned(*, now: datetime) -> int:
    """Queue pages for assignments nobody was told of yet; returns how many people are told.

    Only for the assignment that still holds, and not to whoever made it.
    """
    with transaction.atomic():
        entries = list(_untold_entries(now))
        requests = _requests(entries)
        queue_pages(requests=requests, now=now)
    return len(requests)


def _untold_entries(now: datetime) -> QuerySet[TimelineEntry]:
    cause = Concat(Value("assigned:"), Cast(OuterRef("pk"), CharField()))
    told = Notification.objects.filter(incident_id=OuterRef("incident_id"), cause=cause)
    return (
        TimelineEntry.objects.filter(
            ~Exists(told), kind=TimelineEntry.Kind.REASSIGNED, at__gte=now - HORIZON
        )
        .exclude(incident__status=Incident.Status.RESOLVED)
        .select_related("incident")
    )


def _requests(entries: list[TimelineEntry]) -> list[PageRequest]:
    holding = [e for e in entries if _still_holds(e)]
    team_ids = {e.incident.team_id for e in holding if e.incident.team_id}
    members = TeamMember.objects.filter(
        team_id__in=team_ids, receives_pages=True, user__status=User.Status.ACTIVE
    )
    people: dict[int, list[int]] = {}
    for team_id, user_id in members.values_list("team_id", "user_id") if team_ids else []:
        people.setdefault(team_id, []).append(user_id)
    return [
        PageRequest(
            entry.incident_id, user_id, Notification.Reason.ASSIGNMENT, f"assigned:{entry.pk}"
        )
        for entry in holding
        for user_id in [entry.incident.assignee_id, *people.get(entry.incident.team_id or 0, [])]
        if user_id is not None and user_id != entry.actor_id
    ]


def _still_holds(entry: TimelineEntry) -> bool:
    """The entry names who has the incident now, and that is somebody."""
    who = (entry.data.get("assignee"), entry.data.get("team"))
    return who != (None, None) and who == (entry.incident.assignee_id, entry.incident.team_id)
