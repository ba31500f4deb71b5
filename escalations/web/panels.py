"""Fragments for pages of other apps, included by URL name."""

from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from escalations import selectors
from escalations.plan import plan_of
from incidents.models import Incident
from incidents.selectors import get_incident_for, may_act_on
from opsknight.models import User

SHOWN_SCHEDULES = 12  # on the dashboard; the rest is a link away
ESCALATING = (Incident.Status.TRIGGERED, Incident.Status.ACKNOWLEDGED)


@login_required
def on_call_panel(request: HttpRequest) -> HttpResponse:
    """Who is on call now, in the person's own schedules first."""
    schedules = list(selectors.listed_schedules(cast(User, request.user))[: SHOWN_SCHEDULES + 1])
    duties = selectors.on_call_in(schedules[:SHOWN_SCHEDULES], now=timezone.now())
    context = {
        "duties": duties,
        "has_more": len(schedules) > SHOWN_SCHEDULES,
        "holds_until": min((duty.until for duty in duties if duty.until), default=None),
    }
    return render(request, "escalations/on_call_panel.html", context)


@login_required
def plan_panel(request: HttpRequest, incident_id: int) -> HttpResponse:
    """What the escalation of an incident did and will do."""
    user = cast(User, request.user)
    context = plan_context(user, get_incident_for(user, incident_id))
    return render(request, "escalations/plan_panel.html", context)


def plan_context(user: User, incident: Incident) -> dict[str, Any]:
    """What `escalations/plan_panel.html` needs of an incident that this person may see."""
    plan = plan_of(incident, now=timezone.now())
    return {
        "incident": incident,
        "plan": plan,
        "policy_id": incident.paging_policy_id,
        "rounds_left": plan.rounds - plan.round,
        "may_escalate": bool(plan.steps)
        and incident.status in ESCALATING
        and may_act_on(user, incident),
    }
