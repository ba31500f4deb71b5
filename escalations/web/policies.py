"""Pages of escalation policies: who is paged, in which order."""

from dataclasses import dataclass
from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from escalations import selectors
from escalations.models import PolicyStep, StepTarget
from escalations.web.phrases import wait_phrase
from opsknight.models import User


@dataclass(frozen=True)
class StepView:
    """One step, numbered as the timeline numbers it, whatever its position in the database."""

    number: int
    wait: str
    targets: list[StepTarget]


@login_required
def policies(request: HttpRequest) -> HttpResponse:
    """All policies, with how many services use them."""
    user = cast(User, request.user)
    context = {
        "policies": selectors.counted_policies(user),
        "may_change": selectors.may_change_policies(user),
    }
    return render(request, "escalations/policies.html", context)


@login_required
def policy(request: HttpRequest, pk: int) -> HttpResponse:
    """One policy: its steps with their waits, and the services and routes that use it."""
    user = cast(User, request.user)
    shown = selectors.get_policy_for(user, pk)
    steps = [
        _step_view(number, step) for number, step in enumerate(selectors.steps_of([shown.pk]), 1)
    ]
    context = {
        "policy": shown,
        "steps": steps,
        "services": shown.services.select_related("team"),
        "routes": [selectors.describe_route(route) for route in selectors.routes_using(shown)],
        "may_change": selectors.may_change_policies(user),
    }
    return render(request, "escalations/policy.html", context)


def _step_view(number: int, step: PolicyStep) -> StepView:
    wait = wait_phrase(step.delay_minutes, is_first=number == 1)
    return StepView(number, wait, list(step.targets.all()))
