"""Spans of time that people enter for a schedule: in whole minutes, ahead of now, and sane."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opsknight.wall_clock import FIRST_YEAR, LAST_YEAR, whole_minute

Reasons = dict[str, list[str]]  # by dotted field name

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Span:
    """[starts_at, ends_at) in UTC, whole minutes."""

    starts_at: datetime
    ends_at: datetime


def reasons_against(starts_at: datetime, ends_at: datetime, *, now: datetime) -> Reasons:
    """Why something cannot be planned for this time, by field; empty when it can."""
    years = range(FIRST_YEAR + 1, LAST_YEAR)
    text = f"Use a date between the years {FIRST_YEAR} and {LAST_YEAR}."
    reasons = {
        name: [text]
        for name, moment in (("starts_at", starts_at), ("ends_at", ends_at))
        if moment.year not in years
    }
    if reasons:
        return reasons
    if whole_minute(ends_at) <= whole_minute(starts_at):
        return {"ends_at": ["The end must be at least a minute later than the start."]}
    if whole_minute(ends_at) <= whole_minute(now):
        return {"ends_at": ["This is over, and what was cannot be changed. Choose an end ahead."]}
    return {}


def ahead_of(starts_at: datetime, ends_at: datetime, *, now: datetime) -> Span:
    """The part of a span that is not past: what was stays as it was."""
    starts_at, ends_at = starts_at.astimezone(UTC), ends_at.astimezone(UTC)
    return Span(max(whole_minute(starts_at), whole_minute(now)), whole_minute(ends_at))
