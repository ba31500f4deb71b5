"""The steps of a policy as they are asked for: checked as a whole, written as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any, assert_never

from escalations.models import EscalationPolicy, PolicyStep, StepTarget, TargetKind
from escalations.models.policy import WEEK_MINUTES
from escalations.models.schedule import weekday_bits
from escalations.selectors import steps_of
from escalations.services.people import (
    destinations_by_id,
    people_by_id,
    schedules_by_id,
    teams_by_id,
    why_not_pageable,
)
from escalations.snapshots import snapshot_of
from escalations.windows import describe_window
from opsknight.services.audit import Changes
from opsknight.services.configuration import invalid

Reasons = dict[str, list[str]]  # by dotted field name
Urgency = PolicyStep.Urgency

MAX_STEPS = 50
MAX_TARGETS = 50  # of one step
MAX_DELAY_MINUTES = WEEK_MINUTES
MAX_ALERTS = 1_000_000
TARGET_KINDS: tuple[TargetKind, ...] = ("user", "team", "team_leads", "schedule", "destination")


@dataclass(frozen=True)
class TargetInput:
    """Whom a step pages."""

    kind: TargetKind
    id: int


@dataclass(frozen=True)
class WindowInput:
    """When a step may be taken, on the clock of the policy."""

    weekdays: frozenset[int]  # on which it begins, 0 is Monday
    starts: time
    ends: time  # the same or earlier than the start: of the next day


@dataclass(frozen=True)
class ConditionInput:
    """Hold until more than so many alerts came within so many minutes."""

    alerts: int
    minutes: int


@dataclass(frozen=True)
class StepInput:
    """One step; its place in the list is its order."""

    delay_minutes: int  # wait before this step, counted from the step before it
    targets: tuple[TargetInput, ...]
    urgency: str = Urgency.ANY
    is_round_robin: bool = False  # one of its people per incident, in turn
    window: WindowInput | None = None  # None: at any time
    condition: ConditionInput | None = None


def check_steps(steps: Sequence[StepInput]) -> None:
    """Raise InvalidInput that names every wrong field; five queries at most."""
    reasons: Reasons = {}
    if not steps:
        reasons["steps"] = ["Add at least one step, otherwise nobody is paged."]
    if len(steps) > MAX_STEPS:
        reasons["steps"] = [f"Use at most {MAX_STEPS} steps."]
    finder = _TargetFinder([target for step in steps for target in step.targets])
    for number, step in enumerate(steps):
        own = _wrong_fields(step) | _wrong_targets(step, finder)
        reasons |= {f"steps.{number}.{name}": texts for name, texts in own.items()}
    if reasons:
        raise invalid(reasons)


def _wrong_fields(step: StepInput) -> Reasons:
    reasons: Reasons = {}
    if not 0 <= step.delay_minutes <= MAX_DELAY_MINUTES:
        reasons["delay_minutes"] = ["Wait 0 to 10080 minutes, which is a week."]
    if step.urgency not in Urgency.values:
        reasons["urgency"] = [f"Choose one of {', '.join(Urgency.values)}."]
    if step.window is not None and not step.window.weekdays:
        reasons["window.weekdays"] = ["Name at least one day, or leave out the window."]
    elif step.window is not None and not step.window.weekdays <= frozenset(range(7)):
        reasons["window.weekdays"] = ["A weekday is 0 (Monday) to 6 (Sunday)."]
    if step.condition is not None:
        if not 1 <= step.condition.alerts <= MAX_ALERTS:
            reasons["condition.alerts"] = [f"Use 1 to {MAX_ALERTS} alerts."]
        if not 1 <= step.condition.minutes <= WEEK_MINUTES:
            reasons["condition.minutes"] = ["Use 1 to 10080 minutes, which is a week."]
    return reasons


def _wrong_targets(step: StepInput, finder: "_TargetFinder") -> Reasons:
    reasons: Reasons = {}
    if not 1 <= len(step.targets) <= MAX_TARGETS:
        reasons["targets"] = [f"Name 1 to {MAX_TARGETS} users, teams, schedules or destinations."]
    seen: set[tuple[str, int]] = set()
    for place, target in enumerate(step.targets):
        reason = finder.why_not(target)
        # A team and its leads are one target: who leads it hears of it anyway.
        key = (target.kind.removesuffix("_leads"), target.id)
        if key in seen:
            reason = "This target is named twice in the step. Take one out."
        seen.add(key)
        if reason is not None:
            reasons[f"targets.{place}.id"] = [reason]
    return reasons


class _TargetFinder:
    """Everything the targets name, read in four queries."""

    def __init__(self, targets: Sequence[TargetInput]) -> None:
        ids = {kind: [t.id for t in targets if t.kind == kind] for kind in TARGET_KINDS}
        self._people = people_by_id(ids["user"])
        self._teams = teams_by_id([*ids["team"], *ids["team_leads"]])
        self._schedules = schedules_by_id(ids["schedule"])
        self._destinations = destinations_by_id(ids["destination"])

    def why_not(self, target: TargetInput) -> str | None:
        match target.kind:
            case "user":
                return why_not_pageable(target.id, self._people)
            case "team":
                return None if target.id in self._teams else f"There is no team {target.id}."
            case "team_leads":
                return self._why_no_lead(target.id)
            case "schedule":
                is_known = target.id in self._schedules
                return None if is_known else f"There is no schedule {target.id}."
            case "destination":
                is_known = target.id in self._destinations
                return None if is_known else f"There is no destination {target.id}."
            case _:
                assert_never(target.kind)

    def _why_no_lead(self, team_id: int) -> str | None:
        team = self._teams.get(team_id)
        if team is None:
            return f"There is no team {team_id}."
        if team.lead_id is None:
            return f"{team} has no lead. Give it one, or page the whole team."
        return None


# Writing


def replace_steps(policy: EscalationPolicy, steps: Sequence[StepInput]) -> Changes:
    """Write the steps and say what changed; the caller holds the transaction and has checked.

    A step keeps its row, and so the count of its turns, as long as its place in the list exists.
    """
    before = _described(policy)
    rows = list(policy.steps.order_by("position", "id"))
    policy.steps.filter(pk__in=[row.pk for row in rows[len(steps) :]]).delete()
    kept = rows[: len(steps)]
    for number, (row, step) in enumerate(zip(kept, steps, strict=False), start=1):
        for name, value in _columns(number, step).items():
            setattr(row, name, value)
    PolicyStep.objects.bulk_update(kept, list(_columns(1, steps[0])) if kept else ["position"])
    fresh = PolicyStep.objects.bulk_create(
        PolicyStep(policy=policy, **_columns(number, step))
        for number, step in enumerate(steps[len(kept) :], start=len(kept) + 1)
    )
    StepTarget.objects.filter(step__in=kept).delete()
    StepTarget.objects.bulk_create(
        StepTarget(step=row, **_target_columns(target))
        for row, step in zip([*kept, *fresh], steps, strict=True)
        for target in step.targets
    )
    after = _described(policy)
    return {} if before == after else {"steps": [before, after]}


def _columns(position: int, step: StepInput) -> dict[str, Any]:
    window, condition = step.window, step.condition
    return {
        "position": position,
        "delay_minutes": step.delay_minutes,
        "urgency": step.urgency,
        "is_round_robin": step.is_round_robin,
        "window_weekdays": weekday_bits(window.weekdays) if window else 0,
        "window_starts": window.starts if window else None,
        "window_ends": window.ends if window else None,
        "condition_alerts": condition.alerts if condition else None,
        "condition_minutes": condition.minutes if condition else None,
    }


def _target_columns(target: TargetInput) -> dict[str, Any]:
    if target.kind == "team_leads":
        return {"team_id": target.id, "leads_only": True}
    return {f"{target.kind}_id": target.id}


def _described(policy: EscalationPolicy) -> list[str]:
    """The steps for the audit log: "after 5 min: Bob, Team Payments; high urgency only"."""
    return [describe_step(step, policy.time_zone) for step in steps_of([policy.pk])]


def describe_step(step: PolicyStep, zone: str) -> str:
    """One step in words; `step` as `selectors.steps_of` gives it."""
    snapshot = snapshot_of(step)
    text = f"after {step.delay_minutes} min: {', '.join(str(t) for t in step.targets.all())}"
    parts = [text]
    if step.is_round_robin:
        parts.append("in turn")
    if step.urgency != Urgency.ANY:
        parts.append(step.get_urgency_display().lower())
    if (window := snapshot.get("window")) is not None:
        parts.append(describe_window(window, zone))
    if (condition := snapshot.get("condition")) is not None:
        parts.append(f"more than {condition['alerts']} alerts in {condition['minutes']} min")
    return "; ".join(parts)
