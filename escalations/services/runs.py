"""The run of an incident: its plan copied from the policy, and where it stands in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import prefetch_related_objects
from psycopg.types.json import Json

from escalations.models import (
    EscalationPolicy,
    EscalationRun,
    PolicyStep,
    StepSnapshot,
    TargetSnapshot,
)
from escalations.snapshots import fallback_snapshot_of, is_for, snapshot_with
from incidents.models import Incident
from opsknight.rows import fetch_rows

Stage = EscalationRun.Stage
State = EscalationRun.State
LOOK_AGAIN = timedelta(minutes=1)  # at the condition of a step that holds

_MOVED = (
    ("id", "bigint"),
    ("next_step", "int"),
    ("round", "int"),
    ("state", "text"),
    ("stage", "text"),
    ("next_at", "timestamptz"),
    ("held_since", "timestamptz"),
    ("is_by_hand", "bool"),
    ("has_paged", "bool"),
    ("has_fallen_back", "bool"),
    ("last_cause", "text"),
    ("turns", "jsonb"),
)
_MOVE_RUNS = f"""
UPDATE escalations_escalationrun AS run
SET {", ".join(f"{name} = moved.{name}" for name, _ in _MOVED[1:])}
FROM unnest({", ".join(f"%s::{kind}[]" for _, kind in _MOVED)})
    AS moved ({", ".join(name for name, _ in _MOVED)})
WHERE run.id = moved.id
"""  # noqa: S608 - put together from constants
_RUNS = "SELECT * FROM escalations_escalationrun WHERE incident_id = ANY(%s)"
_POLICIES = "SELECT * FROM escalations_escalationpolicy WHERE id = ANY(%s)"
_STEPS = """
SELECT * FROM escalations_policystep WHERE policy_id = ANY(%s) ORDER BY policy_id, position, id
"""
# As `snapshots.snapshot_of_target` tells them.
_TARGETS = """
SELECT t.step_id,
    CASE WHEN t.user_id IS NOT NULL THEN 'user' WHEN t.leads_only THEN 'team_leads'
        WHEN t.team_id IS NOT NULL THEN 'team' WHEN t.schedule_id IS NOT NULL THEN 'schedule'
        ELSE 'destination' END,
    COALESCE(t.user_id, t.team_id, t.schedule_id, t.destination_id),
    COALESCE(NULLIF(u.name, ''), u.email, team.name, schedule.name, destination.name)
FROM escalations_policystep step
JOIN escalations_steptarget t ON t.step_id = step.id
LEFT JOIN opsknight_user u ON u.id = t.user_id
LEFT JOIN opsknight_team team ON team.id = t.team_id
LEFT JOIN escalations_schedule schedule ON schedule.id = t.schedule_id
LEFT JOIN notifications_destination destination ON destination.id = t.destination_id
WHERE step.policy_id = ANY(%s)
ORDER BY t.id
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

    @property
    def is_last_of_round(self) -> bool:
        """No step of the round follows."""
        after = self.run.next_step + 1
        return next_step(self.run.steps, self.incident.urgency, at_least=after) is None

    @property
    def is_first_step(self) -> bool:
        """A round begins with it."""
        return self.run.next_step == first_step(self.run.steps, self.incident.urgency)


def load_runs(*, incidents: Sequence[Incident], now: datetime) -> list[DueRun]:
    """Return the run of each incident, started where it must start (saved by `save_runs`).

    It starts, in the next generation if there was one, when the timer shows another instant than
    the engine set: somebody set it, because the incident was opened, un-acknowledged or reopened.
    It starts as well when the service was moved to another policy, unless a route had chosen the
    incident's; where the policy was taken away or deleted, the copy goes on. The first step's delay
    counts from the timer, so an outage does not add to it. Callers hold the incidents' locks. 1
    query, and 3 to 5 more when one starts.
    """
    ids = [incident.pk for incident in incidents]
    runs = {run.incident_id: run for run in EscalationRun.objects.raw(_RUNS, [ids])}
    starting = {i.pk for i in incidents if _must_start(i, runs.get(i.pk))}
    fresh = start_runs(incidents=[i for i in incidents if i.pk in starting], before=runs, now=now)
    due = []
    for incident in incidents:
        timer = incident.escalate_at or now
        if incident.pk not in starting:
            due.append(DueRun(incident, runs[incident.pk], due_at=timer, is_new=False))
            continue
        run = fresh[incident.pk]
        delay = run.steps[run.next_step]["delay_minutes"] if run.steps else 0
        due.append(DueRun(incident, run, timer + timedelta(minutes=delay), is_new=True))
    return due


def _must_start(incident: Incident, run: EscalationRun | None) -> bool:
    if run is None or run.next_at != incident.escalate_at:
        return True
    return is_of_another_policy(incident, run)


def is_of_another_policy(incident: Incident, run: EscalationRun) -> bool:
    """The incident pages by another policy than its run copied; none at all does not count."""
    policy_id = incident.paging_policy_id
    return policy_id is not None and policy_id != run.policy_id


def start_runs(
    *, incidents: Sequence[Incident], before: Mapping[int, EscalationRun], now: datetime
) -> dict[int, EscalationRun]:
    """Fresh runs by incident, unsaved, each a generation after the one `before`; 3 queries, up to
    two more for final fallbacks."""
    policies = _load_policies(
        {policy_id for i in incidents if (policy_id := i.paging_policy_id) is not None}
    )
    return {i.pk: _start_run(i, before.get(i.pk), policies, now) for i in incidents}


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
        run.state = State.NO_POLICY
        return run
    policy, steps = policies[policy_id]
    fill_run(run, policy, steps)
    run.next_step = first_step(steps, incident.urgency) or 0
    return run


def fill_run(run: EscalationRun, policy: EscalationPolicy, steps: Sequence[StepSnapshot]) -> None:
    """Copy the policy into the run; `policy` with its fallback read."""
    run.policy, run.policy_name, run.steps = policy, policy.name, list(steps)
    run.repeat_times = policy.repeat_times
    run.repeat_after_minutes = policy.repeat_after_minutes
    run.fallback = fallback_snapshot_of(policy)
    run.ack_timeout_minutes = policy.ack_timeout_minutes
    run.resolve_after_minutes = policy.resolve_after_minutes
    run.is_multi_ack = policy.is_multi_ack
    run.time_zone = policy.time_zone


def _load_policies(
    policy_ids: Iterable[int],
) -> dict[int, tuple[EscalationPolicy, list[StepSnapshot]]]:
    ids = list(policy_ids)
    if not ids:
        return {}
    found = EscalationPolicy.objects.raw(_POLICIES, [ids])
    policies = {policy.pk: policy for policy in found}
    with_user = [policy for policy in policies.values() if policy.fallback_user_id is not None]
    prefetch_related_objects(with_user, "fallback_user")
    with_team = [policy for policy in policies.values() if policy.fallback_team_id is not None]
    prefetch_related_objects(with_team, "fallback_team")
    targets: dict[int, list[TargetSnapshot]] = {}
    for step_id, kind, target_id, label in fetch_rows(_TARGETS, [ids]):
        targets.setdefault(step_id, []).append({"kind": kind, "id": target_id, "label": label})
    steps: dict[int, list[StepSnapshot]] = {policy_id: [] for policy_id in policies}
    for step in PolicyStep.objects.raw(_STEPS, [ids]):
        steps[step.policy_id].append(snapshot_with(step, targets.get(step.pk, [])))
    return {policy_id: (policy, steps[policy_id]) for policy_id, policy in policies.items()}


def first_step(steps: Sequence[StepSnapshot], urgency: str) -> int | None:
    """The index of the step a round begins with; None: no step is for this urgency."""
    return next_step(steps, urgency, at_least=0)


def next_step(steps: Sequence[StepSnapshot], urgency: str, *, at_least: int) -> int | None:
    """The index of the next step for incidents of this urgency, from `at_least` on."""
    for index in range(at_least, len(steps)):
        if is_for(steps[index], urgency):
            return index
    return None


# Moving on


def move_on(run: EscalationRun, *, urgency: str, has_paged_now: bool, now: datetime) -> None:
    """Move the run past the step it stands at, and set the instant of the next one.

    A step that paged nobody is followed at once. After the last step of a round the wait of the
    policy applies in any case, so a policy that reaches nobody cannot spin.
    """
    run.has_paged = run.has_paged or has_paged_now
    run.held_since, run.is_by_hand = None, False
    following = next_step(run.steps, urgency, at_least=run.next_step + 1)
    if run.state == State.NO_POLICY:
        run.next_at = None
    elif following is not None:
        run.next_step = following
        delay = run.steps[following]["delay_minutes"] if has_paged_now else 0
        run.next_at = now + timedelta(minutes=delay)
    elif run.steps and run.round < run.repeat_times:
        run.next_step = first_step(run.steps, urgency) or 0
        run.round += 1
        run.next_at = now + timedelta(minutes=run.repeat_after_minutes)
    elif run.fallback is not None and run.has_paged:
        run.stage = Stage.FALLBACK
        wait = run.repeat_after_minutes if has_paged_now else 0
        run.next_at = now + timedelta(minutes=wait)
    else:
        finish_steps(run, now=now)


def finish_steps(run: EscalationRun, *, now: datetime) -> None:
    """Nobody is left to page: resolve later, where the policy says so, or end."""
    if run.steps and run.resolve_after_minutes is not None:
        run.stage = Stage.RESOLVE
        run.next_at = now + timedelta(minutes=run.resolve_after_minutes)
        return
    end_run(run)


def end_run(run: EscalationRun) -> None:
    """Nothing will happen any more."""
    run.state = State.EXHAUSTED
    run.next_at = None


def hold(run: EscalationRun, *, now: datetime) -> bool:
    """Look at the condition of the next step again later; True where it is news."""
    run.next_at = now + LOOK_AGAIN
    is_news = run.held_since is None
    run.held_since = run.held_since or now
    return is_news


def save_runs(*, due: Sequence[DueRun]) -> None:
    """Save where the runs stand; at most 2 statements."""
    fresh = [d.run for d in due if d.is_new]
    moved = [d.run for d in due if not d.is_new]
    if fresh:
        EscalationRun.objects.bulk_create(
            fresh, update_conflicts=True, unique_fields=["incident"], update_fields=_ALL_FIELDS
        )
    if moved:
        names = [name for name, kind in _MOVED if kind != "jsonb"]
        columns = [[getattr(run, name) for run in moved] for name in names]
        columns.append([Json(run.turns) for run in moved])
        with connection.cursor() as cursor:
            cursor.execute(_MOVE_RUNS, columns)
