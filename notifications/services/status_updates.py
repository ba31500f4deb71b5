"""Tells people what became of the incidents that they were paged for, where they asked for it.

There are no subscriptions to keep: what was sent to an address says what it is to be told. A page
counts while the address wants updates, from when it asked for them, and for 7 days after the last
message about the incident. So switching them on tells nothing of what was paged before, and STOP,
which switches them off, ends all of them for good.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from incidents.models import Incident, TimelineEntry
from incidents.selectors import visible_incidents
from notifications.events import event_of
from notifications.models import ContactMethod, Notification
from notifications.services.nudging import wake_channels
from notifications.turns import turn_of
from opsknight.models import User

State = Notification.State
Reason = Notification.Reason
Kind = TimelineEntry.Kind
# What is told; older changes are no news any more.
TOLD = (Kind.ACKNOWLEDGED, Kind.RESOLVED)
HORIZON = timedelta(minutes=15)
# So long after the last message about an incident an address still hears of it.
LIFETIME = timedelta(days=7)


def tell_status(*, now: datetime) -> int:
    """Queue updates about what changed in the last minutes; returns how many.

    Not to whoever made the change, nor to whom a private incident is hidden by now. Once per change
    and address, also when asked in parallel. One query where nobody wants updates, two where
    nothing happened, else five, and one for each about a private incident.
    """
    if not ContactMethod.objects.filter(status_updates=True).exists():
        return 0
    with transaction.atomic():
        pages = list(_listening(now))
        latest = _latest_changes(pages, now)
        rows = [
            _update(page, entry, now)
            for page in pages
            if (entry := latest.get(page.incident_id)) is not None
            and page.created_at < entry.at
            and page.user_id != entry.actor_id
        ]
        told = _told(rows)
        fresh = [row for row in rows if _key(row) not in told and _may_hear(row)]
        Notification.objects.bulk_create(fresh, ignore_conflicts=True)
        wake_channels(row.channel for row in fresh)
    return len(fresh)


def _listening(now: datetime) -> QuerySet[Notification]:
    """One message about each changed incident to each address that wants to hear more."""
    changes = TimelineEntry.objects.filter(
        incident_id=OuterRef("incident_id"), kind__in=TOLD, at__gte=now - HORIZON
    )
    return (
        Notification.objects.filter(
            Exists(changes),
            reason__in=(Reason.ESCALATION, Reason.ASSIGNMENT, Reason.STATUS),
            state__in=(State.SENT, State.DELIVERED),
            finished_at__gte=now - LIFETIME,
            created_at__gte=F("contact_method__status_updates_since"),
            contact_method__status_updates=True,
            contact_method__enabled=True,
            contact_method__verified_at__isnull=False,
            contact_method__stopped_at__isnull=True,
            user__status=User.Status.ACTIVE,
        )
        .select_related("contact_method", "user", "incident")
        .defer("contact_method__secret")
        .order_by("incident_id", "contact_method_id", "created_at", "pk")
        .distinct("incident_id", "contact_method_id")
    )


def _latest_changes(
    pages: Sequence[Notification], now: datetime
) -> dict[int | None, TimelineEntry]:
    """By incident: of several changes only the last one is news."""
    ids = {page.incident_id for page in pages if page.incident_id is not None}
    if not ids:
        return {}
    entries = TimelineEntry.objects.filter(
        incident_id__in=ids, kind__in=TOLD, at__gte=now - HORIZON
    )
    return {entry.incident_id: entry for entry in entries.order_by("at", "pk")}


def _update(page: Notification, entry: TimelineEntry, now: datetime) -> Notification:
    method = page.contact_method
    assert method is not None  # noqa: S101 — _listening asks for it
    return Notification(
        incident=page.incident,
        user=page.user,
        contact_method=method,
        channel=method.channel,
        address=method.address,
        reason=Reason.STATUS,
        cause=f"status:{entry.pk}",
        details={"event": _event_of(entry)},
        turn=turn_of(Reason.STATUS),
        due_at=now,
        created_at=now,
    )


def _may_hear(row: Notification) -> bool:
    """Of a private incident nobody hears who left its team since it was assigned to them."""
    user, incident = row.user, row.incident
    if user is None or incident is None or incident.visibility != Incident.Visibility.PRIVATE:
        return True
    return visible_incidents(user).filter(pk=incident.pk).exists()


def _event_of(entry: TimelineEntry) -> dict[str, Any]:
    """As the claim reads it: the template belongs to those who follow services."""
    event = asdict(event_of(entry))
    del event["template"]
    return event


def _told(rows: list[Notification]) -> set[tuple[int | None, int | None, str]]:
    if not rows:
        return set()
    known = Notification.objects.filter(
        incident_id__in={row.incident_id for row in rows}, reason=Reason.STATUS
    )
    return set(known.values_list("incident_id", "contact_method_id", "cause"))


def _key(row: Notification) -> tuple[int | None, int | None, str]:
    return (row.incident_id, row.contact_method_id, row.cause)
