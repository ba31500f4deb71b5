"""What keeps policies from paging as they are meant to: said before an incident finds it out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from escalations import oncall
from escalations.models import EscalationPolicy, PolicyStep, TargetSnapshot
from escalations.selectors import UNREADABLE, steps_of
from escalations.services.recipients import Book, Directory, load_book
from escalations.snapshots import fallback_snapshot_of, snapshot_of_target

LOOKED_AHEAD = timedelta(days=7)


@dataclass(frozen=True)
class Warned:
    """One thing that is wrong with a policy."""

    text: str  # "Step 2: Bob is not active: the account is disabled"
    schedule_id: int | None = None  # the schedule that must be mended
    gap_starts_at: datetime | None = None  # when nobody is on call in it; the zone:
    zone: str = ""


@dataclass(frozen=True)
class Health:
    """A policy's steps, and what is wrong with it."""

    steps: tuple[PolicyStep, ...]
    warnings: tuple[Warned, ...]


@dataclass(frozen=True)
class Checked:
    """Everybody and everything that some policies name, as it is at `now`."""

    book: Book
    directory: Directory
    gaps: dict[int, datetime]  # where nobody will be on call within seven days, by schedule


def health_of(policies: Sequence[EscalationPolicy], *, now: datetime) -> dict[int, Health]:
    """The steps and warnings of many policies, by id; 13 queries at most, however many.

    `policies` with their fallbacks read.
    """
    steps: dict[int, list[PolicyStep]] = {policy.pk: [] for policy in policies}
    for step in steps_of(steps):
        steps[step.policy_id].append(step)
    targets = [target for rows in steps.values() for step in rows for target in _targets_of(step)]
    fallbacks = {policy.pk: fallback_snapshot_of(policy) for policy in policies}
    targets += [fallback for fallback in fallbacks.values() if fallback is not None]
    book = load_book(targets=targets, user_ids=[], team_ids=[], since=now)
    checked = Checked(book, book.at(now), _first_gaps(book, now))
    return {
        pk: Health(tuple(rows), tuple(_warnings(rows, fallbacks[pk], checked)))
        for pk, rows in steps.items()
    }


def _targets_of(step: PolicyStep) -> list[TargetSnapshot]:
    return [snapshot_of_target(target) for target in step.targets.all()]


def _first_gaps(book: Book, now: datetime) -> dict[int, datetime]:
    gaps = {}
    for pk, rota in book.rotas.items():
        try:
            found = oncall.gaps_between(rota.spec, now, now + LOOKED_AHEAD)
        except UNREADABLE:
            continue  # the directory says so
        if found:
            gaps[pk] = found[0].starts_at
    return gaps


def _warnings(
    steps: Sequence[PolicyStep], fallback: TargetSnapshot | None, checked: Checked
) -> Iterable[Warned]:
    if not steps:
        yield Warned("It has no steps, so incidents page the team of their service instead")
    for number, step in enumerate(steps, start=1):
        targets = _targets_of(step)
        if not targets:
            yield Warned(f"Step {number} pages nobody")
        for target in targets:
            yield from _of_target(f"Step {number}", target, checked)
    if fallback is not None:
        yield from _of_target("Final fallback", fallback, checked)


def _of_target(where: str, target: TargetSnapshot, checked: Checked) -> Iterable[Warned]:
    schedule_id = target["id"] if target["kind"] == "schedule" else None
    if problem := checked.directory.find(target).problem:
        yield Warned(f"{where}: {problem}", schedule_id)
    elif schedule_id is not None and schedule_id in checked.gaps:
        zone = checked.book.rotas[schedule_id].schedule.time_zone
        text = f"{where}: nobody will be on call in {target['label']} from"
        yield Warned(text, schedule_id, checked.gaps[schedule_id], zone)
