"""When people are on call, whatever the reason, and what becomes different by an edit. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from escalations.oncall import Plan, shifts_between
from opsknight.wall_clock import first_instant, wall_time


@dataclass(frozen=True, order=True)
class Span:
    """[starts_at, ends_at) in UTC."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class DutyChange:
    """What one person's duty gained and lost."""

    new: tuple[Span, ...]
    gone: tuple[Span, ...]


def duties_of_people(plan: Plan, start: datetime, end: datetime) -> dict[int, list[Span]]:
    """Return when each person is on call in [start, end), without the seams between two reasons."""
    spans: dict[int, list[Span]] = {}
    for shift in sorted(shifts_between(plan, start, end), key=lambda s: s.starts_at):
        mine = spans.setdefault(shift.user_id, [])
        if mine and shift.starts_at <= mine[-1].ends_at:
            mine[-1] = Span(mine[-1].starts_at, max(mine[-1].ends_at, shift.ends_at))
        else:
            mine.append(Span(shift.starts_at, shift.ends_at))
    return spans


def changes_between(
    before: Mapping[int, Iterable[Span]], after: Mapping[int, Iterable[Span]]
) -> dict[int, DutyChange]:
    """Return what is different for whom; people for whom nothing is are left out."""
    changes = {}
    for user_id in sorted({*before, *after}):
        old, new = set(before.get(user_id, ())), set(after.get(user_id, ()))
        if old != new:
            changes[user_id] = DutyChange(tuple(sorted(new - old)), tuple(sorted(old - new)))
    return changes


def next_time_at(
    after: datetime, *, at: time, weekdays: frozenset[int], zone: str
) -> datetime | None:
    """Return the first instant after `after` at which the clock of `zone` shows `at` on one of the
    weekdays (0 is Monday); None without weekdays.

    A time that the clock skips means the end of the gap, one that it shows twice the first.
    """
    today = wall_time(after, zone).date()
    for days in range(9):  # a week, and the day on which a gap moved a time past `after`
        day = today + timedelta(days=days)
        instant = first_instant(datetime.combine(day, at), zone)
        if day.weekday() in weekdays and instant > after:
            return instant
    return None


def week_before(at: datetime, zone: str) -> datetime:
    """Return the instant of the same wall time seven days earlier."""
    return first_instant(wall_time(at, zone) - timedelta(days=7), zone)


def in_words(at: datetime, zone: str) -> str:
    """An instant for a message: `Mon 24 Nov 09:00`.

    In UTC, and it says so, where the zone is not known here: one such person must not keep the
    others from being told.
    """
    try:
        return f"{at.astimezone(ZoneInfo(zone)):%a %-d %b %H:%M}"
    except (ValueError, ZoneInfoNotFoundError):
        return f"{at.astimezone(UTC):%a %-d %b %H:%M} UTC"
