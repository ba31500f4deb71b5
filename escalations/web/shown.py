"""Which time a schedule's page shows, and in which zone: all of it stands in the address."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlencode

from escalations.timeline_svg import day_start
from opsknight.wall_clock import wall_time

MINE = "mine"
FIRST_YEAR, LAST_YEAR = 1971, 2190  # days around them are calculated, too


class View(StrEnum):
    """How much of the calendar is shown."""

    DAY = "day"
    WEEK = "week"
    FORTNIGHT = "fortnight"
    MONTH = "month"

    @property
    def label(self) -> str:
        """Its name on the switch."""
        return "2 weeks" if self is View.FORTNIGHT else self.value.capitalize()


class Span(Protocol):
    """A time that a timeline shows."""

    @property
    def start(self) -> datetime:
        """The first instant."""

    @property
    def end(self) -> datetime:
        """The first instant after it."""

    @property
    def zone(self) -> str:
        """By whose clock."""


@dataclass(frozen=True)
class DaysAhead:
    """Some days from one on, for a preview."""

    first: date
    days: int
    zone: str

    @property
    def view(self) -> View:
        """The switch it is closest to, which says how wide a phone draws it."""
        if self.days <= 7:
            return View.WEEK
        return View.FORTNIGHT if self.days <= 14 else View.MONTH

    @property
    def start(self) -> datetime:
        """The first instant."""
        return day_start(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The first instant after it."""
        return day_start(self.first + timedelta(days=self.days), self.zone)


@dataclass(frozen=True)
class Window:
    """Whole days, from `first` on, by the clock of `zone`."""

    view: View
    first: date
    zone: str
    is_mine: bool  # the viewer's zone, not the schedule's
    today: date
    is_dated: bool  # the address names the day

    @property
    def after(self) -> date:
        """The first day that is not shown any more; the next window starts on it."""
        match self.view:
            case View.DAY:
                return self.first + timedelta(days=1)
            case View.WEEK:
                return self.first + timedelta(days=7)
            case View.FORTNIGHT:
                return self.first + timedelta(days=14)
            case View.MONTH:
                return (self.first + timedelta(days=31)).replace(day=1)

    @property
    def before(self) -> date:
        """The first day of the window before."""
        if self.view is View.MONTH:
            return (self.first - timedelta(days=1)).replace(day=1)
        return self.first - (self.after - self.first)

    @property
    def start(self) -> datetime:
        """The first instant."""
        return day_start(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The first instant after the window."""
        end = day_start(self.after, self.zone)
        # A zone that moves across the date line skips a day, which then has no time at all.
        return end if end > self.start else day_start(self.after + timedelta(days=1), self.zone)

    @property
    def has_today(self) -> bool:
        """Whether today is shown."""
        return self.first <= self.today < self.after

    @property
    def title(self) -> str:
        """The days in words: "Mon 23 Nov to Sun 6 Dec 2026"."""
        if self.view is View.DAY:
            return f"{self.first:%A} {self.first.day} {self.first:%B %Y}"
        if self.view is View.MONTH:
            return f"{self.first:%B %Y}"
        last = self.after - timedelta(days=1)
        first = f"{self.first:%a} {self.first.day} {self.first:%b}"
        return f"{first} to {last:%a} {last.day} {last:%b %Y}"

    # Addresses: queries of this page, each with everything else as it is.

    @property
    def previous_query(self) -> str:
        """One window back."""
        return self._query(day=self.before)

    @property
    def next_query(self) -> str:
        """One window on."""
        return self._query(day=self.after)

    @property
    def today_query(self) -> str:
        """Back to now."""
        return self._query(day=None)

    @property
    def zone_query(self) -> str:
        """The same days in the other zone."""
        return self._query(day=self._kept, is_mine=not self.is_mine)

    @property
    def views(self) -> list[tuple[View, str, bool]]:
        """The switch: each view, its query, and whether it is this one."""
        return [(view, self._query(day=self._kept, view=view), view is self.view) for view in View]

    @property
    def _kept(self) -> date | None:
        return self.first if self.is_dated and not self.has_today else None

    def _query(
        self, *, day: date | None, view: View | None = None, is_mine: bool | None = None
    ) -> str:
        mine = self.is_mine if is_mine is None else is_mine
        parts = {
            "view": (view or self.view).value,
            "from": day.isoformat() if day else "",
            "zone": MINE if mine else "",
        }
        return "?" + urlencode({name: value for name, value in parts.items() if value})


def read_window(
    query: Mapping[str, str], *, zone: str, viewer_zone: str, now: datetime, default: View
) -> Window:
    """The window that an address asks for; what cannot be understood is left out."""
    is_mine = query.get("zone") == MINE and viewer_zone != zone
    shown_zone = viewer_zone if is_mine else zone
    wanted = query.get("view", "")
    view = View(wanted) if wanted in list(View) else default
    today = wall_time(now, shown_zone).date()
    asked = read_day(query.get("from", ""))
    first = _snapped(asked or today, view)
    return Window(view, first, shown_zone, is_mine, today, is_dated=asked is not None)


def read_day(text: str) -> date | None:
    """A date as 2026-11-23, in years for which days can be counted; None for anything else."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None


def _snapped(day: date, view: View) -> date:
    """Weeks start on Monday, months on their first."""
    match view:
        case View.DAY:
            return day
        case View.WEEK | View.FORTNIGHT:
            return day - timedelta(days=day.weekday())
        case View.MONTH:
            return day.replace(day=1)
