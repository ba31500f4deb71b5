"""What the escalation of an incident did and will do, for people to read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from escalations.models import EscalationRun, Schedule, ScheduleLayer, StepSnapshot, TargetSnapshot
from escalations.oncall import on_call_at
from escalations.selectors import UNREADABLE, layers_of, spec_of, steps_of, users_in
from escalations.services.runs import snapshot_of
from incidents.models import Incident, TimelineEntry

Kind = TimelineEntry.Kind
HISTORY_KINDS = (Kind.ESCALATED, Kind.NOBODY_TO_PAGE, Kind.ESCALATION_ENDED)


class Phase(StrEnum):
    """Where the escalation as a whole stands."""

    RUNNING = "running"  # a step will follow
    STOPPED = "stopped"  # somebody took it, or it is over
    ENDED = "ended"  # nobody did, and no step is left
    NO_POLICY = "no_policy"


@dataclass(frozen=True)
class PlannedStep:
    """One step of the present round."""

    number: int  # from 1
    delay_minutes: int
    targets: tuple[str, ...]  # "Bob", "team Payments", "Primary (Carol)"
    taken: TimelineEntry | None  # what it did
    at: datetime | None  # when it is due; None: taken, or not to be
    is_next: bool


@dataclass(frozen=True)
class Plan:
    """The escalation of one incident."""

    phase: Phase
    policy_name: str  # empty: none
    steps: tuple[PlannedStep, ...]
    round: int  # from 1
    rounds: int
    repeat_after_minutes: int
    next_at: datetime | None
    other: tuple[TimelineEntry, ...]  # what happened beside the steps: fallbacks, failures, the end


def plan_of(incident: Incident, *, now: datetime) -> Plan:
    """The plan of an incident that the caller may show; at most 7 queries.

    Before the engine has looked at it, the plan of its service's policy as it is now.
    """
    run = EscalationRun.objects.filter(incident=incident).first()
    if run is None or _starts_anew(incident, run):
        run = _expected_run(incident, run)
    history = [] if run.pk is None else _history_of(run)
    phase = _phase_of(incident, run)
    next_at = incident.escalate_at if phase is Phase.RUNNING else None
    due = _due_instants(run, next_at)
    return Plan(
        phase=phase,
        policy_name=run.policy_name,
        steps=_planned_steps(run, history, due, now),
        round=run.round + 1,
        rounds=run.repeat_times + 1,
        repeat_after_minutes=run.repeat_after_minutes,
        next_at=next_at,
        other=tuple(entry for entry in history if "step" not in entry.data),
    )


def _starts_anew(incident: Incident, run: EscalationRun) -> bool:
    return incident.escalate_at is not None and incident.escalate_at != run.next_at


def _expected_run(incident: Incident, old: EscalationRun | None) -> EscalationRun:
    """The run that the engine's next pass would start; never saved."""
    policy = incident.escalation_policy or incident.service.escalation_policy
    run = EscalationRun(incident=incident, generation=old.generation + 1 if old else 0)
    if policy is None:
        run.state = EscalationRun.State.NO_POLICY
        return run
    run.policy_name, run.steps = policy.name, [snapshot_of(s) for s in steps_of([policy.pk])]
    run.repeat_times, run.repeat_after_minutes = policy.repeat_times, policy.repeat_after_minutes
    return run


def _history_of(run: EscalationRun) -> list[TimelineEntry]:
    """The engine's entries since the run started."""
    return list(
        TimelineEntry.objects.filter(
            incident=run.incident_id, kind__in=HISTORY_KINDS, at__gte=run.started_at
        )
    )


def _phase_of(incident: Incident, run: EscalationRun) -> Phase:
    if incident.status != Incident.Status.TRIGGERED:
        return Phase.STOPPED
    if incident.escalate_at is not None:
        return Phase.RUNNING if run.steps else Phase.NO_POLICY
    return Phase.NO_POLICY if run.state == EscalationRun.State.NO_POLICY else Phase.ENDED


def _due_instants(run: EscalationRun, next_at: datetime | None) -> dict[int, datetime]:
    """When the steps of this round from the next one on are due, by their index."""
    if next_at is None:
        return {}
    due = {run.next_step: next_at}
    for index in range(run.next_step + 1, len(run.steps)):
        next_at += timedelta(minutes=run.steps[index]["delay_minutes"])
        due[index] = next_at
    return due


def _planned_steps(
    run: EscalationRun,
    history: Sequence[TimelineEntry],
    due: dict[int, datetime],
    now: datetime,
) -> tuple[PlannedStep, ...]:
    steps: list[StepSnapshot] = run.steps
    taken = {
        entry.data["step"]: entry
        for entry in history
        if entry.data.get("round") == run.round and "step" in entry.data
    }
    names = _names_on_call(steps, due, now)
    return tuple(
        PlannedStep(
            number=index + 1,
            delay_minutes=step["delay_minutes"],
            targets=tuple(
                _target_name(t, names.get((index, t["id"]), "")) for t in step["targets"]
            ),
            taken=taken.get(index + 1),
            at=due.get(index),
            is_next=index == run.next_step and index in due,
        )
        for index, step in enumerate(steps)
    )


def _target_name(target: TargetSnapshot, on_call: str) -> str:
    match target["kind"]:
        case "team":
            return f"team {target['label']}"
        case "schedule":
            return f"{target['label']} on call" + (f" ({on_call})" if on_call else "")
        case _:
            return target["label"]


def _names_on_call(
    steps: Sequence[StepSnapshot], due: dict[int, datetime], now: datetime
) -> dict[tuple[int, int], str]:
    """Who will be on call when a step is due, by (step index, schedule id); 3 queries."""
    wanted = [
        (index, target["id"])
        for index, step in enumerate(steps)
        if index in due
        for target in step["targets"]
        if target["kind"] == "schedule"
    ]
    schedules = Schedule.objects.in_bulk({schedule_id for _, schedule_id in wanted})
    layers: dict[int, list[ScheduleLayer]] = {schedule_id: [] for schedule_id in schedules}
    for layer in layers_of(schedules) if schedules else []:
        layers[layer.schedule_id].append(layer)
    names = {}
    for index, schedule_id in wanted:
        if schedule := schedules.get(schedule_id):
            at = max(due[index], now)
            names[index, schedule_id] = _name_on_call(schedule, layers[schedule_id], at)
    return names


def _name_on_call(schedule: Schedule, layers: Sequence[ScheduleLayer], at: datetime) -> str:
    try:
        user_ids = on_call_at(spec_of(schedule, layers), at)
    except UNREADABLE:
        return "cannot be calculated"
    people = users_in(layers)
    return ", ".join(str(people[user_id]) for user_id in user_ids) or "nobody"
