"""Saves escalation policies with their steps: checked as a whole, written as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict, assert_never

from django.db import transaction

from escalations.models import EscalationPolicy, PolicyStep, StepTarget
from escalations.selectors import steps_of
from escalations.services import deletion
from escalations.services.people import (
    people_by_id,
    schedules_by_id,
    teams_by_id,
    why_not_pageable,
)
from opsknight.models import User
from opsknight.services.audit import Changes
from opsknight.services.configuration import (
    check,
    invalid,
    record_deletion,
    save_changes,
    save_new,
)

TargetKind = Literal["user", "team", "schedule"]
Reasons = dict[str, list[str]]  # by dotted field name

POLICY_FIELDS = ("name", "description", "repeat_times", "repeat_after_minutes")
MAX_STEPS = 50
MAX_TARGETS = 50  # of one step
MAX_DELAY_MINUTES = 7 * 24 * 60


@dataclass(frozen=True)
class TargetInput:
    """Whom a step pages."""

    kind: TargetKind
    id: int


@dataclass(frozen=True)
class StepInput:
    """One step; its place in the list is its order."""

    delay_minutes: int  # wait before this step, counted from the step before it
    targets: tuple[TargetInput, ...]


class PolicyValues(TypedDict, total=False):
    """What can be set on a policy beside its steps; what is left out stays as it is."""

    name: str
    description: str
    repeat_times: int
    repeat_after_minutes: int


@transaction.atomic
def create_policy(
    *,
    values: PolicyValues,
    steps: Sequence[StepInput],
    actor: User | None,
    ip: str | None = None,
) -> EscalationPolicy:
    """Create a policy; raises InvalidInput that names every wrong field ("steps.0.targets.1")."""
    policy = EscalationPolicy(**values)
    check(policy)
    _check_steps(steps)
    save_new(
        entity=policy,
        fields=POLICY_FIELDS,
        action="escalation_policy.created",
        actor=actor,
        ip=ip,
        extra=lambda: _replace_steps(policy, steps),
    )
    return policy


@transaction.atomic
def update_policy(
    *,
    policy: EscalationPolicy,
    values: PolicyValues,
    steps: Sequence[StepInput] | None,
    actor: User | None,
    ip: str | None = None,
) -> EscalationPolicy:
    """Change a policy and, unless `steps` is None, replace all its steps; raises InvalidInput.

    Escalations that run go on with the steps they started with.
    """
    if steps is not None:
        _check_steps(steps)
    save_changes(
        entity=policy,
        values=values,
        action="escalation_policy.updated",
        actor=actor,
        ip=ip,
        extra=lambda: {} if steps is None else _replace_steps(policy, steps),
    )
    return policy


@transaction.atomic
def delete_policy(*, policy: EscalationPolicy, actor: User | None, ip: str | None = None) -> None:
    """Delete a policy; raises Conflict while services, routes or incidents use it."""
    record_deletion(
        entity=policy,
        fields=POLICY_FIELDS,
        action="escalation_policy.deleted",
        actor=actor,
        ip=ip,
    )
    deletion.delete_policy(policy=policy)


def _check_steps(steps: Sequence[StepInput]) -> None:
    """Raise InvalidInput for steps that could not page; four queries at most."""
    reasons: Reasons = {}
    if not steps:
        reasons["steps"] = ["Add at least one step, otherwise nobody is paged."]
    if len(steps) > MAX_STEPS:
        reasons["steps"] = [f"Use at most {MAX_STEPS} steps."]
    targets = [target for step in steps for target in step.targets]
    finder = _TargetFinder(targets)
    for number, step in enumerate(steps):
        path = f"steps.{number}"
        if not 0 <= step.delay_minutes <= MAX_DELAY_MINUTES:
            reasons[f"{path}.delay_minutes"] = ["Wait 0 to 10080 minutes, which is a week."]
        if not 1 <= len(step.targets) <= MAX_TARGETS:
            reasons[f"{path}.targets"] = [f"Name 1 to {MAX_TARGETS} users, teams or schedules."]
        for place, target in enumerate(step.targets):
            reason = finder.why_not(target)
            if target in step.targets[:place]:
                reason = "This target is named twice in the step. Take one out."
            if reason is not None:
                reasons[f"{path}.targets.{place}.id"] = [reason]
    if reasons:
        raise invalid(reasons)


class _TargetFinder:
    """Everything the targets name, read in three queries."""

    def __init__(self, targets: Sequence[TargetInput]) -> None:
        ids = {kind: [t.id for t in targets if t.kind == kind] for kind in TARGET_KINDS}
        self._people = people_by_id(ids["user"])
        self._teams = teams_by_id(ids["team"])
        self._schedules = schedules_by_id(ids["schedule"])

    def why_not(self, target: TargetInput) -> str | None:
        match target.kind:
            case "user":
                return why_not_pageable(target.id, self._people)
            case "team":
                return None if target.id in self._teams else f"There is no team {target.id}."
            case "schedule":
                is_known = target.id in self._schedules
                return None if is_known else f"There is no schedule {target.id}."
            case _:
                assert_never(target.kind)


TARGET_KINDS: tuple[TargetKind, ...] = ("user", "team", "schedule")


def _replace_steps(policy: EscalationPolicy, steps: Sequence[StepInput]) -> Changes:
    """Write the steps and say what changed; the caller holds the transaction and has checked."""
    before = _described(policy)
    policy.steps.all().delete()
    rows = PolicyStep.objects.bulk_create(
        PolicyStep(policy=policy, position=number, delay_minutes=step.delay_minutes)
        for number, step in enumerate(steps, start=1)
    )
    StepTarget.objects.bulk_create(
        StepTarget(step=row, **{f"{target.kind}_id": target.id})
        for row, step in zip(rows, steps, strict=True)
        for target in step.targets
    )
    after = _described(policy)
    return {} if before == after else {"steps": [before, after]}


def _described(policy: EscalationPolicy) -> list[str]:
    """The steps for the audit log: "after 5 min: Bob, Team Payments"."""
    return [
        f"after {step.delay_minutes} min: {', '.join(str(t) for t in step.targets.all())}"
        for step in steps_of([policy.pk])
    ]
