"""What policies lose when people leave, named before it is too late."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from escalations.models import EscalationPolicy, PolicyStep
from escalations.selectors import steps_of
from opsknight.models import User


def policy_losses_without(users: Iterable[User], now: datetime) -> list[str]:
    """A sentence for each step that would name nobody else, and each final fallback; 4 queries.

    Asked by `opsknight.departures`.
    """
    absent = {user.pk for user in users}
    named = Q(steps__targets__user__in=absent)
    named |= Q(steps__targets__team__lead__in=absent, steps__targets__leads_only=True)
    policies = {p.pk: p for p in EscalationPolicy.objects.filter(named).distinct()}
    losses = []
    number: dict[int, int] = {}
    for step in steps_of(policies) if policies else []:
        number[step.policy_id] = number.get(step.policy_id, 0) + 1
        if _names_nobody_else(step, absent):
            policy = policies[step.policy_id]
            losses.append(f"Step {number[step.policy_id]} of the policy {policy} pages nobody else")
    with_fallback = EscalationPolicy.objects.filter(fallback_user__in=absent).order_by("name")
    names = with_fallback.values_list("name", flat=True)
    return losses + [f"The final fallback of the policy {name} is nobody else" for name in names]


def _names_nobody_else(step: PolicyStep, absent: set[int]) -> bool:
    targets = list(step.targets.all())
    return bool(targets) and all(
        target.user_id in absent
        or (target.leads_only and target.team is not None and target.team.lead_id in absent)
        for target in targets
    )
