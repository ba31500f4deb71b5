"""Saves escalation policies with their steps: checked as a whole, written as a whole."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from django.db import transaction
from django.utils import timezone

from escalations.models import EscalationPolicy
from escalations.services import deletion
from escalations.services.people import why_not_pageable
from escalations.services.policy_steps import StepInput, check_steps, replace_steps
from opsknight.models import Team, User
from opsknight.services.configuration import invalid, record_deletion, save_changes, save_new
from opsknight.services.versions import count_version, lock_version

POLICY_FIELDS = (
    "name",
    "description",
    "repeat_times",
    "repeat_after_minutes",
    "fallback_user",
    "fallback_team",
    "ack_timeout_minutes",
    "resolve_after_minutes",
    "is_multi_ack",
    "time_zone",
)


class PolicyValues(TypedDict, total=False):
    """What can be set on a policy beside its steps; what is left out stays as it is."""

    name: str
    description: str
    repeat_times: int
    repeat_after_minutes: int
    fallback_user: User | None
    fallback_team: Team | None
    ack_timeout_minutes: int | None
    resolve_after_minutes: int | None
    is_multi_ack: bool
    time_zone: str


@transaction.atomic
def create_policy(
    *,
    values: PolicyValues,
    steps: Sequence[StepInput],
    actor: User | None,
    ip: str | None = None,
) -> EscalationPolicy:
    """Create a policy; raises InvalidInput that names every wrong field ("steps.0.targets.1")."""
    policy = EscalationPolicy(**values, saved_by=actor)
    _check_fallback(values)
    check_steps(steps)
    save_new(
        entity=policy,
        fields=POLICY_FIELDS,
        action="escalation_policy.created",
        actor=actor,
        ip=ip,
        extra=lambda: replace_steps(policy, steps),
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
    version: int | None = None,
    now: datetime | None = None,
) -> EscalationPolicy:
    """Change a policy and, unless `steps` is None, replace all its steps; raises InvalidInput.

    Escalations that run go on with the steps they started with. Raises SavedMeanwhile unless the
    policy is the `version` that was edited (None: whichever it is).
    """
    lock_version(entity=policy, expected=version)
    _check_fallback(values)
    if steps is not None:
        check_steps(steps)
    changes = save_changes(
        entity=policy,
        values=values,
        action="escalation_policy.updated",
        actor=actor,
        ip=ip,
        extra=lambda: {} if steps is None else replace_steps(policy, steps),
    )
    if changes:
        count_version(entity=policy, actor=actor, now=now or timezone.now())
    return policy


@transaction.atomic
def delete_policy(
    *,
    policy: EscalationPolicy,
    actor: User | None,
    ip: str | None = None,
    version: int | None = None,
) -> None:
    """Delete a policy; raises Conflict while services, routes or incidents use it."""
    lock_version(entity=policy, expected=version)
    record_deletion(
        entity=policy,
        fields=POLICY_FIELDS,
        action="escalation_policy.deleted",
        actor=actor,
        ip=ip,
    )
    deletion.delete_policy(policy=policy)


def _check_fallback(values: PolicyValues) -> None:
    """Newly named people must be pageable; raises InvalidInput."""
    user = values.get("fallback_user")
    if user is not None and (reason := why_not_pageable(user.pk, {user.pk: user})):
        raise invalid({"fallback_user": [reason]})
