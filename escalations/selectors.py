"""What a person may see and change here, and who is on call: query shapes only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from zoneinfo import ZoneInfoNotFoundError

from django.db.models import Count, Prefetch, QuerySet
from django.utils import timezone

from escalations.models import (
    EscalationPolicy,
    LayerMember,
    PolicyStep,
    Schedule,
    ScheduleLayer,
    StepTarget,
)
from escalations.oncall import (
    Layer,
    Rotation,
    RotationKind,
    ScheduleSpec,
    next_change,
    on_call_at,
)
from incidents.models import Incident, Route, Service
from opsknight.errors import NotAllowed, NotFound
from opsknight.models import User

# What oncall raises for a schedule that cannot be calculated: an unknown zone, an absurd date.
UNREADABLE = (ValueError, OverflowError, ZoneInfoNotFoundError)

KINDS: dict[str, RotationKind] = {
    ScheduleLayer.Rotation.HOURLY: "hourly",
    ScheduleLayer.Rotation.DAILY: "daily",
    ScheduleLayer.Rotation.WEEKLY: "weekly",
    ScheduleLayer.Rotation.MONTHLY: "monthly",
}


@dataclass(frozen=True)
class OnCall:
    """Who is on call in one schedule at one moment."""

    schedule: Schedule
    person: User | None  # None: nobody
    until: datetime | None  # the handoff to somebody else; None: there is none
    next_person: User | None  # who takes over then; None: nobody, or no handoff


# Schedules


def visible_schedules(user: User) -> QuerySet[Schedule]:
    """Everybody who is signed in may see who is on call."""
    schedules = Schedule.objects.select_related("team")
    return schedules if user.is_active else schedules.none()


def get_schedule_for(user: User, pk: int) -> Schedule:
    """One schedule; raises NotFound."""
    schedule = visible_schedules(user).filter(pk=pk).first()
    if schedule is None:
        raise NotFound(f"There is no schedule {pk}.")
    return schedule


def may_change_schedules(user: User) -> bool:
    """Responders and administrators."""
    return user.is_responder


def get_schedule_to_change_for(user: User, pk: int) -> Schedule:
    """One schedule to edit; raises NotFound or NotAllowed."""
    schedule = get_schedule_for(user, pk)
    if not may_change_schedules(user):
        raise NotAllowed(f"Only responders may change {schedule.name}.")
    return schedule


def layers_of(schedule_ids: Iterable[int]) -> QuerySet[ScheduleLayer]:
    """The layers of many schedules in their order, members with their users; 2 queries."""
    members = LayerMember.objects.select_related("user").order_by("position", "id")
    return (
        ScheduleLayer.objects.filter(schedule_id__in=list(schedule_ids))
        .prefetch_related(Prefetch("members", members))
        .order_by("schedule_id", "position", "id")
    )


def schedules_with_layers(user: User) -> QuerySet[Schedule]:
    """Visible schedules with layers and members, for the API; 3 queries."""
    members = LayerMember.objects.order_by("position", "id")
    layers = ScheduleLayer.objects.order_by("position", "id")
    layers = layers.prefetch_related(Prefetch("members", members))
    return visible_schedules(user).prefetch_related(Prefetch("layers", layers))


def spec_of(schedule: Schedule, layers: Iterable[ScheduleLayer]) -> ScheduleSpec:
    """One schedule as data for `oncall`; `layers` as `layers_of` gives them.

    Raises one of UNREADABLE when a date or length is absurd.
    """
    return ScheduleSpec(zone=schedule.time_zone, layers=tuple(_layer(layer) for layer in layers))


def _layer(layer: ScheduleLayer) -> Layer:
    rotation = Rotation(
        kind=KINDS[layer.rotation],
        length=layer.rotation_length,
        starts_at=layer.starts_at,
    )
    turns = tuple((user_id,) for user_id in _takers(list(layer.members.all())))
    return Layer(layer.name, rotation, turns, ends_at=layer.ends_at, rank=layer.position)


def _takers(members: Sequence[LayerMember]) -> tuple[int, ...]:
    """Who takes each turn: a place whose person is gone or not active falls to the next one.

    So nobody else's turn moves when a person leaves, and a rotation with one active person left
    always has somebody on call.
    """
    present = [m.user_id if m.user and m.user.is_active else None for m in members]
    if not any(present):
        return ()
    return tuple(
        next(user_id for user_id in chain(present[i:], present[:i]) if user_id is not None)
        for i in range(len(present))
    )


def users_in(layers: Iterable[ScheduleLayer]) -> dict[int, User]:
    """The people of prefetched layers, by id; no query."""
    return {m.user.pk: m.user for layer in layers for m in layer.members.all() if m.user}


def on_call_now(user: User, *, now: datetime | None = None) -> list[OnCall]:
    """Who is on call in every schedule this person may see, and who is next; 3 queries."""
    return on_call_in(list(visible_schedules(user)), now=now or timezone.now())


def on_call_in(schedules: Sequence[Schedule], *, now: datetime) -> list[OnCall]:
    """Who is on call in these schedules at `now`, and who is next; 2 queries."""
    by_schedule: dict[int, list[ScheduleLayer]] = {schedule.pk: [] for schedule in schedules}
    for layer in layers_of(by_schedule):
        by_schedule[layer.schedule_id].append(layer)
    return [_on_call(schedule, by_schedule[schedule.pk], now) for schedule in schedules]


def _on_call(schedule: Schedule, layers: list[ScheduleLayer], now: datetime) -> OnCall:
    people = users_in(layers)
    try:
        spec = spec_of(schedule, layers)
        ids = on_call_at(spec, now)
        until = next_change(spec, now)
        next_ids = on_call_at(spec, until) if until else ()
    except UNREADABLE:
        return OnCall(schedule, None, None, None)
    return OnCall(
        schedule=schedule,
        person=people.get(ids[0]) if ids else None,
        until=until,
        next_person=people.get(next_ids[0]) if next_ids else None,
    )


# Policies


def visible_policies(user: User) -> QuerySet[EscalationPolicy]:
    """Everybody who is signed in may see who would be paged."""
    policies = EscalationPolicy.objects.all()
    return policies if user.is_active else policies.none()


def counted_policies(user: User) -> QuerySet[EscalationPolicy]:
    """Visible policies with `step_count` and `service_count`, for a list; 1 query."""
    return visible_policies(user).annotate(
        step_count=Count("steps", distinct=True), service_count=Count("services", distinct=True)
    )


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
    targets = StepTarget.objects.select_related("user", "team", "schedule").order_by("id")
    return (
        PolicyStep.objects.filter(policy_id__in=list(policy_ids))
        .prefetch_related(Prefetch("targets", targets))
        .order_by("policy_id", "position", "id")
    )


def policies_with_steps(user: User) -> QuerySet[EscalationPolicy]:
    """Visible policies with steps and targets, for the API; 3 queries."""
    targets = StepTarget.objects.select_related("user", "team", "schedule").order_by("id")
    steps = PolicyStep.objects.order_by("position", "id")
    steps = steps.prefetch_related(Prefetch("targets", targets))
    return visible_policies(user).prefetch_related(Prefetch("steps", steps))


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
