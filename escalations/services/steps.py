"""Taking a step: page whoever is behind it now, say so, and set the next one.

Set-based: the number of queries does not grow with the number of incidents.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from escalations.models import EscalationRun
from escalations.services import wording
from escalations.services.recipients import (
    Directory,
    Found,
    load_administrators,
    load_directory,
)
from escalations.services.runs import DueRun, load_runs, move_on, save_runs
from incidents.models import Incident, TimelineEntry
from incidents.services.timeline import build_entry, write_entries
from notifications.models import Notification
from notifications.services.outbox import PageRequest, queue_pages

Kind = TimelineEntry.Kind

_SET_TIMERS = """
UPDATE incidents_incident AS incident
SET escalate_at = timer.at, updated_at = %s, version = version + 1
FROM unnest(%s::bigint[], %s::timestamptz[]) AS timer (id, at)
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
        return [user_id for user_id in self.people if user_id not in self.unreachable]

    @property
    def needs_fallback(self) -> bool:
        """A whole round, or the whole policy, reached nobody: silence is not an answer."""
        run = self.due.run
        is_round_over = run.next_step + 1 >= len(run.steps)
        return is_round_over and not run.has_paged and not self.reached


def take_steps(*, incidents: Sequence[Incident], now: datetime) -> None:
    """Take the due step of each incident. Callers hold the incidents' locks and the transaction.

    A first step with a delay that is not over is only noted. Every other incident gets exactly one
    step, however late it is.
    """
    due = load_runs(incidents=incidents, now=now)
    ready = [one for one in due if one.due_at <= now]
    for one in due:
        one.run.next_at = one.due_at
    directory = _directory_of(ready, now)
    turns = [Turn(one, _found_by(one, directory)) for one in ready]
    _page(turns, now)
    entries = [_entry_of(turn, now) for turn in turns]
    entries += _page_fallbacks([turn for turn in turns if turn.needs_fallback], directory, now)
    for turn in turns:
        entries += _move_on(turn, now)
    save_runs(due=due)
    _set_timers(due, now)
    write_entries(entries)


def page_fallback(*, incident: Incident, cause: str, now: datetime) -> list[TimelineEntry]:
    """Page the team of the service, else the administrators; return what to say about it."""
    team_ids = [incident.service.team_id] if incident.service.team_id else []
    directory = load_directory(targets=[], user_ids=[], team_ids=team_ids, now=now)
    found = _fallback_of(incident, directory, load_administrators())
    people = [person.id for one in found for person in one.people]
    queue_pages(requests=_requests(incident.pk, people, cause), now=now)
    return [_fallback_entry(incident.pk, found, set(), now)]


def _directory_of(ready: Sequence[DueRun], now: datetime) -> Directory:
    incidents = [one.incident for one in ready]
    return load_directory(
        targets=[target for one in ready if one.step for target in one.step["targets"]],
        user_ids=[i.assignee_id for i in incidents if i.assignee_id],
        team_ids=[i.service.team_id for i in incidents if i.service.team_id],
        now=now,
    )


def _found_by(due: DueRun, directory: Directory) -> list[Found]:
    """Everybody the step names; the first one pages the assignee as well, set by hand."""
    run, step = due.run, due.step
    if step is None:
        if run.state == EscalationRun.State.NO_POLICY:
            return [Found(problem=f"the service {due.incident.service} has no escalation policy")]
        return [Found(problem=f"the policy {run.policy_name} has no steps")]
    found = [directory.find(target) for target in step["targets"]]
    if not found:
        found = [Found(problem="the step has no targets")]
    assignee_id = due.incident.assignee_id
    if assignee_id is not None and run.next_step == 0:
        found.append(directory.find_user(assignee_id, "the assignee", note="assignee"))
    return found


def _page(turns: Sequence[Turn], now: datetime) -> None:
    requests: list[PageRequest] = []
    before: Counter[int] = Counter()  # incidents of each service so far
    for turn in turns:
        incident = turn.due.incident
        place = before[incident.service_id]
        requests += _requests(incident.pk, turn.people, turn.cause, place)
        before[incident.service_id] += 1
    unreachable = set(queue_pages(requests=requests, now=now)) if requests else set()
    for turn in turns:
        turn.unreachable = unreachable.intersection(turn.people)


def _requests(
    incident_id: int, user_ids: Iterable[int], cause: str, place: int = 0
) -> list[PageRequest]:
    reason = Notification.Reason.ESCALATION
    return [PageRequest(incident_id, user_id, reason, cause, place) for user_id in user_ids]


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
    if turn.reached:
        names = wording.names_of(turn.found, turn.unreachable)
        message = "; ".join([f"{head}paged {names}", *problems])
        return _entry(turn.due.incident.pk, Kind.ESCALATED, message, now, data, turn.reached)
    message = f"{head}nobody to page, because {'; '.join(problems)}"
    data["reasons"] = problems
    return _entry(turn.due.incident.pk, Kind.NOBODY_TO_PAGE, message, now, data, [])


def _entry(
    incident_id: int,
    kind: TimelineEntry.Kind,
    message: str,
    now: datetime,
    data: dict[str, Any],
    user_ids: Sequence[int],
) -> TimelineEntry:
    return build_entry(
        incident_id=incident_id,
        kind=kind,
        message=message[:1].upper() + message[1:],
        now=now,
        data=data | ({"users": list(user_ids)} if user_ids else {}),
    )


def _page_fallbacks(
    turns: Sequence[Turn], directory: Directory, now: datetime
) -> list[TimelineEntry]:
    """Page somebody else for the incidents that would stay silent; 1 query and the pages."""
    if not turns:
        return []
    administrators = load_administrators()
    requests: list[PageRequest] = []
    chosen: list[tuple[int, list[Found]]] = []
    for turn in turns:
        incident = turn.due.incident
        found = _fallback_of(incident, directory, administrators)
        people = [person.id for one in found for person in one.people]
        requests += _requests(incident.pk, people, turn.cause)
        chosen.append((incident.pk, found))
    unreachable = set(queue_pages(requests=requests, now=now)) if requests else set()
    return [_fallback_entry(pk, found, unreachable, now) for pk, found in chosen]


def _fallback_of(incident: Incident, directory: Directory, administrators: Found) -> list[Found]:
    """The team of the service; where it has nobody to page, the administrators."""
    team = incident.service.team
    if team is None:
        return [administrators]
    members = directory.find_team(team.pk, str(team))
    return [members] if members.people else [members, administrators]


def _fallback_entry(
    incident_id: int, found: Sequence[Found], unreachable: set[int], now: datetime
) -> TimelineEntry:
    problems = wording.problems_of(found, unreachable)
    people = [person.id for one in found for person in one.people]
    data: dict[str, Any] = {"fallback": True}
    if not people:
        message = f"Nobody could be paged instead, because {'; '.join(problems)}"
        return _entry(incident_id, Kind.NOBODY_TO_PAGE, message, now, data, [])
    message = "; ".join([f"Paged {wording.names_of(found, set())} instead", *problems])
    return _entry(incident_id, Kind.ESCALATED, message, now, data, people)


def _move_on(turn: Turn, now: datetime) -> list[TimelineEntry]:
    run = turn.due.run
    move_on(run, has_paged_now=bool(turn.reached), now=now)
    if run.state != EscalationRun.State.EXHAUSTED or not run.steps:
        return []
    times = "once" if run.round == 0 else f"{run.round + 1} times"
    message = f"Escalation ended: every step was taken {times} and nobody acknowledged"
    data = {"generation": run.generation}
    return [_entry(turn.due.incident.pk, Kind.ESCALATION_ENDED, message, now, data, [])]


def _set_timers(due: Sequence[DueRun], now: datetime) -> None:
    ids = [one.incident.pk for one in due]
    with connection.cursor() as cursor:
        cursor.execute(_SET_TIMERS, [now, ids, [one.run.next_at for one in due]])
