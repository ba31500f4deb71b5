"""Looks after the engine: finds open incidents that should have moved and did not.

It never relies on what the engine remembers, only on what the rows say, and says on the timeline
what it repaired. What it finds is kept in one row, for the metrics and the outward heartbeat.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from escalations.models import EngineAudit
from escalations.services.fallbacks import entry
from incidents.models import Incident, TimelineEntry
from incidents.services.maintenance_now import database_now, maintenance_now
from incidents.services.timeline import write_entries
from notifications.models import Notification
from opsknight.wake import DEFAULT_QUEUES, Wake, send_nudge
from realtime.publish import incidents_changed

logger = logging.getLogger(__name__)

OVERDUE_AFTER = timedelta(minutes=2)
AT_ONCE = 500  # incidents in one transaction
# No step, fallback or resolve waits longer; a timer beyond it was set by a clock that was wrong.
LONGEST_WAIT = timedelta(days=8)

# Each reason with what it looks like. All end with a timer that is due.
_NEVER_STARTED = "it had never begun"
_NO_TIMER = "its timer was lost"
_NO_FALLBACK = "everything was tried, nobody was reached and nobody else was paged"
_FAR_TIMER = "its timer was set further ahead than any step waits"

_CLAIM = """
SELECT i.id, CASE
    WHEN i.escalate_at IS NOT NULL THEN %(far_timer)s
    WHEN r.id IS NULL THEN %(never_started)s
    WHEN r.state = 'running' THEN %(no_timer)s
    ELSE %(no_fallback)s
  END
FROM incidents_incident i
LEFT JOIN escalations_escalationrun r ON r.incident_id = i.id
WHERE i.status = 'triggered' AND NOT i.service_id = ANY(%(in_maintenance)s::bigint[])
  AND i.updated_at < statement_timestamp() - interval '10 seconds'
  AND (
    (i.escalate_at IS NULL
      AND (r.id IS NULL OR r.state = 'running' OR NOT (r.has_paged OR r.has_fallen_back)))
    OR i.escalate_at > statement_timestamp() + %(longest)s
  )
ORDER BY i.id LIMIT %(limit)s FOR NO KEY UPDATE OF i SKIP LOCKED
"""
# A run that waited goes on where it stood, one at its end goes on with the fallback; without a
# policy, or without a run, the escalation begins anew because the timer is not the run's.
_REPAIR_RUNS = """
UPDATE escalations_escalationrun
SET next_at = %s, state = 'running', held_since = NULL,
    stage = CASE WHEN state = 'exhausted' THEN 'fallback' ELSE stage END
WHERE incident_id = ANY(%s::bigint[]) AND state <> 'no_policy'
"""


def audit_engine() -> int:
    """Repair what has stopped, count what is late, and note both; returns how many it repaired.

    Any number may run at once: incidents are claimed with SKIP LOCKED.
    """
    repaired = 0
    while True:
        with transaction.atomic():
            count = _repair_some()
        repaired += count
        if count < AT_ONCE:
            break
    overdue, late_pages = count_overdue(), _count_late_pages()
    _note(overdue=overdue, repaired=repaired, late_pages=late_pages)
    if overdue or late_pages:
        logger.error(
            "Paging is late: %s incidents and %s pages are overdue by minutes. Are the workers of "
            "all queues running?",
            overdue,
            late_pages,
        )
    if overdue or repaired:
        send_nudge(Wake.ESCALATE, queue=DEFAULT_QUEUES[Wake.ESCALATE])
    return repaired


def _repair_some() -> int:
    reasons = {
        "far_timer": _FAR_TIMER,
        "never_started": _NEVER_STARTED,
        "no_timer": _NO_TIMER,
        "no_fallback": _NO_FALLBACK,
    }
    parameters: dict[str, Any] = reasons | {
        "in_maintenance": list(maintenance_now()),
        "longest": LONGEST_WAIT,
        "limit": AT_ONCE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, parameters)
        found: dict[int, str] = dict(cursor.fetchall())
    if found:
        _start_again(found, database_now())
    return len(found)


def _start_again(found: dict[int, str], now: datetime) -> None:
    ids = list(found)
    with connection.cursor() as cursor:
        cursor.execute(_REPAIR_RUNS, [now, ids])
    Incident.objects.filter(pk__in=ids).update(
        escalate_at=now, updated_at=now, version=F("version") + 1
    )
    kind = TimelineEntry.Kind.ESCALATION_MOVED
    write_entries(
        entry(pk, kind, f"the escalation stood still: {why}; started again", now, {"repaired": why})
        for pk, why in found.items()
    )
    incidents_changed(ids)
    for pk, why in found.items():
        logger.error("The escalation of incident %s stood still: %s. Started again.", pk, why)


def count_overdue() -> int:
    """Incidents whose timer, acknowledge time-out or end of maintenance is past by minutes, and
    those whose step failed and is tried again later."""
    late = Now() - OVERDUE_AFTER
    steps = Incident.objects.filter(status=Incident.Status.TRIGGERED, escalate_at__lt=late)
    steps = steps.exclude(service_id__in=maintenance_now())
    suppressed = Incident.objects.filter(suppressed_until__lt=late)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_ACKNOWLEDGED, [OVERDUE_AFTER.total_seconds()])
        (acknowledged,) = cursor.fetchone()
        cursor.execute(_COUNT_SET_ASIDE)
        (set_aside,) = cursor.fetchone()
    return steps.count() + suppressed.count() + int(acknowledged) + int(set_aside)


_COUNT_ACKNOWLEDGED = """
SELECT count(*) FROM incidents_incident i
JOIN escalations_escalationrun r ON r.incident_id = i.id
WHERE i.status = 'acknowledged'
  AND i.acknowledged_at + make_interval(mins => r.ack_timeout_minutes)
    < statement_timestamp() - make_interval(secs => %s)
"""
# The engine notes the instant at which it tries again; whoever else sets the timer ends that. No
# pause is longer than 15 minutes, so the index of the timeline serves.
_COUNT_SET_ASIDE = """
SELECT count(*) FROM incidents_incident i
WHERE i.status = 'triggered' AND i.escalate_at > statement_timestamp() AND EXISTS (
  SELECT FROM incidents_timelineentry t
  WHERE t.incident_id = i.id AND t.kind = 'nobody_to_page'
    AND t.at > i.escalate_at - interval '16 minutes'
    AND (t.data ->> 'again_at')::timestamptz = i.escalate_at
)
"""


def _count_late_pages() -> int:
    """Pages that wait for a worker; retries and limits move the time at which a page is due."""
    late = Now() - OVERDUE_AFTER
    waiting = Q(state=Notification.State.PENDING, due_at__lt=late)
    left_behind = Q(state=Notification.State.SENDING, leased_until__lt=late)
    return Notification.objects.filter(waiting | left_behind).count()


def _note(*, overdue: int, repaired: int, late_pages: int) -> None:
    row = EngineAudit.objects.filter(pk=EngineAudit.ONLY)
    values = {"overdue": overdue, "repaired": repaired, "late_pages": late_pages}
    if row.update(at=Now(), repaired_total=F("repaired_total") + repaired, **values):
        return
    first = EngineAudit(at=timezone.now(), repaired_total=repaired, **values)
    EngineAudit.objects.bulk_create([first], ignore_conflicts=True)
