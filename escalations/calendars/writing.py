"""Calendars going out, as RFC 5545 text."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, vDuration, vText

from escalations.calendars.zones import time_zone

PRODUCT = "-//OpsKnight//On call//EN"
REFRESH = timedelta(minutes=15)
# The zones are described for this much before the first event and after the last.
MARGIN = timedelta(days=2)


@dataclass(frozen=True)
class CalendarEvent:
    """One shift as calendars show it."""

    uid: str
    summary: str
    description: str
    url: str
    starts_at: datetime  # UTC
    ends_at: datetime  # UTC
    zone: str  # in which it is written
    changed_at: datetime  # UTC


def calendar_text(*, uid: str, name: str, zone: str, events: Sequence[CalendarEvent]) -> bytes:
    """Return the calendar, with CRLF and folded lines; the same for the same arguments.

    `zone` is what a calendar program may show the calendar in as a whole.
    """
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("uid", uid)
    calendar.add("name", name)
    calendar.add("x-wr-calname", name)
    calendar.add("x-wr-timezone", vText(zone))
    calendar.add("refresh-interval", vDuration(REFRESH), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(REFRESH))
    for used in sorted({event.zone for event in events if not _is_utc(event.zone)}):
        calendar.add_component(_zone(used, events))
    for event in events:
        calendar.add_component(_component(event))
    return bytes(calendar.to_ical(sorted=False))


def _zone(zone: str, events: Sequence[CalendarEvent]) -> Timezone:
    first = min(event.starts_at for event in events) - MARGIN
    last = max(event.ends_at for event in events) + MARGIN
    return time_zone(zone, first, last)


def _component(event: CalendarEvent) -> Event:
    component = Event()
    component.add("uid", event.uid)
    # Without a METHOD, DTSTAMP means the last change (RFC 5545, 3.8.7.2).
    component.add("dtstamp", event.changed_at.astimezone(UTC).replace(microsecond=0))
    component.add("last-modified", event.changed_at.astimezone(UTC).replace(microsecond=0))
    component.add("dtstart", _written(event.starts_at, event.zone))
    component.add("dtend", _written(event.ends_at, event.zone))
    component.add("summary", event.summary)
    component.add("description", event.description)
    component.add("url", event.url)
    component.add("status", "CONFIRMED")
    component.add("transp", "TRANSPARENT")  # on call is not busy
    return component


def _written(at: datetime, zone: str) -> datetime:
    """Return the instant in its zone, or in UTC where the zone's clock shows this time again.

    A local time that occurs twice means the first one in a calendar.
    """
    local = at.astimezone(ZoneInfo(zone))
    return at.astimezone(UTC) if local.fold or _is_utc(zone) else local


def _is_utc(zone: str) -> bool:
    return zone in ("UTC", "Etc/UTC")
