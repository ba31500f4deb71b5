"""What an escalation will do if nobody answers: the engine's own rules, run ahead of time.

Nothing is written and nobody is paged. Conditions are taken as met at once, and said.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from escalations.models import EscalationRun, TargetSnapshot
from escalations.services import wording
from escalations.services.recipients import Book, Directory, Found, load_book
from escalations.services.runs import DueRun, end_run, finish_steps, move_on
from escalations.services.steps import Turn, assignee_of, found_by
from escalations.services.turns import only_turn
from notifications.services.planning import Reach, load_reach
from notifications.services.telling import in_place

Stage = EscalationRun.Stage
MAX_MOMENTS = 200
KINDS = (("step", "Step"), ("fallback", "Fallback"), ("resolve", "Automatic resolve"))


@dataclass(frozen=True)
class Heard:
    """Somebody, or some place, that would be paged."""

    kind: str  # user or destination
    id: int
    name: str
    why: str  # "Primary on call", "in turn"; empty: the step names them


@dataclass(frozen=True)
class Moment:
    """One thing that the escalation will do."""

    at: datetime
    kind: str  # step, fallback or resolve
    round: int  # from 1
    step: int | None  # from 1; None for a fallback and the resolve
    heard: tuple[Heard, ...]
    problems: tuple[str, ...]  # why somebody or everybody is not paged
    notes: tuple[str, ...]  # what it depends on: a condition, whose turn it is


@dataclass(frozen=True)
class Ahead:
    """Where the look ahead begins: a run that may be changed, with everybody it may page."""

    due: DueRun
    book: Book
    robin_counts: dict[int, int]  # turns given out so far, by the id of the step
    reach: Reach  # how everybody is paged

    @property
    def run(self) -> EscalationRun:
        """Where it stands."""
        return self.due.run


def look_ahead(due: DueRun, *, robin_counts: dict[int, int], since: datetime) -> list[Moment]:
    """What will happen, in order, at most `MAX_MOMENTS` of it; `due.run` is used up by it.

    It begins with what the run's timer stands at. At most 14 queries.
    """
    run, incident = due.run, due.incident
    targets: list[TargetSnapshot] = [run.fallback] if run.fallback else []
    targets += [target for step in run.steps for target in step["targets"]]
    service = incident.service if incident.service_id else None
    book = load_book(
        targets=targets,
        user_ids=[incident.assignee_id] if incident.assignee_id else [],
        team_ids=[service.team_id] if service and service.team_id else [],
        since=since,
    )
    reach = load_reach(book.users, since=since)
    return list(_moments(Ahead(due, book, robin_counts, reach), since))


def _moments(ahead: Ahead, since: datetime) -> Iterator[Moment]:
    run = ahead.run
    for _ in range(MAX_MOMENTS):
        if run.next_at is None or not run.steps:
            return
        at = max(run.next_at, since)
        directory = ahead.book.at(at)
        match Stage(run.stage):
            case Stage.STEPS:
                yield from _step(ahead, directory, at)
            case Stage.FALLBACK:
                yield _fallback(ahead, directory, at, "nobody answered")
                finish_steps(run, now=at)
            case Stage.RESOLVE:
                yield Moment(at, "resolve", run.round + 1, None, (), (), ())
                end_run(run)


def _step(ahead: Ahead, directory: Directory, at: datetime) -> Iterator[Moment]:
    due, run = ahead.due, ahead.run
    step = due.step
    notes = []
    found = found_by(due, directory, at)
    turn = Turn(due, found)
    if step is not None and "robin" in step and turn.people:
        notes.append(f"in turn: {wording.names_of(found, set())}")
        turn.found = only_turn(found, _next_turn(ahead, step["robin"]))
    turn.found += assignee_of(due, directory)
    away, turn.unreachable = _how_reached(ahead, turn.people, at)
    notes += away
    if step is not None and not run.is_by_hand and (condition := step.get("condition")):
        notes.append(
            f"holds until more than {condition['alerts']} alerts came within "
            f"{condition['minutes']} min"
        )
    heard, problems = _heard(turn.found), wording.problems_of(turn.found, turn.unreachable)
    yield Moment(at, "step", run.round + 1, run.next_step + 1, heard, tuple(problems), tuple(notes))
    if turn.needs_fallback:
        yield _fallback(ahead, directory, at, "nobody was reached")
    move_on(run, urgency=due.incident.urgency, has_paged_now=turn.has_reached, now=at)


def _how_reached(ahead: Ahead, user_ids: Iterable[int], at: datetime) -> tuple[list[str], set[int]]:
    """Who is away and who stands in, in words, and whom nothing reaches at once."""
    urgency = ahead.due.incident.urgency
    plans = {pk: ahead.reach.plan_of(pk, urgency=urgency, at=at) for pk in user_ids}
    away = [in_place(plan) for plan in plans.values() if plan is not None and plan.absent_id]
    return away, {pk for pk, plan in plans.items() if plan is None or not plan.reaches}


def _next_turn(ahead: Ahead, step_id: int) -> int:
    """Whose turn it would be, if no other incident comes first."""
    turns, key = ahead.run.turns, str(ahead.run.next_step)
    turns[key] = turns[key] + 1 if key in turns else ahead.robin_counts.get(step_id, 0)
    return int(turns[key])


def _fallback(ahead: Ahead, directory: Directory, at: datetime, why: str) -> Moment:
    run, incident = ahead.run, ahead.due.incident
    found: list[Found] = [directory.find(run.fallback)] if run.fallback else []
    notes = [why]
    if not any(one.people for one in found):
        team = incident.service.team if incident.service_id else None
        if team is not None:
            found.append(directory.find_team(team.pk, str(team)))
        else:
            notes.append("the team of the service is paged")
    if not any(one.people for one in found):
        notes.append("the administrators are paged where nobody else is left")
    people = [person.id for one in found for person in one.people]
    notes += _how_reached(ahead, people, at)[0]
    heard, problems = _heard(found), tuple(wording.problems_of(found, set()))
    return Moment(at, "fallback", run.round + 1, None, heard, problems, tuple(notes))


def _heard(found: Sequence[Found]) -> tuple[Heard, ...]:
    people = [
        Heard("user", person.id, person.name, one.note) for one in found for person in one.people
    ]
    places = [Heard("destination", one.place.id, one.place.name, "") for one in found if one.place]
    return tuple({(one.kind, one.id): one for one in reversed([*people, *places])}.values())[::-1]


def first_instant(run: EscalationRun, opened_at: datetime) -> datetime:
    """When the first step of a fresh run is due."""
    delay = run.steps[run.next_step]["delay_minutes"] if run.steps else 0
    return opened_at + timedelta(minutes=delay)
