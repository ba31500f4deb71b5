"""If an alert came at this time, who would be paged when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from escalations.foresight import Heard, Moment, first_instant, look_ahead
from escalations.models import EscalationPolicy, EscalationRun
from escalations.selectors import steps_of
from escalations.services.policies import PolicyValues, create_policy, update_policy
from escalations.services.policy_steps import StepInput
from escalations.services.runs import DueRun, fill_run, first_step
from escalations.snapshots import snapshot_of
from incidents.models import Incident, Service
from notifications.services.planning import Reach, load_reach
from opsknight.models import User


@dataclass(frozen=True)
class Way:
    """How somebody would hear of it."""

    channel: str
    wait_minutes: int  # of the personal rule, from the page on
    # The end of the quiet hours, or the digest, that it waits for.
    held_until: datetime | None = None


@dataclass(frozen=True)
class DryMoment:
    """One thing that would happen."""

    at: datetime
    kind: str  # step, fallback or resolve
    round: int  # from 1
    step: int | None  # from 1
    heard: tuple[tuple[Heard, tuple[Way, ...]], ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def dry_run(
    policy: EscalationPolicy, at: datetime, urgency: str, *, service: Service | None = None
) -> list[DryMoment]:
    """What would happen, in order, if an alert came at `at` and nobody answered.

    `service`: whose team stands in where nobody is reached. At most 17 queries; pages nobody.
    """
    rows = list(steps_of([policy.pk]))
    steps = [snapshot_of(row) for row in rows]
    incident = Incident(service=service, urgency=urgency)
    run = EscalationRun()
    fill_run(run, policy, steps)
    run.next_step = first_step(steps, urgency) or 0
    run.next_at = first_instant(run, at)
    due = DueRun(incident, run, run.next_at, is_new=True)
    robin_counts = {row.pk: row.robin_count for row in rows}
    return _with_ways(look_ahead(due, robin_counts=robin_counts, since=at), urgency)


def dry_run_of_draft(
    *,
    policy: EscalationPolicy | None,
    values: PolicyValues,
    steps: Sequence[StepInput] | None,
    actor: User,
    at: datetime,
    urgency: str,
) -> list[DryMoment]:
    """The same for a policy as it would be after a change, with nothing saved.

    `policy` None: of a new one. Raises InvalidInput like saving it.
    """
    with transaction.atomic():
        if policy is None:
            saved = create_policy(values=values, steps=steps or [], actor=actor)
        else:
            saved = update_policy(policy=policy, values=values, steps=steps, actor=actor)
        moments = dry_run(saved, at, urgency)
        transaction.set_rollback(True)
    return moments


def _with_ways(moments: Sequence[Moment], urgency: str) -> list[DryMoment]:
    if not moments:
        return []
    users = {one.id for moment in moments for one in moment.heard if one.kind == "user"}
    reach = load_reach(users, since=moments[0].at)
    return [
        DryMoment(
            at=moment.at,
            kind=moment.kind,
            round=moment.round,
            step=moment.step,
            heard=tuple((one, _ways(reach, one, urgency, moment.at)) for one in moment.heard),
            problems=moment.problems,
            notes=moment.notes,
        )
        for moment in moments
    ]


def _ways(reach: Reach, one: Heard, urgency: str, at: datetime) -> tuple[Way, ...]:
    """How somebody, or the substitute, would hear of it; nothing for a destination."""
    plan = reach.plan_of(one.id, urgency=urgency, at=at) if one.kind == "user" else None
    if plan is None:
        return ()
    if plan.digest_at is not None:
        return (Way("email", 0, plan.digest_at),)
    return tuple(Way(page.channel, page.wait_minutes, page.held_until) for page in plan.pages)
