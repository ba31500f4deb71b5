"""Channels that are told who is on call: on every change, or at times of day."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import TypedDict

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from escalations.duties import in_words, next_time_at
from escalations.models import OnCallAnnouncement, Schedule
from escalations.models.schedule import weekdays_in
from escalations.oncall import next_change, on_call_at
from escalations.selectors import Rota, rotas_of
from notifications.models import Destination
from notifications.services.notices import NoticeRequest, queue_notices
from opsknight.models import User
from opsknight.services.audit import Changes
from opsknight.services.configuration import delete_recorded, save_changes, save_new

FIELDS = ("schedule", "destination", "when", "weekdays", "time")
# A time of day that was missed by more than this is not made up for.
LATE = timedelta(days=1)
LOOK_AHEAD = timedelta(days=31)

When = OnCallAnnouncement.When


class AnnouncementValues(TypedDict, total=False):
    """What can be set on an announcement; what is left out stays as it is."""

    destination: Destination
    when: str
    weekdays: int
    time: time | None


def create_announcement(
    *,
    schedule: Schedule,
    values: AnnouncementValues,
    actor: User | None,
    now: datetime,
    ip: str | None = None,
) -> OnCallAnnouncement:
    """Let a channel be told; one that hears of changes is told once at the start.

    Raises InvalidInput.
    """
    row = OnCallAnnouncement(schedule=schedule, looked_at=now, created_at=now, **values)
    save_new(entity=row, fields=FIELDS, action="on_call_announcement.created", actor=actor, ip=ip)
    return row


@transaction.atomic
def update_announcement(
    *,
    announcement: OnCallAnnouncement,
    values: AnnouncementValues,
    actor: User | None,
    now: datetime,
    ip: str | None = None,
) -> OnCallAnnouncement:
    """Change when or where; times count from now on. Raises InvalidInput."""

    def begin_anew() -> Changes:
        announcement.looked_at, announcement.told_user_ids = now, None
        announcement.save(update_fields=["looked_at", "told_user_ids"])
        return {}

    save_changes(
        entity=announcement,
        values=values,
        action="on_call_announcement.updated",
        actor=actor,
        ip=ip,
        extra=begin_anew,
    )
    return announcement


def delete_announcement(
    *, announcement: OnCallAnnouncement, actor: User | None, ip: str | None = None
) -> None:
    """Tell a channel no more."""
    delete_recorded(
        entity=announcement,
        fields=FIELDS,
        action="on_call_announcement.deleted",
        actor=actor,
        ip=ip,
    )


# Telling


@transaction.atomic
def tell_channels(*, now: datetime) -> int:
    """Tell every channel that has to hear who is on call; returns how many messages were queued.

    Safe in parallel: rows are locked, and what was told is written with the message. After an
    outage a channel gets one message for all that it missed of a schedule.
    """
    free = OnCallAnnouncement.objects.select_for_update(of=("self",), skip_locked=True)
    rows = list(free.order_by("pk"))
    rotas = rotas_of({row.schedule_id for row in rows}, since=now)
    present = {pk: sorted(on_call_at(rota.spec, now)) for pk, rota in rotas.items()}
    due = [row for row in rows if _is_due(row, rotas[row.schedule_id], present, now)]
    pairs = {(row.schedule_id, row.destination_id): row for row in due}
    notices = [
        _notice(rotas[schedule_id], destination_id, present[schedule_id], now)
        for schedule_id, destination_id in pairs
    ]
    told = queue_notices(notices=notices, now=now)
    _note_told(
        [row for row in rows if (row.schedule_id, row.destination_id) in pairs], present, now
    )
    return told


def _is_due(
    row: OnCallAnnouncement, rota: Rota, present: Mapping[int, list[int]], now: datetime
) -> bool:
    if rota.problem:
        return False
    if row.when == When.ON_CHANGE:
        return bool(row.told_user_ids != present[row.schedule_id])
    if row.time is None:
        return False
    at = next_time_at(
        max(row.looked_at, now - LATE),
        at=row.time,
        weekdays=weekdays_in(row.weekdays),
        zone=rota.schedule.time_zone,
    )
    return at is not None and at <= now


def _note_told(
    rows: Sequence[OnCallAnnouncement], present: Mapping[int, list[int]], now: datetime
) -> None:
    for row in rows:
        row.looked_at, row.told_user_ids = now, present[row.schedule_id]
    OnCallAnnouncement.objects.bulk_update(rows, ["looked_at", "told_user_ids"])


def _notice(rota: Rota, destination_id: int, ids: Iterable[int], now: datetime) -> NoticeRequest:
    schedule = rota.schedule
    people = sorted((rota.people[pk] for pk in ids), key=lambda user: user.name.casefold())
    names = ", ".join(user.name for user in people) or "nobody"
    link = reverse("escalations:schedule", args=[schedule.pk])
    return NoticeRequest(
        user_id=None,
        destination_id=destination_id,
        subject=f"On call in {schedule.name}: {names}",
        text=f"On call in {schedule.name}: {names}{_until(rota, now)}.",
        link=link,
        cause=_cause(schedule.pk, ids, now),
        details={
            "schedule": {
                "id": schedule.pk,
                "name": schedule.name,
                "url": settings.PUBLIC_URL + link,
            },
            "on_call": [{"id": u.pk, "name": u.name, "email": u.email} for u in people],
        },
    )


def _until(rota: Rota, now: datetime) -> str:
    until = next_change(rota.spec, now, until=now + LOOK_AHEAD)
    zone = rota.schedule.time_zone
    return f", until {in_words(until, zone)} ({zone})" if until else ""


def _cause(schedule_id: int, ids: Iterable[int], now: datetime) -> str:
    """One message per minute for the same people."""
    who = hashlib.sha256(repr(sorted(ids)).encode()).hexdigest()[:12]
    return f"on-call:{schedule_id}:{now:%Y%m%d%H%M}:{who}"
