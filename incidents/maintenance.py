"""When a maintenance window holds. Pure: no database, instants are aware and come out in UTC."""

from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from opsknight.wall_clock import first_instant, last_instant, wall_time

# An occurrence is not longer than this, so at most two of one window meet.
LONGEST = {
    "never": timedelta(days=90),
    "daily": timedelta(days=1),
    "weekly": timedelta(days=7),
    "monthly": timedelta(days=28),
}
DAYS = {"daily": 1, "weekly": 7}


class Window(Protocol):
    """What of a `MaintenanceWindow` decides when it holds."""

    @property
    def reason(self) -> str: ...
    @property
    def starts_at(self) -> datetime: ...
    @property
    def ends_at(self) -> datetime: ...
    @property
    def repeat(self) -> str: ...
    @property
    def time_zone(self) -> str: ...
    @property
    def repeat_until(self) -> datetime | None: ...
    @property
    def ended_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a window holds: [starts_at, ends_at)."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What holds now on a service: of several windows, the one that ends last."""

    until: datetime
    reason: str
    time_zone: str

    def told(self, now: datetime) -> str:
        """For the timeline: `Maintenance until 14:00 CET: New disks`."""
        return f"Maintenance until {written_until(self.until, self.time_zone, now)}: {self.reason}"


def occurrence_at(window: Window, at: datetime) -> Occurrence | None:
    """The occurrence that holds at `at`; of two that meet, the later one. None: it does not hold.

    A repeated window keeps the wall clock of its zone, whatever the clocks do: it starts at the
    first and ends at the last instant that shows its time, and a start that is skipped means the
    end of the gap. Monthly on the 31st means the last day of a shorter month.
    """
    holding = [o for o in _near(window, at) if o.starts_at <= at < o.ends_at]
    return holding[-1] if holding else None


def next_occurrence(window: Window, at: datetime) -> Occurrence | None:
    """The occurrence that holds at `at`, else the next one; None: the window is over for good."""
    if (holding := occurrence_at(window, at)) is not None:
        return holding
    ahead = (o for o in _near(window, max(at, window.starts_at)) if o.ends_at > at)
    return next(ahead, None)


def maintenance_at(windows: Iterable[Window], at: datetime) -> Maintenance | None:
    """What these windows of one service make of `at`; None: no maintenance."""
    holding = [(o.ends_at, w) for w in windows if (o := occurrence_at(w, at)) is not None]
    if not holding:
        return None
    until, window = max(holding, key=lambda pair: pair[0])
    return Maintenance(until, window.reason, window.time_zone)


def written_until(until: datetime, zone: str, now: datetime) -> str:
    """An end as people of the zone read it: `14:00 CET`, with its day when that is not today."""
    known = ZoneInfo(_known(zone))
    local, today = until.astimezone(known), now.astimezone(known)
    if local.date() == today.date():
        return f"{local:%H:%M %Z}"
    return f"{local.day} {local:%b %H:%M %Z}"


def _near(window: Window, at: datetime) -> Iterator[Occurrence]:
    """The occurrences around an instant, in order: the one before it, and some after it."""
    if window.repeat == "never":
        numbers: Iterable[int] = (0,)
    else:
        # One may be empty because the clocks skip it, so one more than the two that can matter.
        number = _number_at(window, at)
        numbers = range(max(number - 1, 0), max(number, 0) + 4)
    for number in numbers:
        if occurrence := _occurrence(window, number):
            yield occurrence


def _occurrence(window: Window, number: int) -> Occurrence | None:
    """The occurrence of a number from 0; None: the window has stopped, or the clocks skip it."""
    starts_at, ends_at = window.starts_at.astimezone(UTC), window.ends_at.astimezone(UTC)
    if number > 0:
        zone = _known(window.time_zone)
        first, last = wall_time(starts_at, zone), wall_time(ends_at, zone)
        start = _moved(first, window.repeat, number)
        starts_at = first_instant(start, zone)
        ends_at = last_instant(start + (last - first), zone)
        if window.repeat_until is not None and starts_at > window.repeat_until:
            return None
    if window.ended_at is not None:
        ends_at = min(ends_at, window.ended_at)
    return Occurrence(starts_at, ends_at) if starts_at < ends_at else None


def _number_at(window: Window, at: datetime) -> int:
    """The number of the occurrence whose day, week or month the instant lies in; may be < 0."""
    zone = _known(window.time_zone)
    first, wall = wall_time(window.starts_at, zone), wall_time(at, zone)
    if window.repeat == "monthly":
        return (wall.year - first.year) * 12 + wall.month - first.month
    return (wall.date() - first.date()).days // DAYS[window.repeat]


def _moved(wall: datetime, repeat: str, number: int) -> datetime:
    if repeat != "monthly":
        return wall + timedelta(days=DAYS[repeat] * number)
    years, month = divmod(wall.month - 1 + number, 12)
    year = wall.year + years
    last_day = monthrange(year, month + 1)[1]
    return wall.replace(year=year, month=month + 1, day=min(wall.day, last_day))


@lru_cache(maxsize=512)
def _known(zone: str) -> str:
    """The zone, or UTC for one that this machine does not know any more: alerts must get in."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"
    return zone
