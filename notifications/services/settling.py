"""Which pages are still wanted, and the cancelling of those that are not."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from incidents.models import Incident, TimelineEntry
from incidents.services.timeline import build_entry, write_entries
from notifications.models import DeliveryAttempt, Notification
from notifications.services.unreached import tell_unreached
from opsknight.models import User
from realtime.publish import incidents_changed

# Times inside SQL are the database's own, and a stable function, so that indexes serve them.
NOW = "statement_timestamp()"
_HAS_ACKNOWLEDGED = """
    EXISTS (
        SELECT FROM incidents_timelineentry t
        WHERE t.incident_id = n.incident_id AND t.kind = 'acknowledged'
            AND t.actor_id = n.user_id AND t.at >= n.created_at
    )
"""
_IS_CODE_GOOD = f"""
    EXISTS (
        SELECT FROM notifications_verificationcode c
        WHERE c.contact_method_id = n.contact_method_id
            AND c.expires_at > {NOW} AND c.sent_at <= n.created_at
    )
"""
# SQL over n (notification), i (incident), u (user); i and u may be missing. NULL counts as false:
# ask `IS TRUE`. An assignment is news to whoever has it until they acknowledge; its delayed ways
# end when anybody did. Where everybody acknowledges, one's pages go on until one has done so
# oneself. An event is told whatever came of its incident since; a status update unless it is
# triggered again; a code until it was used or is too old, or another one was sent.
WANTED = f"""
    CASE
        WHEN n.reason = 'event' THEN true
        WHEN n.destination_id IS NOT NULL THEN n.incident_id IS NULL OR i.status = 'triggered'
        WHEN u.status <> 'active' THEN false
        WHEN n.reason = 'verification' THEN {_IS_CODE_GOOD}
        WHEN n.incident_id IS NULL THEN true
        WHEN n.reason = 'status' THEN i.status IN ('acknowledged', 'resolved')
        WHEN n.reason = 'escalation' AND n.needs_own_ack
            THEN i.status IN ('triggered', 'acknowledged') AND NOT {_HAS_ACKNOWLEDGED}
        WHEN n.reason = 'escalation' THEN i.status = 'triggered'
        ELSE i.status <> 'resolved'
            AND (n.delay_minutes = 0 OR i.status = 'triggered')
            AND (i.assignee_id IN (n.user_id, n.in_place_of_id) OR EXISTS (
                SELECT FROM opsknight_teammember m
                WHERE m.team_id = i.team_id AND m.user_id IN (n.user_id, n.in_place_of_id)
            ))
            AND NOT {_HAS_ACKNOWLEDGED}
    END
"""
BATCH = 1000
_WANTED_AMONG = f"""
SELECT n.id
FROM notifications_notification n
LEFT JOIN incidents_incident i ON i.id = n.incident_id
LEFT JOIN opsknight_user u ON u.id = n.user_id
WHERE n.id = ANY(%s) AND ({WANTED}) IS TRUE
"""  # noqa: S608 - put together from constants

_CANCEL = f"""
WITH unwanted AS (
    SELECT n.id, n.state
    FROM notifications_notification n
    LEFT JOIN incidents_incident i ON i.id = n.incident_id
    LEFT JOIN opsknight_user u ON u.id = n.user_id
    WHERE (n.state = 'pending' OR (n.state = 'sending' AND n.leased_until <= {NOW}))
        AND ({WANTED}) IS NOT TRUE
    ORDER BY n.id
    LIMIT %(limit)s
    FOR UPDATE OF n SKIP LOCKED
)
UPDATE notifications_notification n
SET state = 'cancelled', leased_until = NULL, finished_at = {NOW}
FROM unwanted WHERE n.id = unwanted.id
RETURNING n.id, n.incident_id, n.channel, unwanted.state
"""  # noqa: S608 - put together from constants


class Cancelled(NamedTuple):
    """A page that will not go out."""

    id: int
    incident_id: int | None
    channel: str
    was: str  # its state before


def wanted_among(ids: Iterable[int]) -> set[int]:
    """Those of these pages that anybody still needs, whatever became of them; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_WANTED_AMONG, [list(ids)])
        return {pk for (pk,) in cursor.fetchall()}


def cancel_settled_pages() -> int:
    """Cancel every unsent page that nobody needs any more; returns how many.

    A page in a worker's hands is left to that worker: it may be on its way already.
    """
    total = 0
    while True:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(_CANCEL, {"limit": BATCH})
                rows = [Cancelled(*row) for row in cursor.fetchall()]
            now = timezone.now()
            write_unknown_attempts((row.id for row in rows if row.was == "sending"), now)
            tell_cancelled(rows, now)
            tell_left_behind(rows, now)
        total += len(rows)
        if len(rows) < BATCH:
            return total


def cancel_pages_of(user: User, now: datetime) -> None:
    """Cancel what somebody who leaves has not been told yet, and let others be paged instead.

    The caller holds the transaction. What is in a worker's hands counts as not told. Rows of which
    somebody is deciding right now are left to the sweep: whoever decides may want one of ours.
    """
    rows = list(
        Notification.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
        .filter(user=user, state__in=Notification.UNFINISHED)
        .select_related("incident")
        .order_by("pk")
    )
    Notification.objects.filter(pk__in=[row.pk for row in rows]).update(
        state=Notification.State.CANCELLED, leased_until=None, finished_at=now
    )
    tell_cancelled([Cancelled(r.pk, r.incident_id, r.channel, r.state) for r in rows], now)
    tell_unreached(failed=[row for row in rows if _pages_on(row)], now=now)


def tell_left_behind(cancelled: Iterable[Cancelled], now: datetime) -> None:
    """Go on where pages were cancelled because their person's account is not active any more."""
    ids = [row.id for row in cancelled if row.incident_id is not None]
    if not ids:
        return
    rows = (
        Notification.objects.filter(pk__in=ids, user__isnull=False)
        .exclude(user__status=User.Status.ACTIVE)
        .select_related("incident")
    )
    tell_unreached(failed=[row for row in rows if _pages_on(row)], now=now)


def _pages_on(row: Notification) -> bool:
    """An escalation goes on from it."""
    return (
        row.reason == Notification.Reason.ESCALATION
        and row.channel != "in_app"
        and row.incident is not None
        and row.incident.status == Incident.Status.TRIGGERED
    )


def tell_cancelled(rows: Iterable[Cancelled], now: datetime) -> None:
    """One timeline entry per incident; notices in the app are not worth one."""
    counts = Counter(
        row.incident_id for row in rows if row.channel != "in_app" and row.incident_id is not None
    )
    write_entries(
        build_entry(
            incident_id=incident_id,
            kind=TimelineEntry.Kind.PAGE_CANCELLED,
            message=f"{count} page{'s' if count > 1 else ''} cancelled",
            now=now,
            data={"count": count},
        )
        for incident_id, count in sorted(counts.items())
    )
    incidents_changed(counts)


def write_unknown_attempts(notification_ids: Iterable[int], now: datetime) -> None:
    """Record that a worker died, or lost its lease, before it could tell what happened."""
    DeliveryAttempt.objects.bulk_create(
        DeliveryAttempt(
            notification_id=pk,
            at=now,
            outcome=DeliveryAttempt.Outcome.UNKNOWN,
            detail="The worker ended before it could tell; the message may have gone out.",
        )
        for pk in notification_ids
    )
