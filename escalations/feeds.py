"""What a calendar feed says: the shifts of a schedule or of a person, as iCal and as JSON.

The shifts come from the history of the schedules, so the past stays as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse

from escalations.calendars.naming import day_start, named_shifts
from escalations.calendars.writing import CalendarEvent, calendar_text
from escalations.models import CalendarFeed
from escalations.oncall import History, Shift
from escalations.selectors import UNREADABLE, Chronicle, chronicles_of
from escalations.selectors.feeds import schedules_of_person

PAST_DAYS, FUTURE_DAYS = 30, 90
MAX_DAYS = 366


@dataclass(frozen=True)
class FeedWindow:
    """Whole days around today, in each schedule's own zone."""

    past_days: int = PAST_DAYS
    future_days: int = FUTURE_DAYS


@dataclass(frozen=True)
class FeedEntry:
    """One shift with what a reader wants to know of it."""

    uid: str
    shift: Shift
    chronicle: Chronicle
    changed_at: datetime

    @property
    def person(self) -> str:
        """The name of who is on call."""
        return self.chronicle.names.get(self.shift.user_id, "somebody who is gone")


def entries_of(feed: CalendarFeed, *, now: datetime, window: FeedWindow) -> list[FeedEntry]:
    """The shifts that a feed shows, in order. Schedules that cannot be calculated show nothing."""
    ids = schedules_of_person(feed.person_id) if feed.person_id else [feed.schedule_id or 0]
    oldest = now - timedelta(days=window.past_days + 2)
    found = [
        entry
        for chronicle in chronicles_of(ids, now=now, start=oldest).values()
        for entry in _entries(chronicle, now, window)
        if feed.person_id in (None, entry.shift.user_id)
    ]
    return sorted(found, key=lambda e: (e.shift.starts_at, e.shift.ends_at, e.uid))


def _entries(chronicle: Chronicle, now: datetime, window: FeedWindow) -> Iterator[FeedEntry]:
    schedule = chronicle.rota.schedule
    zone = schedule.time_zone
    try:
        shifts = named_shifts(
            chronicle.history,
            zone=zone,
            scope=f"{settings.PUBLIC_URL}/schedules/{schedule.pk}",
            start=day_start(now, zone, plus_days=-window.past_days),
            end=day_start(now, zone, plus_days=window.future_days + 1),
        )
    except UNREADABLE:
        return
    for named in shifts:
        # The first version says how it has always been, not when it was made.
        changed_at = max(_changed_at(chronicle.history, named.shift, now), schedule.created_at)
        yield FeedEntry(named.uid, named.shift, chronicle, changed_at)


def _changed_at(history: History, shift: Shift, now: datetime) -> datetime:
    """When what the shift follows from was last changed: an edit after its end is not about it."""
    until = min(now, shift.ends_at)
    since = [version.since for version in history.versions if version.since <= until]
    return since[-1] if since else history.versions[0].since


def as_ical(feed: CalendarFeed, entries: list[FeedEntry]) -> bytes:
    """The feed as RFC 5545 text; the same for the same shifts."""
    zone = feed.schedule.time_zone if feed.schedule else feed.owner.time_zone
    return calendar_text(
        uid=f"feed-{feed.pk}@{settings.PUBLIC_URL.split('://')[-1]}",
        name=feed.name,
        zone=zone,
        events=[_event(feed, entry) for entry in entries],
    )


def _event(feed: CalendarFeed, entry: FeedEntry) -> CalendarEvent:
    schedule = entry.chronicle.rota.schedule
    what = f"On call: {schedule.name}" if feed.person_id else f"{entry.person}: {schedule.name}"
    because = entry.shift.source
    return CalendarEvent(
        uid=entry.uid,
        summary=what,
        description=f"{entry.person} is on call in {schedule.name} ({because}).",
        url=settings.PUBLIC_URL + reverse("escalations:schedule", args=[schedule.pk]),
        starts_at=entry.shift.starts_at,
        ends_at=entry.shift.ends_at,
        zone=schedule.time_zone,
        changed_at=entry.changed_at,
    )


def as_json(feed: CalendarFeed, entries: list[FeedEntry]) -> dict[str, Any]:
    """The feed for programs: `name`, and `shifts` with instants in UTC."""
    return {"name": feed.name, "shifts": [_json(entry) for entry in entries]}


def _json(entry: FeedEntry) -> dict[str, Any]:
    schedule = entry.chronicle.rota.schedule
    return {
        "id": entry.uid,
        "schedule": {
            "id": schedule.pk,
            "name": schedule.name,
            "time_zone": schedule.time_zone,
        },
        "user": {"id": entry.shift.user_id, "name": entry.person},
        "starts_at": _iso(entry.shift.starts_at),
        "ends_at": _iso(entry.shift.ends_at),
        "source": entry.shift.source,
        "kind": entry.shift.kind,
        "changed_at": _iso(entry.changed_at),
    }


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
