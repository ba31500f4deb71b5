"""Copies of steps and targets as a run keeps them, and what they mean; no query."""

from typing import assert_never

from escalations.models import (
    EscalationPolicy,
    PolicyStep,
    StepSnapshot,
    StepTarget,
    TargetKind,
    TargetSnapshot,
)
from incidents.models import Incident

Urgency = PolicyStep.Urgency


def snapshot_of(step: PolicyStep) -> StepSnapshot:
    """A step as a run keeps it; `step` as `selectors.steps_of` gives it."""
    return snapshot_with(step, [snapshot_of_target(target) for target in step.targets.all()])


def snapshot_with(step: PolicyStep, targets: list[TargetSnapshot]) -> StepSnapshot:
    """The same, where its targets are known."""
    snapshot: StepSnapshot = {"delay_minutes": step.delay_minutes, "targets": targets}
    match Urgency(step.urgency):
        case Urgency.HIGH:
            snapshot["urgency"] = "high"
        case Urgency.OTHER:
            snapshot["urgency"] = "other"
        case Urgency.ANY:
            pass
        case other:
            assert_never(other)
    if step.is_round_robin:
        snapshot["robin"] = step.pk
    if step.window_starts is not None and step.window_ends is not None:
        snapshot["window"] = {
            "weekdays": step.window_weekdays,
            "starts": step.window_starts.isoformat(),
            "ends": step.window_ends.isoformat(),
        }
    if step.condition_alerts is not None and step.condition_minutes is not None:
        snapshot["condition"] = {
            "alerts": step.condition_alerts,
            "minutes": step.condition_minutes,
        }
    return snapshot


def snapshot_of_target(target: StepTarget) -> TargetSnapshot:
    """Whom a step names, with the name of today."""
    if target.user is not None:
        return {"kind": "user", "id": target.user.pk, "label": str(target.user)}
    if target.team is not None:
        kind: TargetKind = "team_leads" if target.leads_only else "team"
        return {"kind": kind, "id": target.team.pk, "label": str(target.team)}
    if target.schedule is not None:
        return {"kind": "schedule", "id": target.schedule.pk, "label": str(target.schedule)}
    assert target.destination is not None  # noqa: S101 — step_target_exactly_one
    return {"kind": "destination", "id": target.destination.pk, "label": str(target.destination)}


def fallback_snapshot_of(policy: EscalationPolicy) -> TargetSnapshot | None:
    """Who is paged at the end; None: the policy names nobody."""
    if (user := policy.fallback_user) is not None:
        return {"kind": "user", "id": user.pk, "label": str(user)}
    if (team := policy.fallback_team) is not None:
        return {"kind": "team", "id": team.pk, "label": str(team)}
    return None


def is_for(step: StepSnapshot, urgency: str) -> bool:
    """Whether a step is for incidents of an urgency."""
    wanted = step.get("urgency")
    if wanted is None:
        return True
    return (wanted == "high") == (urgency == Incident.Urgency.HIGH)
