"""Escalation policies: what a person may see and change, and what uses them."""

from collections.abc import Iterable

from django.db.models import Count, Prefetch, QuerySet

from escalations.models import EscalationPolicy, PolicyStep, Schedule, StepTarget
from incidents.models import Incident, Route, Service
from opsknight.errors import NotAllowed, NotFound
from opsknight.models import User


def visible_policies(user: User) -> QuerySet[EscalationPolicy]:
    """Everybody who is signed in may see who would be paged."""
    policies = EscalationPolicy.objects.select_related("fallback_user", "fallback_team", "saved_by")
    return policies if user.is_active else policies.none()


def counted_policies(user: User, *, text: str = "") -> QuerySet[EscalationPolicy]:
    """Visible policies with `service_count`, by name; `text` is looked for in it. 1 query."""
    policies = (
        visible_policies(user).filter(name__icontains=text) if text else (visible_policies(user))
    )
    return policies.annotate(service_count=Count("services")).order_by("name", "pk")


def get_policy_for(user: User, pk: int) -> EscalationPolicy:
    """One policy; raises NotFound."""
    policy = visible_policies(user).filter(pk=pk).first()
    if policy is None:
        raise NotFound(f"There is no escalation policy {pk}.")
    return policy


def may_change_policies(user: User) -> bool:
    """Administrators only."""
    return user.is_admin


def get_policy_to_change_for(user: User, pk: int) -> EscalationPolicy:
    """One policy to edit; raises NotFound or NotAllowed."""
    policy = get_policy_for(user, pk)
    if not may_change_policies(user):
        raise NotAllowed(f"Only administrators may change {policy.name}.")
    return policy


def steps_of(policy_ids: Iterable[int]) -> QuerySet[PolicyStep]:
    """The steps of many policies in order, with their targets; 2 queries."""
    return (
        PolicyStep.objects.filter(policy_id__in=list(policy_ids))
        .prefetch_related(_targets())
        .order_by("policy_id", "position", "id")
    )


def policies_with_steps(user: User) -> QuerySet[EscalationPolicy]:
    """Visible policies with steps and targets, for the API; 3 queries."""
    steps = PolicyStep.objects.order_by("position", "id").prefetch_related(_targets())
    return visible_policies(user).prefetch_related(Prefetch("steps", steps))


def _targets() -> "Prefetch[str]":
    """Without the secrets of destinations: a lost key must not keep the engine from paging."""
    targets = StepTarget.objects.select_related("user", "team", "schedule", "destination")
    return Prefetch("targets", targets.defer("destination__secret").order_by("id"))


def policies_paging(schedule: Schedule) -> QuerySet[EscalationPolicy]:
    """The policies that name a schedule."""
    return EscalationPolicy.objects.filter(steps__targets__schedule=schedule).distinct()


def names_of_policies_paging(schedule: Schedule, *, limit: int = 5) -> list[str]:
    """The policies because of which a schedule cannot be deleted."""
    return list(policies_paging(schedule).values_list("name", flat=True)[:limit])


def uses_of_policy(policy: EscalationPolicy, *, limit: int = 5) -> list[str]:
    """What escalates by a policy, because of which it cannot be deleted."""
    names = Service.objects.filter(escalation_policy=policy).values_list("name", flat=True)
    routed = Incident.objects.filter(escalation_policy=policy)
    still_open = routed.exclude(status=Incident.Status.RESOLVED).values_list("pk", flat=True)
    return [
        *[f"the service {name}" for name in names[:limit]],
        *[describe_route(route) for route in routes_using(policy)[:limit]],
        *[f"the open incident #{pk}" for pk in still_open[:limit]],
    ]


def routes_using(policy: EscalationPolicy) -> QuerySet[Route]:
    """The routes of integrations that choose a policy."""
    return (
        Route.objects.filter(escalation_policy=policy)
        .select_related("integration__service")
        .order_by("integration__service__name", "integration__name", "position")
    )


def describe_route(route: Route) -> str:
    """Which route it is, for people."""
    integration = route.integration
    return f"the route “{route.name}” of {integration.name} ({integration.service.name})"
