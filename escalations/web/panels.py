"""Fragments for pages of other apps, included by URL name."""

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from escalations import selectors
from escalations.plan import plan_of
from incidents.selectors import get_incident_for
from opsknight.models import User


@login_required
def on_call_panel(request: HttpRequest) -> HttpResponse:
    """Who is on call now, in every schedule."""
    duties = selectors.on_call_now(cast(User, request.user), now=timezone.now())
    return render(request, "escalations/on_call_panel.html", {"duties": duties})


@login_required
def plan_panel(request: HttpRequest, incident_id: int) -> HttpResponse:
    """What the escalation of an incident did and will do."""
    incident = get_incident_for(cast(User, request.user), incident_id)
    plan = plan_of(incident, now=timezone.now())
    context = {
        "incident": incident,
        "plan": plan,
        "policy_id": incident.paging_policy_id,
    }
    return render(request, "escalations/plan_panel.html", context)
