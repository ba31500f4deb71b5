"""Calendars coming in: what happens when, with repetitions written out.

A calendar is somebody else's text: a rule may repeat for ever or never, a zone may be unknown.
`isolated.read_calendar` calls this in a process of its own, with limits on time and memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, cast
from zoneinfo import ZoneInfo

import recurring_ical_events
from icalendar import Calendar, Component, Event
from recurring_ical_events import InvalidCalendar

from opsknight.wall_clock import first_instant

MAX_EVENTS = 5_000  # in the window, repetitions counted
TIMES = ("DTSTART", "DTEND", "RECURRENCE-ID")
MAX_TEXT = 500
MAX_ATTENDEES = 50  # of one event; each is written down for every repetition
_DAY = timedelta(days=1)
TOO_OFTEN = ("SECONDLY", "MINUTELY")


class Unreadable(Exception):
    """The text is no calendar that can be used; the message says why, for people."""


@dataclass(frozen=True)
class ReadEvent:
    """One event, or one occurrence of an event that repeats."""

    uid: str
    summary: str
    attendees: tuple[str, ...]  # e-mail addresses in lower case, of those who did not decline
    starts_at: datetime  # UTC
    ends_at: datetime  # UTC


def read_events(text: bytes, *, zone: str, start: datetime, end: datetime) -> list[ReadEvent]:
    """Return the events that touch [start, end), in order; raises Unreadable.

    `zone` is that of times and days that name none. What was cancelled, or takes no time, is left
    out.
    """
    events = [
        event
        for calendar in _calendars(text)
        for component in _occurrences(calendar, start, end)
        if component.get("STATUS") != "CANCELLED"
        and (event := _event(component, zone)).starts_at < event.ends_at
        and event.starts_at < end
        and event.ends_at > start
    ]
    return sorted(events, key=lambda e: (e.starts_at, e.ends_at, e.uid, e.summary))


def _calendars(text: bytes) -> list[Calendar]:
    try:
        # NUL is in no calendar that follows the rules, and cannot be stored.
        found = Calendar.from_ical(text.replace(b"\0", b""), multiple=True)
    except ValueError as error:
        raise Unreadable("The address does not answer with a calendar (iCal).") from error
    calendars = [component for component in found if isinstance(component, Calendar)]
    if not calendars:
        raise Unreadable("The address does not answer with a calendar (iCal).")
    for calendar in calendars:
        for event in calendar.events:
            _check(event)
    return calendars


def _check(event: Event) -> None:
    """Refuse what the libraries would pass over in silence."""
    name = _name(event)
    broken = {str(prop).upper() for prop, _ in event.errors}
    for prop in broken & {*TIMES, "RRULE", "RDATE", "EXDATE", "DURATION"}:
        raise Unreadable(f"The event {name} has a {prop} that cannot be read.")
    if event.get("DTSTART") is None:
        raise Unreadable(f"The event {name} does not say when it starts.")
    for prop in TIMES:
        value = event.get(prop)
        moment = getattr(value, "dt", None)
        zone = value.params.get("TZID") if value is not None else None
        if zone and isinstance(moment, datetime) and moment.tzinfo is None:
            raise Unreadable(f"The event {name} is in the unknown time zone {str(zone)[:80]}.")
    _check_end(event, name)
    for rule in event.rrules:
        if rule.get("FREQ", [""])[0] in TOO_OFTEN or rule.get("INTERVAL", [1])[0] < 1:
            raise Unreadable(f"The event {name} repeats more often than every hour.")


def _check_end(event: Event, name: str) -> None:
    """Refuse an end before its start; the libraries would turn the two around."""
    start: Any = event.get("DTSTART").dt
    end: Any = getattr(event.get("DTEND"), "dt", None)
    if type(start) is type(end) and _is_aware(start) == _is_aware(end) and end < start:
        raise Unreadable(f"The event {name} ends before it starts.")


def _is_aware(at: date | datetime) -> bool:
    return isinstance(at, datetime) and at.tzinfo is not None


def _occurrences(calendar: Calendar, start: datetime, end: datetime) -> Iterable[Event]:
    try:
        query = recurring_ical_events.of(calendar, components=["VEVENT"])
        # A day more on both sides: times without a zone are placed later.
        found = query.between((start - _DAY).replace(tzinfo=UTC), (end + _DAY).replace(tzinfo=UTC))
    except (InvalidCalendar, ValueError, OverflowError) as error:
        why = str(error)[:200]
        raise Unreadable(f"An event repeats by a rule that cannot be read: {why}.") from error
    if len(found) > MAX_EVENTS:
        raise Unreadable(f"It has more than {MAX_EVENTS} events in four months.")
    return cast(list[Event], found)


def _event(component: Event, zone: str) -> ReadEvent:
    try:
        starts_at, ends_at = (_instant(at, zone) for at in (component.start, component.end))
    except (ValueError, OverflowError) as error:
        name = _name(component)
        raise Unreadable(f"The event {name} has times that cannot be used.") from error
    return ReadEvent(
        uid=str(component.get("UID", ""))[:255],
        summary=_summary(component),
        attendees=tuple(islice(dict.fromkeys(_attendees(component)), MAX_ATTENDEES)),
        starts_at=starts_at,
        ends_at=ends_at,
    )


def _instant(at: date | datetime, zone: str) -> datetime:
    """Return the instant in UTC; a day begins at midnight of `zone`."""
    if not isinstance(at, datetime):
        return first_instant(datetime.combine(at, time()), zone)
    local = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
    return local.astimezone(UTC).replace(second=0, microsecond=0)


def _attendees(component: Event) -> Iterable[str]:
    for attendee in component.attendees:
        address: Any = str(attendee)
        declined = str(attendee.params.get("PARTSTAT", "")).upper() == "DECLINED"
        is_mail = address[:7].lower() == "mailto:" and len(address) <= MAX_TEXT
        if is_mail and not declined:
            yield address[len("mailto:") :].strip().lower()


def _summary(component: Component) -> str:
    return " ".join(str(component.get("SUMMARY", "")).split())[:MAX_TEXT]


def _name(component: Component) -> str:
    return f"“{(_summary(component) or str(component.get('UID', '')) or 'without a name')[:80]}”"
