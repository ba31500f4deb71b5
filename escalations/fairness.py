"""Who carries how much: hours on call per person, those at night and on weekends apart.

Pure: no ORM, no clock. Nights and weekends are by the wall clock of a zone; hours are real ones, so
a night in which clocks go back has one more.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from escalations.oncall import Shift
from opsknight.wall_clock import first_instant, last_instant, wall_time

NIGHT_STARTS, NIGHT_ENDS = time(22), time(6)
SATURDAY = 5

Interval = tuple[datetime, datetime]  # [from, to) in UTC


@dataclass
class Load:
    """What one person has of a range."""

    user_id: int
    total: timedelta = field(default_factory=timedelta)
    nights: timedelta = field(default_factory=timedelta)  # 22:00 to 06:00
    weekends: timedelta = field(default_factory=timedelta)  # Saturdays and Sundays
    shifts: int = 0


def loads_of(shifts: Iterable[Shift], *, start: datetime, end: datetime, zone: str) -> list[Load]:
    """The load of everybody in `shifts`, which lie in [start, end); the heaviest first."""
    nights, weekends = _nights(start, end, zone), _weekends(start, end, zone)
    loads: dict[int, Load] = {}
    for shift in shifts:
        load = loads.setdefault(shift.user_id, Load(shift.user_id))
        span = (shift.starts_at, shift.ends_at)
        load.total += span[1] - span[0]
        load.nights += _common(span, nights)
        load.weekends += _common(span, weekends)
        load.shifts += 1
    return sorted(loads.values(), key=lambda load: (-load.total, load.user_id))


def _common(span: Interval, sorted_intervals: Sequence[Interval]) -> timedelta:
    """How much of a span lies in intervals that are in order and do not overlap."""
    found = timedelta()
    place = max(bisect_right(sorted_intervals, span[0], key=lambda each: each[0]) - 1, 0)
    for first, last in sorted_intervals[place:]:
        if first >= span[1]:
            break
        found += max(min(last, span[1]) - max(first, span[0]), timedelta())
    return found


def _nights(start: datetime, end: datetime, zone: str) -> list[Interval]:
    return [
        (
            first_instant(datetime.combine(day, NIGHT_STARTS), zone),
            last_instant(datetime.combine(day + timedelta(days=1), NIGHT_ENDS), zone),
        )
        for day in _days(start, end, zone)
    ]


def _weekends(start: datetime, end: datetime, zone: str) -> list[Interval]:
    return [
        (
            first_instant(datetime.combine(day, time()), zone),
            first_instant(datetime.combine(day + timedelta(days=2), time()), zone),
        )
        for day in _days(start, end, zone)
        if day.weekday() == SATURDAY
    ]


def _days(start: datetime, end: datetime, zone: str) -> Iterable[date]:
    """The days of a range, from two before it: a weekend may have begun then."""
    day = wall_time(start, zone).date() - timedelta(days=2)
    last = wall_time(end, zone).date()
    while day <= last:
        yield day
        day += timedelta(days=1)
