"""Time zones as RFC 5545 writes them, for the years that a calendar shows.

Made here and not by `icalendar`, which takes the wall clock after a change for the one before it
when clocks go forward (7.3.0), an hour too late.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard


@lru_cache(maxsize=256)
def observances(zone: str, start: datetime, end: datetime) -> tuple[datetime, ...]:
    """Return `start` and the instants of [start, end) at which the zone's offset or name changes.

    To the second. Kept, as finding them takes a millisecond for each year.
    """
    rules = ZoneInfo(zone)
    found, day = [start], start
    while day < end:
        next_day = day + timedelta(days=1)
        if _look(day, rules) != _look(next_day, rules):
            found.append(_change(day, next_day, rules))
        day = next_day
    return tuple(found)


def time_zone(zone: str, start: datetime, end: datetime) -> Timezone:
    """Return the VTIMEZONE of a zone, right for all instants of [start, end); both in UTC."""
    rules = ZoneInfo(zone)
    component = Timezone()
    component.add("tzid", zone)
    before = _offset(start, rules)
    for change in observances(zone, start, end):
        local = change.astimezone(rules)
        part = TimezoneDaylight() if local.dst() else TimezoneStandard()
        # The onset on the wall clock that is about to be changed.
        part.add("dtstart", (change + before).replace(tzinfo=None))
        part.add("tzoffsetfrom", before)
        part.add("tzoffsetto", _offset(change, rules))
        part.add("tzname", local.tzname() or zone)
        component.add_component(part)
        before = _offset(change, rules)
    return component


def _look(at: datetime, rules: ZoneInfo) -> tuple[timedelta, str | None]:
    local = at.astimezone(rules)
    return _offset(at, rules), local.tzname()


def _offset(at: datetime, rules: ZoneInfo) -> timedelta:
    return at.astimezone(rules).utcoffset() or timedelta()


def _change(before: datetime, after: datetime, rules: ZoneInfo) -> datetime:
    """Return the first second at which the zone looks as it does at `after`."""
    old, new = 0, int((after - before).total_seconds())
    look = _look(before, rules)
    while new - old > 1:
        middle = (old + new) // 2
        if _look(before + timedelta(seconds=middle), rules) == look:
            old = middle
        else:
            new = middle
    return (before + timedelta(seconds=new)).astimezone(UTC)
