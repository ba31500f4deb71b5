"""Taking a step: page whoever is behind it now, say so, and set the next one.

Set-based: the number of queries does not grow with the number of incidents.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from escalations.models import EscalationRun, StepSnapshot, TargetSnapshot
from escalations.services import wording
from escalations.services.conditions import hold_back
from escalations.services.fallbacks import (
    ended,
    entry,
    page_fallbacks,
    page_requests,
    resolve_at_last,
    take_final_fallbacks,
)
from escalations.services.recipients import Directory, Found, load_directory
from escalations.services.runs import DueRun, load_runs, move_on, save_runs
from escalations.services.turns import draw_turns, only_turn
from escalations.snapshots import is_for
from escalations.windows import describe_window, is_in_window
from incidents.models import Incident, TimelineEntry
from incidents.services.timeline import write_entries
from notifications.services.outbox import PageRequest, queue_pages

Kind = TimelineEntry.Kind
Stage = EscalationRun.Stage

_SET_TIMERS = """
UPDATE incidents_incident AS incident
SET escalate_at = timer.at, is_multi_ack = timer.is_multi_ack, updated_at = %s,
    version = version + 1
FROM unnest(%s::bigint[], %s::timestamptz[], %s::bool[]) AS timer (id, at, is_multi_ack)
WHERE incident.id = timer.id
"""


@dataclass
class Turn:
    """One incident's step in this pass: whom it names, and whom it reached."""

    due: DueRun
    found: list[Found]
    unreachable: set[int] = field(default_factory=set)  # no way to page them at once

    @property
    def cause(self) -> str:
        """Makes the pages of this step unique."""
        run = self.due.run
        return f"step:{run.generation}:{run.round}:{run.next_step}"

    @property
    def people(self) -> dict[int, None]:
        """Everybody it names, once, in order."""
        return {person.id: None for one in self.found for person in one.people}

    @property
    def reached(self) -> list[int]:
        """Everybody whom it pages at once."""
        return [user_id for user_id in self.people if user_id not in self.unreachable]

    @property
    def has_reached(self) -> bool:
        """Somebody hears of it. A place alone counts where the step names nothing but places."""
        if self.reached:
            return True
        targets = self.due.step["targets"] if self.due.step else []
        names_places_only = all(target["kind"] == "destination" for target in targets)
        return names_places_only and any(one.place is not None for one in self.found)

    @property
    def needs_fallback(self) -> bool:
        """A whole round, or the whole policy, reached nobody: silence is not an answer."""
        return self.due.is_last_of_round and not self.due.run.has_paged and not self.has_reached


def take_steps(*, incidents: Sequence[Incident], now: datetime) -> None:
    """Take the due step of each incident. Callers hold the incidents' locks and the transaction.

    A first step with a delay that is not over is only noted. Every other incident gets exactly one
    step, however late it is, or its final fallback, or is resolved.
    """
    due = load_runs(incidents=incidents, now=now)
    for one in due:
        one.run.next_at = one.due_at
    ready = [one for one in due if one.due_at <= now]
    by_stage: dict[str, list[DueRun]] = {stage: [] for stage in Stage}
    for one in ready:
        by_stage[one.run.stage].append(one)
    directory = _directory_of(ready, now)
    entries = _take_policy_steps(by_stage[Stage.STEPS], directory, now)
    entries += take_final_fallbacks(due=by_stage[Stage.FALLBACK], directory=directory, now=now)
    resolve_at_last(due=by_stage[Stage.RESOLVE], now=now)
    save_runs(due=due)
    set_timers(due=due, now=now)
    write_entries(entries)


def _directory_of(ready: Sequence[DueRun], now: datetime) -> Directory:
    incidents = [one.incident for one in ready]
    targets: list[TargetSnapshot] = [one.run.fallback for one in ready if one.run.fallback]
    for one in ready:
        if one.run.stage == Stage.STEPS and one.step is not None:
            targets += one.step["targets"]
    return load_directory(
        targets=targets,
        user_ids=[i.assignee_id for i in incidents if i.assignee_id],
        team_ids=[i.service.team_id for i in incidents if i.service.team_id],
        now=now,
    )


def _take_policy_steps(
    ready: Sequence[DueRun], directory: Directory, now: datetime
) -> list[TimelineEntry]:
    going, entries = hold_back(ready=ready, now=now)
    turns = [Turn(one, found_by(one, directory, now)) for one in going]
    _let_take_turns(turns)
    for turn in turns:
        turn.found += assignee_of(turn.due, directory)
    _page(turns, now)
    entries += [_entry_of(turn, now) for turn in turns]
    silent = [(turn.due, turn.cause) for turn in turns if turn.needs_fallback]
    taken = {turn.due.incident.pk for turn in turns}
    silent += [
        (one, f"held:{one.run.generation}")
        for one in ready
        if one.incident.pk not in taken and _is_silent(one.run)
    ]
    entries += page_fallbacks(due=silent, directory=directory, now=now)
    for turn in turns:
        entries += _move_on(turn, now)
    return entries


def _is_silent(run: EscalationRun) -> bool:
    """Steps were taken and reached nobody; what holds after them may do so for ever."""
    return run.last_cause != "" and not run.has_paged and not run.has_fallen_back


def found_by(due: DueRun, directory: Directory, now: datetime) -> list[Found]:
    """Everybody the step names, or why it names nobody for this incident now; no query."""
    run, step = due.run, due.step
    if step is None:
        if run.state == EscalationRun.State.NO_POLICY:
            return [Found(problem=f"the service {due.incident.service} has no escalation policy")]
        return [Found(problem=f"the policy {run.policy_name} has no steps")]
    if reason := _why_skipped(due, step, now):
        return [Found(problem=reason)]
    found = [directory.find(target) for target in step["targets"]]
    return found or [Found(problem="the step has no targets")]


def _why_skipped(due: DueRun, step: StepSnapshot, now: datetime) -> str:
    """Why a step is not for this incident now; empty: it is, or somebody asked for it."""
    run, window = due.run, step.get("window")
    if run.is_by_hand:
        return ""
    if not is_for(step, due.incident.urgency):
        return wording.for_urgency(step["urgency"])
    if window is not None and not is_in_window(window, run.time_zone, now):
        return f"the step is only for {describe_window(window, run.time_zone)}"
    return ""


def _let_take_turns(turns: Sequence[Turn]) -> None:
    """Leave one person to each step whose people take turns."""
    robins = [t for t in turns if t.people and t.due.step and "robin" in t.due.step]
    if not robins:
        return
    draw_turns([turn.due for turn in robins])
    for turn in robins:
        run = turn.due.run
        turn.found = only_turn(turn.found, run.turns[str(run.next_step)])


def assignee_of(due: DueRun, directory: Directory) -> list[Found]:
    """The first step of a round pages the assignee as well, set by hand."""
    assignee_id = due.incident.assignee_id
    if assignee_id is None or due.step is None or not due.is_first_step:
        return []
    return [directory.find_user(assignee_id, "the assignee", note="assignee")]


def _page(turns: Sequence[Turn], now: datetime) -> None:
    requests: list[PageRequest] = []
    before: Counter[int] = Counter()  # incidents of each service so far
    for turn in turns:
        service_id = turn.due.incident.service_id
        requests += page_requests(turn.due.run, turn.found, turn.cause, before[service_id])
        before[service_id] += 1
        turn.due.run.last_cause = turn.cause
    queued = queue_pages(requests=requests, now=now)
    for turn in turns:
        incident_id = turn.due.incident.pk
        turn.unreachable = {pk for pk in turn.people if (incident_id, pk) in queued.unreached}
        turn.found = wording.with_stand_ins(turn.found, incident_id, queued.stand_ins)


def _entry_of(turn: Turn, now: datetime) -> TimelineEntry:
    """What the step did: whom it paged, or exactly why nobody."""
    run = turn.due.run
    late = now - turn.due.due_at
    problems = wording.problems_of(turn.found, turn.unreachable)
    data: dict[str, Any] = {"generation": run.generation}
    head = ""
    if run.steps:
        head = wording.heading(step=run.next_step, round=run.round, late=late) + ": "
        data |= {"round": run.round, "step": run.next_step + 1}
    if late >= wording.LATE_FROM:
        data["late_seconds"] = int(late.total_seconds())
    names = wording.names_of(turn.found, turn.unreachable)
    if names:
        message = "; ".join([f"{head}paged {names}", *problems])
        data |= {"users": turn.reached} if turn.reached else {"reasons": problems}
        return entry(turn.due.incident.pk, Kind.ESCALATED, message, now, data)
    message = f"{head}nobody to page, because {'; '.join(problems)}"
    data["reasons"] = problems
    return entry(turn.due.incident.pk, Kind.NOBODY_TO_PAGE, message, now, data)


def _move_on(turn: Turn, now: datetime) -> list[TimelineEntry]:
    run = turn.due.run
    urgency = turn.due.incident.urgency
    move_on(run, urgency=urgency, has_paged_now=turn.has_reached, now=now)
    is_over = run.state == EscalationRun.State.EXHAUSTED or run.stage == Stage.RESOLVE
    return [ended(turn.due, now)] if is_over and run.steps else []


def set_timers(*, due: Sequence[DueRun], now: datetime) -> None:
    """Set the timers of the incidents to what their runs say."""
    ids = [one.incident.pk for one in due]
    timers = [one.run.next_at for one in due]
    multi_ack = [one.run.is_multi_ack for one in due]
    with connection.cursor() as cursor:
        cursor.execute(_SET_TIMERS, [now, ids, timers, multi_ack])
