"""When a layer may be on call: weekly times on the wall clock, and what they are as instants."""

from collections.abc import Iterator
from datetime import datetime, time
from functools import lru_cache
from typing import TypeAlias

from escalations.oncall.clock import (
    DAY,
    HOUR,
    MINUTE,
    WEEK,
    Clock,
    clock_of,
    monday_before,
    seconds_of,
)
from escalations.oncall.spec import Restriction
from opsknight.wall_clock import to_utc

# Wall seconds from Monday, 00:00: [opens, closes), in order and apart; one that runs over Sunday
# night closes after WEEK.
Week: TypeAlias = tuple[tuple[int, int], ...]

ALWAYS: Week = ((0, WEEK),)
NEVER: Week = ()


def is_open(restrictions: tuple[Restriction, ...], zone: str, at: datetime) -> bool:
    """Return whether a time of the week that somebody chose is now; without any, always."""
    instant = seconds_of(to_utc(at))
    week = week_of(restrictions)
    return bool(openings_between(week, clock_of(zone), instant, instant + 1))


@lru_cache(maxsize=4096)
def week_of(restrictions: tuple[Restriction, ...]) -> Week:
    """Return the open times of a week, joined where they touch; ALWAYS where there is no rule."""
    if not restrictions:
        return ALWAYS
    joined: list[tuple[int, int]] = []
    for opens, closes in sorted(
        _opening(restriction, weekday)
        for restriction in restrictions
        for weekday in restriction.weekdays
    ):
        if joined and opens <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], closes))
        else:
            joined.append((opens, closes))
    return _joined_over_sunday(joined)


def _opening(restriction: Restriction, weekday: int) -> tuple[int, int]:
    opens, closes = _day_seconds(restriction.starts), _day_seconds(restriction.ends)
    if closes <= opens:
        closes += DAY
    return weekday * DAY + opens, weekday * DAY + closes


def _day_seconds(clock_time: time) -> int:
    return clock_time.hour * HOUR + clock_time.minute * MINUTE


def _joined_over_sunday(week: list[tuple[int, int]]) -> Week:
    while len(week) > 1 and week[0][0] + WEEK <= week[-1][1]:
        _, closes = week.pop(0)
        week[-1] = (week[-1][0], max(week[-1][1], closes + WEEK))
    if week and week[-1][1] - week[-1][0] >= WEEK:
        return ALWAYS
    return tuple(week)


def wall_openings(week: Week, wall: int) -> Iterator[tuple[int, int]]:
    """Yield [opens, closes) in wall seconds, from one that is over before `wall`.

    For ever, or not at all where a layer never opens.
    """
    monday = monday_before(wall) - WEEK
    while week:
        for opens, closes in week:
            yield monday + opens, monday + closes
        monday += WEEK


def openings_between(week: Week, clock: Clock, start: int, end: int) -> list[tuple[int, int]]:
    """Return the open times in [start, end) as instants, cut there, in order and apart.

    Each starts the first time and closes the last time that the clock shows it, so that those that
    meet in a repeated hour overlap and leave no hole.
    """
    if week == ALWAYS:
        return [(start, end)]
    openings: list[tuple[int, int]] = []
    # A day earlier, as the clock may go back to the day before.
    wall = clock.wall(start) - DAY
    for opens, closes in wall_openings(week, wall):
        if closes < wall:
            continue
        opens_at = max(clock.first_instant(opens), start)
        if opens_at >= end:
            break
        closes_at = min(clock.last_instant(closes), end)
        if openings and opens_at <= openings[-1][1]:
            opens_at = openings.pop()[0]
        if opens_at < closes_at:
            openings.append((opens_at, closes_at))
    return openings
