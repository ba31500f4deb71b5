"""Temporary schedules: what they put in the place of everything else, and how they are edited."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from escalations.oncall.clock import minute_of
from escalations.oncall.spec import FixedShift, TemporarySchedule
from escalations.oncall.timeline import Duties, Duty, Piece, overlay, together
from opsknight.wall_clock import to_utc, whole_minute

SOURCE = "Temporary schedule"


def with_temporaries(
    parts: Sequence[Piece[Duties]], temporaries: Sequence[TemporarySchedule], start: int, end: int
) -> list[Piece[Duties]]:
    """Return the parts of [start, end), in the span of a temporary schedule only its own shifts.

    Where two overlap, both are on call.
    """
    instead = [piece for one in temporaries for piece in _pieces(one, start, end)]
    if not instead:
        return list(parts)
    # A part of the schedule is the first value, as the parts come first and leave no hole.
    return [
        (starts_at, ends_at, together(groups[1:]) if len(groups) > 1 else groups[0])
        for starts_at, ends_at, groups in overlay([*parts, *instead], start, end)
    ]


def _pieces(temporary: TemporarySchedule, start: int, end: int) -> list[Piece[Duties]]:
    start = max(start, minute_of(temporary.starts_at))
    end = min(end, minute_of(temporary.ends_at))
    shifts = [
        (minute_of(shift.starts_at), minute_of(shift.ends_at), _duties(shift))
        for shift in temporary.shifts
    ]
    return [
        (starts_at, ends_at, together(groups))
        for starts_at, ends_at, groups in overlay(shifts, start, end)
    ]


def _duties(shift: FixedShift) -> Duties:
    return tuple(Duty(user_id, SOURCE, "temporary") for user_id in shift.user_ids)


# Editing


def merge_temporaries(
    existing: Sequence[TemporarySchedule], new: TemporarySchedule
) -> tuple[TemporarySchedule, ...]:
    """Return the temporary schedules with `new` in the place of what they had in its span.

    Those that overlap or touch become one, whose shifts lie within it; so do shifts of one person.
    """
    kept = cut_temporary(existing, new.starts_at, new.ends_at)
    spans = sorted([*kept, new], key=lambda one: to_utc(one.starts_at))
    merged: list[TemporarySchedule] = []
    for one in filter(None, map(_clamped, spans)):
        if merged and one.starts_at <= merged[-1].ends_at:
            last = merged.pop()
            ends_at = max(last.ends_at, one.ends_at)
            one = TemporarySchedule(last.starts_at, ends_at, (*last.shifts, *one.shifts))
        merged.append(one)
    return tuple(replace(one, shifts=_joined(one.shifts)) for one in merged)


def cut_temporary(
    temporaries: Iterable[TemporarySchedule], start: datetime, end: datetime
) -> tuple[TemporarySchedule, ...]:
    """Return the temporary schedules without [start, end): one with that in its middle is two."""
    first, last = whole_minute(to_utc(start)), whole_minute(to_utc(end))
    if first >= last:
        return tuple(temporaries)
    kept: list[TemporarySchedule | None] = []
    for one in temporaries:
        starts_at, ends_at = whole_minute(to_utc(one.starts_at)), whole_minute(to_utc(one.ends_at))
        if ends_at <= first or starts_at >= last:
            kept.append(one)
            continue
        kept.append(_clamped(replace(one, ends_at=first)))
        kept.append(_clamped(replace(one, starts_at=last)))
    return tuple(one for one in kept if one)


def _clamped(temporary: TemporarySchedule) -> TemporarySchedule | None:
    """A temporary schedule in whole minutes with the parts of its shifts within it, if any time."""
    start = whole_minute(to_utc(temporary.starts_at))
    end = whole_minute(to_utc(temporary.ends_at))
    if start >= end:
        return None
    shifts = []
    for shift in temporary.shifts:
        starts_at = max(start, whole_minute(to_utc(shift.starts_at)))
        ends_at = min(end, whole_minute(to_utc(shift.ends_at)))
        if starts_at < ends_at:
            shifts.append(FixedShift(starts_at, ends_at, shift.user_ids))
    return TemporarySchedule(start, end, tuple(shifts))


def _joined(shifts: Iterable[FixedShift]) -> tuple[FixedShift, ...]:
    """Shifts of one person each, in order; those of a person that overlap or touch are one."""
    joined: list[FixedShift] = []
    last_of: dict[int, int] = {}  # where the last shift of a person is in `joined`
    for shift in sorted(shifts, key=lambda one: one.starts_at):
        for user_id in dict.fromkeys(shift.user_ids):
            index = last_of.get(user_id)
            if index is not None and shift.starts_at <= joined[index].ends_at:
                ends_at = max(shift.ends_at, joined[index].ends_at)
                joined[index] = replace(joined[index], ends_at=ends_at)
            else:
                last_of[user_id] = len(joined)
                joined.append(replace(shift, user_ids=(user_id,)))
    return tuple(joined)
