"""Tells those who follow a service or a team what happens to its incidents.

The timeline is the source: whatever writes an entry is followed, by whatever way it happened. A
sweep reads on from where the last one ended, so nothing is lost and nothing is told twice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import CharField, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat

from incidents.models import TimelineEntry
from notifications.events import EVENTS, event_of, may_hear_of
from notifications.models import EventCursor, EventSubscription, Notification
from notifications.services.nudging import wake_channels
from notifications.turns import turn_of

BATCH = 500
# A transaction takes its number a moment after the number of its first entry.
SETTLING = timedelta(seconds=5)

_NEWEST = """
SELECT COALESCE((SELECT max(id) FROM incidents_timelineentry), 0),
  pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
  pg_snapshot_xmax(pg_current_snapshot())::text::bigint
"""


def start_following(*, now: datetime) -> None:
    """Let the sweep begin with what happens from now on; only the first call does something."""
    newest, _, before_xid = _look()
    EventCursor.objects.get_or_create(
        pk=1,
        defaults={
            "read_until": newest,
            "seen_until": newest,
            "seen_before_xid": before_xid,
            "seen_at": now,
        },
    )


def tell_events(*, now: datetime) -> int:
    """Queue messages about everything that followers have not heard of; returns how many.

    One sweep at a time; another one that comes meanwhile does nothing.
    """
    with transaction.atomic():
        cursor = EventCursor.objects.select_for_update(skip_locked=True).first()
        if cursor is None:
            return 0
        newest, oldest_xid, before_xid = _look()
        count = _tell_after(cursor.read_until, now)
        if oldest_xid >= cursor.seen_before_xid and now - cursor.seen_at >= SETTLING:
            cursor.read_until = cursor.seen_until
            cursor.seen_until, cursor.seen_before_xid = newest, before_xid
            cursor.seen_at = now
            cursor.save()
    return count


def _look() -> tuple[int, int, int]:
    """The newest entry, the oldest transaction that is under way, and the first one to come."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST)
        newest, oldest_xid, before_xid = cursor.fetchone()
    return newest, oldest_xid, before_xid


def _tell_after(number: int, now: datetime) -> int:
    subscriptions = list(
        EventSubscription.objects.filter(enabled=True, destination__enabled=True)
        .select_related("destination")
        .defer("destination__secret")
    )
    subscriptions.sort(key=lambda s: (s.service_id is None, s.pk))  # the closer one wins
    if not subscriptions:
        return 0
    count = 0
    while entries := list(_untold_after(number, subscriptions)[:BATCH]):
        rows = [row for entry in entries for row in _rows_of(entry, subscriptions, now)]
        Notification.objects.bulk_create(rows, ignore_conflicts=True)
        wake_channels(row.channel for row in rows)
        count += len(rows)
        number = entries[-1].pk
    return count


def _untold_after(
    number: int, subscriptions: Iterable[EventSubscription]
) -> QuerySet[TimelineEntry]:
    """Entries of followed services, in order, nobody was told of."""
    cause = Concat(Value("event:"), Cast(OuterRef("pk"), CharField()))
    told = Notification.objects.filter(incident_id=OuterRef("incident_id"), cause=cause)
    services = [s.service_id for s in subscriptions if s.service_id is not None]
    teams = [s.team_id for s in subscriptions if s.team_id is not None]
    return (
        TimelineEntry.objects.filter(
            Q(incident__service_id__in=services) | Q(incident__service__team_id__in=teams),
            ~Exists(told),
            pk__gt=number,
            kind__in=list(EVENTS),
            at__gte=min(s.created_at for s in subscriptions),
        )
        .select_related("incident__service")
        .order_by("pk")
    )


def _rows_of(
    entry: TimelineEntry, subscriptions: Sequence[EventSubscription], now: datetime
) -> list[Notification]:
    """One message for each destination, however many of its subscriptions fit."""
    fitting: dict[int, EventSubscription] = {}
    for subscription in subscriptions:
        if _fits(subscription, entry):
            fitting.setdefault(subscription.destination_id, subscription)
    return [_row(entry, subscription, now) for subscription in fitting.values()]


def _fits(subscription: EventSubscription, entry: TimelineEntry) -> bool:
    service = entry.incident.service
    if subscription.service_id is not None and subscription.service_id != service.pk:
        return False
    if subscription.team_id is not None and subscription.team_id != service.team_id:
        return False
    if subscription.events and EVENTS[TimelineEntry.Kind(entry.kind)] not in subscription.events:
        return False
    return entry.at >= subscription.created_at and may_hear_of(
        subscription.destination, entry.incident
    )


def _row(entry: TimelineEntry, subscription: EventSubscription, now: datetime) -> Notification:
    place = subscription.destination
    return Notification(
        incident_id=entry.incident_id,
        destination=place,
        channel=place.channel,
        address=place.address,
        reason=Notification.Reason.EVENT,
        cause=f"event:{entry.pk}",
        details=details_of(entry, subscription),
        turn=turn_of(Notification.Reason.EVENT),
        due_at=now,
        created_at=now,
    )


def details_of(entry: TimelineEntry, subscription: EventSubscription) -> dict[str, Any]:
    """What the row keeps of the event; the claim makes an `Event` of it."""
    event = asdict(event_of(entry))
    del event["template"]
    return {
        "event": event,
        "template": subscription.template,
        "subscription": subscription.pk,
    }
