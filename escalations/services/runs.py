"""The run of an incident: its plan copied from the policy, and where it stands in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from escalations.models import (
    EscalationPolicy,
    EscalationRun,
    PolicyStep,
    StepSnapshot,
    StepTarget,
    TargetSnapshot,
)
from escalations.selectors import steps_of
from incidents.models import Incident

_MOVE_RUNS = """
UPDATE escalations_escalationrun AS run
SET next_step = moved.next_step, round = moved.round, state = moved.state,
    next_at = moved.next_at, has_paged = moved.has_paged
FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::text[], %s::timestamptz[], %s::bool[])
    AS moved (id, next_step, round, state, next_at, has_paged)
WHERE run.id = moved.id
"""
# Everything but the incident: a run that starts anew replaces the one before.
_ALL_FIELDS = [
    field.name
    for field in EscalationRun._meta.concrete_fields
    if field.name not in ("id", "incident")
]


@dataclass(frozen=True)
class DueRun:
    """The run of a claimed incident, and the instant at which its step was to be taken."""

    incident: Incident
    run: EscalationRun
    due_at: datetime
    is_new: bool  # not yet in the database in this form

    @property
    def step(self) -> StepSnapshot | None:
        """The step to take; None: the run has none. IndexError: the run points past its end."""
        return self.run.steps[self.run.next_step] if self.run.steps else None


def load_runs(*, incidents: Sequence[Incident], now: datetime) -> list[DueRun]:
    """Return the run of each incident, started where it must start (saved by `save_runs`).

    It starts, in the next generation if there was one, when the timer shows another instant than
    the engine set: somebody set it, because the incident was opened, un-acknowledged or reopened.
    It starts as well when the service was moved to another policy, unless a route had chosen the
    incident's; where the policy was taken away or deleted, the copy goes on. The first step's delay
    counts from the timer, so an outage does not add to it. Callers hold the incidents' locks. 1
    query, and 3 when one starts.
    """
    runs = {r.incident_id: r for r in EscalationRun.objects.filter(incident__in=incidents)}
    starting = [i for i in incidents if _must_start(i, runs.get(i.pk))]
    policies = _load_policies(
        {policy_id for i in starting if (policy_id := i.paging_policy_id) is not None}
    )
    due = []
    for incident in incidents:
        old = runs.get(incident.pk)
        timer = incident.escalate_at or now
        if old is not None and incident not in starting:
            due.append(DueRun(incident, old, due_at=timer, is_new=False))
            continue
        run = _start_run(incident, old, policies, now)
        delay = run.steps[0]["delay_minutes"] if run.steps else 0
        due.append(DueRun(incident, run, timer + timedelta(minutes=delay), is_new=True))
    return due


def _must_start(incident: Incident, run: EscalationRun | None) -> bool:
    if run is None or run.next_at != incident.escalate_at:
        return True
    policy_id = incident.paging_policy_id
    return policy_id is not None and policy_id != run.policy_id


def _start_run(
    incident: Incident,
    old: EscalationRun | None,
    policies: Mapping[int, tuple[EscalationPolicy, list[StepSnapshot]]],
    now: datetime,
) -> EscalationRun:
    generation = old.generation + 1 if old else 0
    run = EscalationRun(incident=incident, generation=generation, started_at=now)
    policy_id = incident.paging_policy_id
    if policy_id is None:
        run.state = EscalationRun.State.NO_POLICY
        return run
    run.policy, run.steps = policies[policy_id]
    run.policy_name = run.policy.name
    run.repeat_times = run.policy.repeat_times
    run.repeat_after_minutes = run.policy.repeat_after_minutes
    return run


def _load_policies(
    policy_ids: Iterable[int],
) -> dict[int, tuple[EscalationPolicy, list[StepSnapshot]]]:
    policies = EscalationPolicy.objects.in_bulk(list(policy_ids))
    if not policies:
        return {}
    steps: dict[int, list[StepSnapshot]] = {policy_id: [] for policy_id in policies}
    for step in steps_of(policies):
        steps[step.policy_id].append(snapshot_of(step))
    return {policy_id: (policy, steps[policy_id]) for policy_id, policy in policies.items()}


def snapshot_of(step: PolicyStep) -> StepSnapshot:
    """A step as a run keeps it; `step` as `selectors.steps_of` gives it."""
    targets = [_snapshot_of_target(target) for target in step.targets.all()]
    return {"delay_minutes": step.delay_minutes, "targets": targets}


def _snapshot_of_target(target: StepTarget) -> TargetSnapshot:
    if target.user is not None:
        return {"kind": "user", "id": target.user.pk, "label": str(target.user)}
    if target.team is not None:
        return {"kind": "team", "id": target.team.pk, "label": str(target.team)}
    assert target.schedule is not None  # noqa: S101 — step_target_exactly_one
    return {"kind": "schedule", "id": target.schedule.pk, "label": str(target.schedule)}


def move_on(run: EscalationRun, *, has_paged_now: bool, now: datetime) -> None:
    """Move the run past the step it stands at, and set the instant of the next one.

    A step that paged nobody is followed at once. After the last step the wait of the policy
    applies in any case, so a policy that reaches nobody cannot spin.
    """
    run.has_paged = run.has_paged or has_paged_now
    if run.state == EscalationRun.State.NO_POLICY:
        run.next_at = None
    elif run.next_step + 1 < len(run.steps):
        run.next_step += 1
        delay = run.steps[run.next_step]["delay_minutes"] if has_paged_now else 0
        run.next_at = now + timedelta(minutes=delay)
    elif run.steps and run.round < run.repeat_times:
        run.next_step = 0
        run.round += 1
        run.next_at = now + timedelta(minutes=run.repeat_after_minutes)
    else:
        run.state = EscalationRun.State.EXHAUSTED
        run.next_at = None


def save_runs(*, due: Sequence[DueRun]) -> None:
    """Save where the runs stand; at most 2 statements."""
    fresh = [d.run for d in due if d.is_new]
    moved = [d.run for d in due if not d.is_new]
    if fresh:
        EscalationRun.objects.bulk_create(
            fresh, update_conflicts=True, unique_fields=["incident"], update_fields=_ALL_FIELDS
        )
    if moved:
        columns = ("pk", "next_step", "round", "state", "next_at", "has_paged")
        with connection.cursor() as cursor:
            cursor.execute(_MOVE_RUNS, [[getattr(r, name) for r in moved] for name in columns])
