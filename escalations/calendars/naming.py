"""Whole shifts with names that last: the same shift keeps its UID from one look to the next.

A shift is recognised by its person and by the day of the schedule's calendar on which it begins
(the second one of that person on that day by being the second). So one that was lengthened,
shortened or moved within its day is still the same, and one that was given to somebody else is
another.
"""

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from escalations.oncall import Plan, Shift, shifts_between
from opsknight.wall_clock import first_instant, wall_time

# How far back the beginning of a shift is looked for, in days; it is found in the first as a rule.
LOOKS_BACK = (2, 16, 128, 512)


@dataclass(frozen=True)
class NamedShift:
    """A shift with the UID of its event."""

    uid: str
    shift: Shift
    is_truncated: bool  # it goes on after the end of the window


def named_shifts(
    plan: Plan, *, zone: str, scope: str, start: datetime, end: datetime
) -> list[NamedShift]:
    """Return the shifts that touch [start, end), from their true beginning, in order.

    One that began longer ago than the last of LOOKS_BACK begins there. `scope` says which schedule
    of which installation it is, for the UIDs.
    """
    since = _known_from(plan, zone, start)
    keys = _keys(shifts_between(plan, since, end), zone, since)
    return [
        NamedShift(uid_of(scope, key), shift, is_truncated=shift.ends_at >= end)
        for key, shift in keys
        if shift.ends_at > start
    ]


def day_start(at: datetime, zone: str, *, plus_days: int = 0) -> datetime:
    """Return the instant at which the day of `at` begins in a zone, or one days later."""
    day = wall_time(at, zone).date() + timedelta(days=plus_days)
    return first_instant(datetime.combine(day, time()), zone)


def uid_of(scope: str, key: str) -> str:
    """Return a UUID (RFC 7986 asks for one) that depends on nothing but its arguments."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{scope}/{key}"))


def _known_from(plan: Plan, zone: str, start: datetime) -> datetime:
    """Return a midnight before `start`, if possible one that no shift of `start` began before."""
    since = start
    for days in LOOKS_BACK:
        since = day_start(start, zone, plus_days=-days)
        cut = [s for s in shifts_between(plan, since, start) if s.starts_at == since]
        if all(shift.ends_at < start for shift in cut):
            break
    return since


def _keys(shifts: Iterable[Shift], zone: str, since: datetime) -> list[tuple[str, Shift]]:
    """Give each shift what it is recognised by; in the order of time."""
    seen: Counter[str] = Counter()
    keyed = []
    for shift in sorted(shifts, key=lambda s: (s.starts_at, s.ends_at, s.user_id, s.source)):
        is_cut = shift.starts_at <= since
        day = "earlier" if is_cut else wall_time(shift.starts_at, zone).date().isoformat()
        key = f"{shift.user_id}/{day}"
        keyed.append((f"{key}/{seen[key]}", shift))
        seen[key] += 1
    return keyed
