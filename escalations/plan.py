"""What the escalation of an incident did and will do, for people to read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from escalations.foresight import Moment, first_instant, look_ahead
from escalations.models import EscalationRun, PolicyStep, StepSnapshot, TargetSnapshot
from escalations.services.runs import DueRun, start_runs
from escalations.snapshots import is_for
from escalations.windows import describe_window
from incidents.models import Incident, TimelineEntry

Kind = TimelineEntry.Kind
HISTORY_KINDS = (
    Kind.ESCALATED,
    Kind.NOBODY_TO_PAGE,
    Kind.ESCALATION_MOVED,
    Kind.ESCALATION_ENDED,
)


class Phase(StrEnum):
    """Where the escalation as a whole stands."""

    RUNNING = "running"  # a step, the fallback or the resolve will follow
    STOPPED = "stopped"  # somebody took it, or it is over
    ENDED = "ended"  # nobody did, and no step is left
    NO_POLICY = "no_policy"


@dataclass(frozen=True)
class PlannedStep:
    """One step of the present round."""

    number: int  # from 1
    delay_minutes: int
    targets: tuple[str, ...]  # "Bob", "team Payments", "Primary (Carol)"
    limits: tuple[str, ...]  # "in turn", "Mon to Fri 09:00 to 17:00 (UTC)", "high urgency only"
    taken: TimelineEntry | None  # what it did
    at: datetime | None  # when it is due; None: taken, or not to be
    expected: Moment | None  # what it will do then; None: taken, or not to be
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
    held_since: datetime | None  # the next step waits for its condition
    ahead: tuple[Moment, ...]  # everything that will happen if nobody answers, in order
    fallback: Moment | None  # the final fallback, and
    resolves_at: datetime | None  # the automatic resolve, if nobody answers
    ack_times_out_at: datetime | None  # of the acknowledgement that stopped it
    other: tuple[TimelineEntry, ...]  # what happened beside the steps: fallbacks, failures, the end


def plan_of(incident: Incident, *, now: datetime) -> Plan:
    """The plan of an incident that the caller may show; at most 18 queries.

    Before the engine has looked at it, the plan of its service's policy as it is now.
    """
    run = EscalationRun.objects.filter(incident=incident).first()
    if run is None or _starts_anew(incident, run):
        run = _expected_run(incident, run, now)
    history = [] if run.pk is None else _history_of(run)
    phase = _phase_of(incident, run)
    round_now, held_since = run.round, run.held_since
    steps: list[StepSnapshot] = run.steps
    next_step = run.next_step if run.stage == run.Stage.STEPS else None
    ahead = _ahead(incident, run, now) if phase is Phase.RUNNING else []  # moves the run on
    in_round = [moment for moment in ahead if moment.round == round_now + 1]
    return Plan(
        phase=phase,
        policy_name=run.policy_name,
        steps=_planned_steps(incident, run, steps, next_step, in_round, history, round_now),
        round=round_now + 1,
        rounds=run.repeat_times + 1,
        repeat_after_minutes=run.repeat_after_minutes,
        next_at=incident.escalate_at if phase is Phase.RUNNING else None,
        held_since=held_since,
        ahead=tuple(ahead),
        fallback=next((moment for moment in ahead if moment.kind == "fallback"), None),
        resolves_at=next((moment.at for moment in ahead if moment.kind == "resolve"), None),
        ack_times_out_at=_ack_times_out_at(incident, run),
        other=tuple(entry for entry in history if "step" not in entry.data),
    )


def _starts_anew(incident: Incident, run: EscalationRun) -> bool:
    return incident.escalate_at is not None and incident.escalate_at != run.next_at


def _expected_run(incident: Incident, old: EscalationRun | None, now: datetime) -> EscalationRun:
    """The run that the engine's next pass would start; never saved."""
    before = {incident.pk: old} if old else {}
    run = start_runs(incidents=[incident], before=before, now=now)[incident.pk]
    run.next_at = first_instant(run, incident.escalate_at or now)
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


def _ahead(incident: Incident, run: EscalationRun, now: datetime) -> list[Moment]:
    robins = [step["robin"] for step in run.steps if "robin" in step]
    counts = PolicyStep.objects.filter(pk__in=robins).values_list("pk", "robin_count")
    due = DueRun(incident, run, run.next_at or now, is_new=False)
    return look_ahead(due, robin_counts=dict(counts) if robins else {}, since=now)


def _ack_times_out_at(incident: Incident, run: EscalationRun) -> datetime | None:
    is_taken = incident.status == Incident.Status.ACKNOWLEDGED
    if not is_taken or incident.acknowledged_at is None or run.ack_timeout_minutes is None:
        return None
    return incident.acknowledged_at + timedelta(minutes=run.ack_timeout_minutes)


def _planned_steps(
    incident: Incident,
    run: EscalationRun,
    steps: Sequence[StepSnapshot],
    next_step: int | None,
    in_round: Sequence[Moment],
    history: Sequence[TimelineEntry],
    round_now: int,
) -> tuple[PlannedStep, ...]:
    taken = {
        entry.data["step"]: entry
        for entry in history
        if entry.data.get("round") == round_now and "step" in entry.data
    }
    expected = {moment.step: moment for moment in in_round if moment.step is not None}
    planned = []
    for index, step in enumerate(steps):
        moment = expected.get(index + 1)
        planned.append(
            PlannedStep(
                number=index + 1,
                delay_minutes=step["delay_minutes"],
                targets=tuple(_target_name(target, moment) for target in step["targets"]),
                limits=_limits_of(step, run.time_zone, incident.urgency),
                taken=None if moment else taken.get(index + 1),
                at=moment.at if moment else None,
                expected=moment,
                is_next=moment is not None and index == next_step,
            )
        )
    return tuple(planned)


def _limits_of(step: StepSnapshot, zone: str, urgency: str) -> tuple[str, ...]:
    limits = ["in turn"] if "robin" in step else []
    if "urgency" in step:
        whom = "high urgency only" if step["urgency"] == "high" else "other than high urgency"
        limits.append(whom if is_for(step, urgency) else f"{whom}: not for this incident")
    if (window := step.get("window")) is not None:
        limits.append(describe_window(window, zone))
    if (condition := step.get("condition")) is not None:
        limits.append(
            f"once more than {condition['alerts']} alerts came within {condition['minutes']} min"
        )
    return tuple(limits)


def _target_name(target: TargetSnapshot, moment: Moment | None) -> str:
    match target["kind"]:
        case "team":
            return f"team {target['label']}"
        case "team_leads":
            return f"lead of {target['label']}"
        case "schedule":
            return f"{target['label']} on call" + _on_call(target["label"], moment)
        case _:
            return target["label"]


def _on_call(label: str, moment: Moment | None) -> str:
    """Who that will be, in brackets; the people are marked with the name of their schedule."""
    if moment is None:
        return ""
    mark = f"{label} on call"
    names = [one.name for one in moment.heard if one.why.startswith(mark)]
    if names:
        return f" ({', '.join(names)})"
    return " (nobody)" if any(label in problem for problem in moment.problems) else ""
