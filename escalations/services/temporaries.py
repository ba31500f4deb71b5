"""Temporary schedules: other shifts than those of the layers for a while, or none at all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from escalations import oncall
from escalations.models import Schedule, TemporarySchedule, TemporaryShift
from escalations.selectors import temporaries_of
from escalations.services.history import TICK, lock_schedules, record_versions
from escalations.services.people import people_by_id, why_not_pageable
from escalations.services.spans import Reasons, Span, ahead_of, reasons_against
from opsknight.errors import Conflict, NotFound
from opsknight.models import User
from opsknight.services.audit import Changes, record_change
from opsknight.services.configuration import invalid
from opsknight.wall_clock import whole_minute

MAX_SHIFTS = 500


@dataclass(frozen=True)
class ShiftInput:
    """Somebody's time on call within a temporary schedule."""

    user_id: int
    starts_at: datetime
    ends_at: datetime


@transaction.atomic
def set_temporary(
    *,
    schedule: Schedule,
    name: str,
    starts_at: datetime,
    ends_at: datetime,
    shifts: Sequence[ShiftInput],
    actor: User | None,
    now: datetime,
    ip: str | None = None,
) -> TemporarySchedule:
    """Let only these shifts be on call in a span, from now on where it began; nobody without any.

    What temporary schedules had in the span before is replaced; those that overlap or touch it
    become one with it. Shifts are cut at the span. Raises InvalidInput.
    """
    _lock(schedule)
    reasons = reasons_against(starts_at, ends_at, now=now) | _reasons_of_shifts(shifts)
    if len(name.strip()) > 200:
        reasons["name"] = ["Use at most 200 characters."]
    if reasons:
        raise invalid(reasons)
    span = ahead_of(starts_at, ends_at, now=now)
    if reasons := _reasons_outside(shifts, span, now):
        raise invalid(reasons)
    wanted = oncall.TemporarySchedule(
        span.starts_at,
        span.ends_at,
        tuple(oncall.FixedShift(s.starts_at, s.ends_at, (s.user_id,)) for s in shifts),
    )
    near = _near(schedule, span)
    before = _described(near)
    merged = oncall.merge_temporaries([_as_data(row) for row in near], wanted)
    rows = _replace(schedule, near, merged, name.strip(), actor, now)
    temporary = next(row for row in rows if row.starts_at <= span.starts_at < row.ends_at)
    changes: Changes = {"temporary_schedules": [before, _described(rows)]}
    _record(temporary, "set", changes, actor=actor, ip=ip)
    record_versions([schedule.pk], now=now, actor=actor)
    return temporary


@transaction.atomic
def cut_temporaries(
    *,
    schedule: Schedule,
    starts_at: datetime,
    ends_at: datetime,
    actor: User | None,
    now: datetime,
    ip: str | None = None,
) -> None:
    """Let the layers and overrides hold again in a span; what is past stays. Raises InvalidInput.

    A temporary schedule with the span in its middle becomes two.
    """
    _lock(schedule)
    if reasons := reasons_against(starts_at, ends_at, now=now):
        raise invalid(reasons)
    span = ahead_of(starts_at, ends_at, now=now)
    near = [
        row
        for row in _near(schedule, span)
        if row.starts_at < span.ends_at and row.ends_at > span.starts_at
    ]
    if not near:
        raise invalid({"starts_at": ["There is no temporary schedule in this time."]})
    for row in near:
        before = _described([row])
        left = oncall.cut_temporary([_as_data(row)], span.starts_at, span.ends_at)
        rows = _replace(schedule, [row], left, row.name, row.created_by, row.created_at)
        changes: Changes = {"temporary_schedules": [before, _described(rows)]}
        record_change(
            actor=actor, action="temporary_schedule.cut", entity=schedule, changes=changes, ip=ip
        )
    record_versions([schedule.pk], now=now, actor=actor)


@transaction.atomic
def end_temporary(
    *, temporary: TemporarySchedule, actor: User | None, now: datetime, ip: str | None = None
) -> None:
    """Let the schedule hold again from now on: one that has not begun is deleted, one that has is
    ended, and its past stays. Raises Conflict for one that is over.
    """
    _lock(temporary.schedule)
    row = temporaries_of(temporary.schedule).filter(pk=temporary.pk).first()
    if row is None:
        raise NotFound("This temporary schedule was deleted meanwhile.")
    if row.ends_at <= now:
        raise Conflict("This temporary schedule is over, and what was cannot be changed.")
    before = _described([row])
    after: list[str] = []
    if row.starts_at > now:
        _record(row, "deleted", {"temporary_schedule": [before, None]}, actor=actor, ip=ip)
        row.delete()
    else:
        row.ends_at = max(whole_minute(now), row.starts_at + TICK)
        row.save(update_fields=["ends_at"])
        row.shifts.filter(starts_at__gte=row.ends_at).delete()
        row.shifts.filter(ends_at__gt=row.ends_at).update(ends_at=row.ends_at)
        after = _described(temporaries_of(row.schedule).filter(pk=row.pk))
        _record(row, "ended", {"temporary_schedule": [before, after]}, actor=actor, ip=ip)
    record_versions([row.schedule_id], now=now, actor=actor)


# Checks and rows


def _lock(schedule: Schedule) -> None:
    if not lock_schedules([schedule.pk]):
        raise NotFound(f"{schedule} was deleted meanwhile.")


def _reasons_of_shifts(shifts: Sequence[ShiftInput]) -> Reasons:
    if len(shifts) > MAX_SHIFTS:
        return {"shifts": [f"Use at most {MAX_SHIFTS} shifts."]}
    people = people_by_id(shift.user_id for shift in shifts)
    reasons: Reasons = {}
    for place, shift in enumerate(shifts):
        if reason := why_not_pageable(shift.user_id, people):
            reasons[f"shifts.{place}.user"] = [reason]
        if whole_minute(shift.ends_at) <= whole_minute(shift.starts_at):
            text = "The end must be at least a minute later than the start."
            reasons[f"shifts.{place}.ends_at"] = [text]
    return reasons


def _reasons_outside(shifts: Sequence[ShiftInput], span: Span, now: datetime) -> Reasons:
    """A shift without any time in the span would vanish without a word; past ones may."""
    return {
        f"shifts.{place}.starts_at": ["This shift lies outside of the temporary schedule."]
        for place, shift in enumerate(shifts)
        if shift.starts_at >= span.ends_at
        or (shift.ends_at <= span.starts_at and shift.ends_at > now)
    }


def _near(schedule: Schedule, span: Span) -> list[TemporarySchedule]:
    """Those that overlap or touch a span, with their shifts."""
    rows = temporaries_of(schedule)
    return list(rows.filter(starts_at__lte=span.ends_at, ends_at__gte=span.starts_at))


def _as_data(row: TemporarySchedule) -> oncall.TemporarySchedule:
    shifts = tuple(
        oncall.FixedShift(shift.starts_at, shift.ends_at, (shift.user_id,))
        for shift in row.shifts.all()
    )
    return oncall.TemporarySchedule(row.starts_at, row.ends_at, shifts)


def _replace(
    schedule: Schedule,
    old: Sequence[TemporarySchedule],
    new: Sequence[oncall.TemporarySchedule],
    name: str,
    actor: User | None,
    now: datetime,
) -> list[TemporarySchedule]:
    """Write `new` in the place of `old`; a row that says the same stays the same row."""
    kept = {(row.starts_at, row.ends_at): row for row in old}
    name = name or next((row.name for row in old if row.name), "")
    spans = {(data.starts_at, data.ends_at) for data in new}
    for span, row in kept.items():
        if span not in spans:
            row.delete()
    rows = []
    for data in new:
        found = kept.get((data.starts_at, data.ends_at))
        row = found or TemporarySchedule(
            schedule=schedule,
            starts_at=data.starts_at,
            ends_at=data.ends_at,
            created_by=actor,
            created_at=now,
        )
        row.name = name
        row.save()
        _write_shifts(row, data)
        rows.append(row)
    return list(temporaries_of(schedule).filter(pk__in=[row.pk for row in rows]))


def _write_shifts(row: TemporarySchedule, data: oncall.TemporarySchedule) -> None:
    row.shifts.all().delete()
    TemporaryShift.objects.bulk_create(
        TemporaryShift(
            temporary=row, user_id=user_id, starts_at=shift.starts_at, ends_at=shift.ends_at
        )
        for shift in data.shifts
        for user_id in shift.user_ids
    )


def _described(rows: Iterable[TemporarySchedule]) -> list[str]:
    """For the audit log: "Fair, 2026-03-01 08:00 to 2026-03-03 08:00 UTC: Bob 2026-…"."""
    return [
        f"{row}: {'; '.join(str(shift) for shift in row.shifts.all()) or 'nobody'}" for row in rows
    ]


def _record(
    row: TemporarySchedule, verb: str, changes: Changes, *, actor: User | None, ip: str | None
) -> None:
    action = f"temporary_schedule.{verb}"
    record_change(actor=actor, action=action, entity=row, changes=changes, ip=ip)
