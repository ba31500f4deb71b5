"""When pages are held back: quiet hours and digests, by the wall clock of their person. Pure."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from opsknight.wall_clock import first_instant, last_instant, wall_time

# From the least urgent.
URGENCIES = ("low", "medium", "high")
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class QuietHours:
    """A time of the day in which pages up to some urgency wait."""

    up_to: str  # low, medium or high
    starts: time
    ends: time  # not later than `starts`: on the next day
    weekdays: frozenset[int]  # on which they begin, 0 is Monday; empty: every day
    zone: str

    def end_of(self, at: datetime, urgency: str) -> datetime | None:
        """Until when a page that is due `at` waits; None: it does not."""
        if URGENCIES.index(urgency) > URGENCIES.index(self.up_to):
            return None
        zone = known_zone(self.zone)
        today = wall_time(at, zone).date()
        for day in (today - DAY, today):
            if self.weekdays and day.weekday() not in self.weekdays:
                continue
            last_day = day if self.ends > self.starts else day + DAY
            starts = first_instant(datetime.combine(day, self.starts), zone)
            ends = last_instant(datetime.combine(last_day, self.ends), zone)
            if starts <= at < ends:
                return ends
        return None


@dataclass(frozen=True)
class Digest:
    """How often somebody wants to hear of what was gathered."""

    every: Literal["hourly", "daily"]
    at: time | None  # of the day, for a daily one
    zone: str

    def next_after(self, moment: datetime) -> datetime:
        """When the next one is due: on the full hour, or at its time of the day."""
        if self.at is None or self.every == "hourly":
            return moment.replace(minute=0, second=0, microsecond=0) + HOUR
        zone = known_zone(self.zone)
        day = wall_time(moment, zone).date()
        today = first_instant(datetime.combine(day, self.at), zone)
        if today > moment:
            return today
        return first_instant(datetime.combine(day + DAY, self.at), zone)


def known_zone(name: str) -> str:
    """The zone, or UTC for one that this machine does not know: the page must go out."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return "UTC"
    return name
