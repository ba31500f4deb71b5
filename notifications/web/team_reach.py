"""Who of a team cannot be reached as they want: a panel of the team's page."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from incidents.models import Incident
from incidents.web.answers import signed_in
from notifications.models import ContactMethod
from notifications.selectors import lost_methods_of
from notifications.services.planning import PagePlan, load_reach
from notifications.web.my_paging import HEALTHS
from opsknight.models import Team, TeamMember, User
from opsknight.selectors import get_team_for


@dataclass(frozen=True)
class Worry:
    """Why one member may not be reached. Addresses are nobody else's business."""

    name: str
    lost: tuple[tuple[str, str, str, str], ...]  # kind of way; word, tone and icon of its health
    substitute: str  # who is paged instead; empty: nobody
    away_until: datetime | None
    is_unreached: bool  # nothing comes at once, even when it is urgent


@never_cache
@login_required
@require_safe
def team_reach(request: HttpRequest, pk: int) -> HttpResponse:
    """Members with a problem; for the team and for responders, empty for others."""
    user = signed_in(request)
    team = get_team_for(user, pk)
    worries = _worries_of(team, timezone.now()) if _may_know(user, team) else []
    return render(request, "notifications/team_reach.html", {"worries": worries})


def _may_know(user: User, team: Team) -> bool:
    is_member = TeamMember.objects.filter(team=team, user=user).exists()
    return user.is_responder or team.lead_id == user.pk or is_member


def _worries_of(team: Team, now: datetime) -> list[Worry]:
    """Five queries, whatever the size of the team."""
    members = team.members.filter(status=User.Status.ACTIVE).order_by("name", "pk")
    people = {user.pk: str(user) for user in members}
    lost, reach = lost_methods_of(people), load_reach(people, since=now)
    found = []
    for pk, name in people.items():
        plan = reach.plan_of(pk, urgency=Incident.Urgency.HIGH, at=now)
        if plan is not None and (lost.get(pk) or plan.absent_id or not plan.reaches):
            found.append(_worry(name, plan, lost.get(pk, [])))
    return found


def _worry(name: str, plan: PagePlan, lost: list[ContactMethod]) -> Worry:
    return Worry(
        name=name,
        lost=tuple((m.get_channel_display(), *HEALTHS[m.health]) for m in lost),
        substitute=plan.name if plan.absent_id else "",
        away_until=plan.absent_until,
        is_unreached=not plan.reaches,
    )


team_patterns: list[URLPattern] = [
    path("teams/<int:pk>/reach/", team_reach, name="team_reach"),
]
