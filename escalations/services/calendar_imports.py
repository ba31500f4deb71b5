"""Layers whose shifts come from a calendar elsewhere: asked for it every few minutes.

What was read last stays until something else can be read: an address that fails empties nothing.
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpcore
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from escalations.calendars.addresses import read_address
from escalations.calendars.isolated import read_calendar
from escalations.calendars.matching import Known, People
from escalations.calendars.reading import ReadEvent, Unreadable
from escalations.models import CalendarRead, ImportedShift, ScheduleLayer
from escalations.services.history import lock_schedules, record_versions
from notifications.outgoing_http import (
    BadRedirect,
    Fetched,
    PrivateAddress,
    TooLarge,
    get,
)
from opsknight.encryption import CannotDecrypt
from opsknight.models import User

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=5)
SECONDS = 20.0  # for one request with its redirects
MAX_BYTES = 5 * 1024 * 1024
BATCH = 10  # layers at once
PARALLEL = 5
# Whole weeks: what is read does not change with every day that passes.
WEEKS = 17
MAX_NAMED = 5  # events that a remark names
MAX_SHIFTS = 10_000  # of one layer
STAYS = "The shifts that were read before stay."


@dataclass(frozen=True)
class Question:
    """What is asked of one calendar."""

    address: str
    zone: str
    start: datetime
    end: datetime
    digest: str  # of all of it, and of who could be meant
    etag: str  # of the answer to the same question; empty: unknown


@dataclass(frozen=True)
class NoCalendar:
    """Nothing came; the reason is for people."""

    reason: str


def import_due_calendars(*, now: datetime) -> int:
    """Ask for the calendars that were not asked for in the last minutes; returns how many.

    Each is claimed first, so that two workers do not ask for the same one.
    """
    layers = _claim(now)
    people = _known_people() if layers else []
    questions = {layer.pk: _question(layer, people, now) for layer in layers}
    with ThreadPoolExecutor(PARALLEL) as pool:  # the network only; no database in these threads
        answers = dict(zip(questions, pool.map(_ask, questions.values()), strict=True))
    for layer in layers:
        try:
            _take(layer, questions[layer.pk], answers[layer.pk], people, now)
        except Exception:  # somebody else's text: what breaks one must not keep the others back
            logger.exception("The calendar of layer %s could not be taken over.", layer.pk)
    return len(layers)


# Asking


def due_calendars(now: datetime) -> QuerySet[ScheduleLayer]:
    """The calendar layers to be asked for again, the longest waiting first."""
    return (
        ScheduleLayer.objects.filter(source=ScheduleLayer.Source.CALENDAR)
        .filter(Q(calendar_checked_at=None) | Q(calendar_checked_at__lte=now - EVERY))
        .filter(Q(ends_at=None) | Q(ends_at__gt=now))
        .select_related("schedule")
        .defer("calendar_url")
        .order_by(F("calendar_checked_at").asc(nulls_first=True), "pk")
    )


@transaction.atomic
def _claim(now: datetime) -> list[ScheduleLayer]:
    layers = list(due_calendars(now).select_for_update(of=("self",), skip_locked=True)[:BATCH])
    ScheduleLayer.objects.filter(pk__in=[layer.pk for layer in layers]).update(
        calendar_checked_at=now
    )
    return layers


def _known_people() -> list[Known]:
    rows = User.objects.order_by("pk").values_list("pk", "name", "email")
    return [Known(*row) for row in rows]


def _question(
    layer: ScheduleLayer, people: Sequence[Known], now: datetime
) -> Question | NoCalendar:
    try:
        address = read_address(layer.calendar_url)
    except CannotDecrypt:
        return NoCalendar("Its address cannot be decrypted. Enter it anew.")
    except ValueError as error:
        return NoCalendar(str(error))
    start, end = window(now)
    zone = layer.schedule.time_zone
    digest = _digest(address, zone, start, people)
    last = CalendarRead.objects.filter(layer=layer, question_digest=digest).first()
    return Question(address, zone, start, end, digest, last.etag if last else "")


def window(now: datetime) -> tuple[datetime, datetime]:
    """What is read of a calendar: from last Monday's week on, at least 15 weeks ahead."""
    monday = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=now.weekday())
    return monday - timedelta(weeks=1), monday + timedelta(weeks=WEEKS - 1)


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _ask(question: Question | NoCalendar) -> Fetched | NoCalendar:
    if isinstance(question, NoCalendar):
        return question
    headers = {
        "Accept": "text/calendar",
        "Accept-Encoding": "identity",
        "User-Agent": "OpsKnight",
    }
    if question.etag:
        headers["If-None-Match"] = question.etag
    try:
        answer = get(
            question.address,
            headers=headers,
            seconds=SECONDS,
            max_bytes=MAX_BYTES,
            allow_private=settings.CALENDAR_ALLOW_PRIVATE,
        )
    except PrivateAddress:
        return NoCalendar("The address leads into a private network.")
    except TooLarge:
        return NoCalendar(f"The calendar is larger than {MAX_BYTES // 1024**2} MB.")
    except BadRedirect as error:
        return NoCalendar(str(error))
    except httpcore.TimeoutException:
        return NoCalendar(f"The address did not answer within {SECONDS:.0f} seconds.")
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        return NoCalendar(f"There is no connection to the address: {error or 'it broke off'}.")
    if answer.status not in (200, 304):
        return NoCalendar(f"The address answers {answer.status} instead of a calendar.")
    return answer


# Taking over


def _take(
    layer: ScheduleLayer,
    question: Question | NoCalendar,
    answer: Fetched | NoCalendar,
    people: Sequence[Known],
    now: datetime,
) -> None:
    if isinstance(question, NoCalendar) or isinstance(answer, NoCalendar):
        reason = answer.reason if isinstance(answer, NoCalendar) else "There is no address."
        _remark(layer, f"{reason} {STAYS}")
        return
    last = CalendarRead.objects.filter(layer=layer, question_digest=question.digest).first()
    text_digest = hashlib.sha256(answer.body).hexdigest()
    if last is not None and (answer.status == 304 or last.text_digest == text_digest):
        _remark(layer, last.remark)
        return
    read = CalendarRead(
        layer=layer,
        question_digest=question.digest,
        text_digest=text_digest,
        etag=answer.headers.get("etag", "")[:255],
        read_at=now,
    )
    try:
        events = read_calendar(
            answer.body, zone=question.zone, start=question.start, end=question.end
        )
        shifts, read.remark = _shifts(layer, events, People(people))
    except Unreadable as error:
        read.remark = f"{error} {STAYS}"
        _save(layer, read, None, now)
        return
    _save(layer, read, shifts, now)


def _remark(layer: ScheduleLayer, text: str) -> None:
    ScheduleLayer.objects.filter(pk=layer.pk).exclude(calendar_error=text).update(
        calendar_error=text
    )


def _shifts(
    layer: ScheduleLayer, events: Iterable[ReadEvent], people: People
) -> tuple[list[ImportedShift], str]:
    """The rows of the events, and a remark that names events of which nobody is known.

    Raises Unreadable for too many: a part of them would leave times without anybody.
    """
    shifts: list[ImportedShift] = []
    unknown: list[ReadEvent] = []
    for event in events:
        user_ids = people.in_event(event)
        if not user_ids:
            unknown.append(event)
        shifts += [
            ImportedShift(
                layer=layer,
                user_id=user_id,
                starts_at=event.starts_at,
                ends_at=event.ends_at,
                uid=event.uid,
            )
            for user_id in user_ids
        ]
    if len(shifts) > MAX_SHIFTS:
        raise Unreadable(f"It has more than {MAX_SHIFTS} shifts in four months.")
    return shifts, _unknown_remark(unknown)


def _unknown_remark(events: Sequence[ReadEvent]) -> str:
    if not events:
        return ""
    named = [
        f"“{event.summary[:60] or 'without a name'}” on {event.starts_at:%Y-%m-%d}"
        for event in events[:MAX_NAMED]
    ]
    more = f" and {len(events) - MAX_NAMED} more" if len(events) > MAX_NAMED else ""
    return (
        f"Nobody with an account is named in {', '.join(named)}{more}. Invite the person to the "
        "event, or write the e-mail address or the whole name of one person into its title."
    )


@transaction.atomic
def _save(
    layer: ScheduleLayer, read: CalendarRead, shifts: list[ImportedShift] | None, now: datetime
) -> None:
    """Replace the shifts of a layer as a whole, unless its address was changed meanwhile.

    `shifts` None: they stay as they are.
    """
    lock_schedules([layer.schedule_id])
    # Whoever enters another address empties the instant that `_claim` wrote.
    still_asked = ScheduleLayer.objects.filter(
        pk=layer.pk, calendar_checked_at=now, source=layer.source
    )
    if not still_asked.update(calendar_error=read.remark):
        return
    CalendarRead.objects.filter(layer=layer).delete()
    read.save(force_insert=True)
    if shifts is None:
        return
    ImportedShift.objects.filter(layer=layer).delete()
    ImportedShift.objects.bulk_create(shifts)
    record_versions([layer.schedule_id], now=now)
