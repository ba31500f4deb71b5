"""Schedules as a list: those of a person first."""

from datetime import datetime

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, When
from django.utils import timezone

from escalations.models import (
    ImportedShift,
    LayerMember,
    Override,
    Schedule,
    SwapRequest,
    TemporaryShift,
)
from escalations.selectors.schedules import visible_schedules
from opsknight.models import TeamMember, User


def listed_schedules(user: User, *, only_mine: bool = False, text: str = "") -> QuerySet[Schedule]:
    """Visible schedules with `is_mine`: in which the person takes turns, or of one of their teams.

    Theirs come first. `text` is looked for in names and teams.
    """
    takes_turns = LayerMember.objects.filter(layer__schedule=OuterRef("pk"), user=user)
    of_team = Q(team__in=user.teams.order_by().values("pk"))
    # Not the bare condition: for a schedule without a team it would be NULL, which sorts first.
    mine = Case(When(Q(Exists(takes_turns)) | of_team, then=True), default=False)
    schedules = visible_schedules(user).annotate(is_mine=mine)
    if only_mine:
        schedules = schedules.filter(is_mine=True)
    if text:
        schedules = schedules.filter(Q(name__icontains=text) | Q(team__name__icontains=text))
    return schedules.order_by("-is_mine", "name", "pk")


def schedules_naming(user: User, *, since: datetime) -> QuerySet[Schedule]:
    """Visible schedules in which a person may be on call from `since` on; 1 query."""
    later = {"user": user, "ends_at__gt": since}
    takes_turns = LayerMember.objects.filter(layer__schedule=OuterRef("pk"), user=user)
    comes = Override.objects.filter(schedule=OuterRef("pk"), **later)
    stands_in = TemporaryShift.objects.filter(temporary__schedule=OuterRef("pk"), **later)
    imported = ImportedShift.objects.filter(layer__schedule=OuterRef("pk"), **later)
    named = Exists(takes_turns) | Exists(comes) | Exists(stands_in) | Exists(imported)
    return visible_schedules(user).filter(named)


def my_swaps(user: User, *, now: datetime) -> QuerySet[SwapRequest]:
    """The open requests of a person, by start."""
    return _open_swaps(now).filter(requester=user)


def open_swaps_for(user: User, *, now: datetime) -> QuerySet[SwapRequest]:
    """The open requests of others in the schedules in which a person takes turns; 1 query."""
    takes_turns = LayerMember.objects.filter(layer__schedule=OuterRef("schedule"), user=user)
    return _open_swaps(now).filter(Exists(takes_turns)).exclude(requester=user)


def may_take_swaps(user: User, schedule: Schedule) -> bool:
    """Who takes turns in the schedule or is named for a time to come, its team, and responders;
    2 queries. Standing in shows private incidents, so it is not for everybody."""
    if user.is_responder:
        return True
    if TeamMember.objects.filter(team=schedule.team_id, user=user).exists():
        return True
    return schedules_naming(user, since=timezone.now()).filter(pk=schedule.pk).exists()


def _open_swaps(now: datetime) -> QuerySet[SwapRequest]:
    requests = SwapRequest.objects.filter(state=SwapRequest.State.OPEN, ends_at__gt=now)
    return requests.select_related("schedule", "requester").order_by("starts_at", "pk")
