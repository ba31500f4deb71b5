"""Whole shifts with names that last: the same shift keeps its UID from one look to the next.

A shift is recognised by its person and by the day of the schedule's calendar on which it begins
(the second one of that person on that day by being the second). So one that was lengthened,
shortened or moved within its day is still the same, and one that was given to somebody else is
another.
"""

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from escalations.oncall import Plan, Shift, whole_shifts_between
from opsknight.wall_clock import first_instant, wall_time


@dataclass(frozen=True)
class NamedShift:
    """A shift with the UID of its event."""

    uid: str
    shift: Shift


def named_shifts(
    plan: Plan, *, zone: str, scope: str, start: datetime, end: datetime
) -> list[NamedShift]:
    """Return the shifts that touch [start, end), as long as they really are, in order.

    `scope` says which schedule of which installation it is, for the UIDs.
    """
    shifts = whole_shifts_between(plan, start, end)
    # From a midnight on, to count what begins on one day from the first one on.
    since = day_start(min([start, *(shift.starts_at for shift in shifts)]), zone)
    return [
        NamedShift(_uid(scope, key), shift)
        for key, shift in _keyed(whole_shifts_between(plan, since, end), zone, since)
        if shift.ends_at > start
    ]


def day_start(at: datetime, zone: str, *, plus_days: int = 0) -> datetime:
    """Return the instant at which the day of `at` begins in a zone, or a day later or earlier."""
    day = wall_time(at, zone).date() + timedelta(days=plus_days)
    return first_instant(datetime.combine(day, time()), zone)


def _uid(scope: str, key: str) -> str:
    """Return a UUID, as RFC 7986 asks for, that depends on nothing but its arguments."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{scope}/{key}"))


def _keyed(shifts: Iterable[Shift], zone: str, since: datetime) -> list[tuple[str, Shift]]:
    """Give each shift what it is recognised by; in the order of time."""
    seen: Counter[str] = Counter()
    keyed = []
    for shift in sorted(shifts, key=lambda s: (s.starts_at, s.ends_at, s.user_id, s.source)):
        began = shift.starts_at
        # Earlier than `since` begins only what began too long ago to be followed.
        day = "ever" if began < since else wall_time(began, zone).date().isoformat()
        key = f"{shift.user_id}/{day}"
        keyed.append((f"{key}/{seen[key]}", replace(shift, starts_at=max(began, since))))
        seen[key] += 1
    return keyed
