"""The dashboard: what needs somebody now, and who is on call."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from incidents import selectors
from incidents.filters import IncidentFilter, start_of_today
from incidents.models import Incident
from incidents.web.answers import signed_in
from incidents.web.first_steps import first_steps
from opsknight.models import User

SHOWN = 50


@dataclass(frozen=True)
class Counter:
    """One figure and the list behind it."""

    label: str
    value: int
    tone: str
    url: str


@login_required
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """Counters, open incidents, who is on call; on a new installation what to do first."""
    user = signed_in(request)
    context = {
        "counters": counters_for(user),
        "incidents": selectors.open_incidents(user)[:SHOWN],
        "shown": SHOWN,
        "open_statuses": " ".join(Incident.OPEN),
        "steps": first_steps(user),
        "may_open": user.is_responder,
    }
    return render(request, "incidents/dashboard.html", context)


@login_required
@require_safe
def counters(request: HttpRequest) -> HttpResponse:
    """The counters alone, for the page that stays open."""
    return render(
        request, "incidents/counters.html", {"counters": counters_for(signed_in(request))}
    )


def counters_for(user: User) -> list[Counter]:
    """What this person can see, counted; one query over open and today's incidents."""
    status = Incident.Status
    is_open = ~Q(status=status.RESOLVED)
    seen = selectors.visible_incidents(user).filter(is_open | Q(resolved_at__gte=start_of_today()))
    found = seen.order_by().aggregate(
        triggered=Count("pk", filter=Q(status=status.TRIGGERED)),
        acknowledged=Count("pk", filter=Q(status=status.ACKNOWLEDGED)),
        mine=Count("pk", filter=is_open & Q(assignee=user)),
        unassigned=Count("pk", filter=is_open & Q(assignee=None, team=None)),
        resolved=Count("pk", filter=Q(status=status.RESOLVED)),
    )
    return [
        Counter("Triggered", found["triggered"], "triggered", _list(tab="triggered")),
        Counter("Acknowledged", found["acknowledged"], "acknowledged", _list(tab="acknowledged")),
        Counter("Assigned to me", found["mine"], "neutral", _list(assignee="me")),
        Counter("Unassigned", found["unassigned"], "neutral", _list(assignee="none")),
        Counter(
            "Resolved today", found["resolved"], "resolved", _list(tab="resolved", resolved="today")
        ),
    ]


def _list(*, tab: str = "open", assignee: str = "", resolved: str = "") -> str:
    query = IncidentFilter(tab=tab, assignee=assignee, resolved=resolved).query()
    return f"{reverse('incidents:list')}?{query}" if query else reverse("incidents:list")
