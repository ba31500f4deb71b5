"""Resolves storms whose alerts are all over, and flapping incidents that have been quiet."""

from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from incidents.models import TimelineEntry
from incidents.services.past_openings import STORM_PERIOD
from incidents.services.timeline import build_entry, write_entries
from opsknight.wake import Wake, wake
from realtime.publish import incidents_changed

AT_ONCE = 500  # incidents in one transaction


def resolve_quiet() -> int:
    """Resolve what is over by the database's clock; return how many incidents.

    Any number may run at once: incidents are claimed with SKIP LOCKED.
    """
    resolved = 0
    while True:
        with transaction.atomic():
            count = _resolve_some()
        resolved += count
        if count < AT_ONCE:
            return resolved


def _resolve_some() -> int:
    storms = _fetch(_QUIET_STORMS, {"period": STORM_PERIOD, "limit": AT_ONCE})
    flapping = _fetch(_QUIET_FLAPPING, {"limit": AT_ONCE})
    said = {pk: _storm_over(count) for pk, count in storms}
    said |= {
        pk: f"Resolved: quiet for {minutes} min, so it flaps no more" for pk, minutes in flapping
    }
    if not said:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_RESOLVE, [list(said)])
    now = timezone.now()
    kind = TimelineEntry.Kind.RESOLVED
    write_entries(
        build_entry(incident_id=pk, kind=kind, message=message, now=now)
        for pk, message in said.items()
    )
    wake(Wake.CANCEL_SETTLED)
    incidents_changed(said)
    return max(len(storms), len(flapping))


def _storm_over(count: int) -> str:
    alerts = "its only alert is" if count == 1 else f"all its {count:,} alerts are"
    return f"Resolved: the storm is over, {alerts} resolved"


# Few storms are open at any time, so the partial unique index of them is read as a whole.
_QUIET_STORMS = """
SELECT i.id, i.folded_count
FROM incidents_incident i JOIN incidents_service s ON s.id = i.service_id
WHERE i.is_storm AND i.status <> 'resolved' AND i.firing_count = 0
  AND (s.storm_threshold = 0 OR s.storm_threshold > (
    SELECT count(*) FROM (
      SELECT 1 FROM incidents_incident o
      WHERE o.service_id = i.service_id AND o.created_at > statement_timestamp() - %(period)s
      LIMIT s.storm_threshold
    ) AS few
  ) + (
    SELECT count(*) FROM (
      SELECT 1 FROM incidents_stormmember m
      WHERE m.service_id = i.service_id AND m.opened_at > statement_timestamp() - %(period)s
      LIMIT s.storm_threshold
    ) AS few
  ))
ORDER BY i.id LIMIT %(limit)s FOR NO KEY UPDATE OF i SKIP LOCKED
"""
_QUIET_FLAPPING = """
SELECT i.id, s.flapping_minutes
FROM incidents_incident i JOIN incidents_service s ON s.id = i.service_id
WHERE i.quiet_since IS NOT NULL AND i.status <> 'resolved'
  AND i.quiet_since <= statement_timestamp() - make_interval(mins => s.flapping_minutes)
ORDER BY i.id LIMIT %(limit)s FOR NO KEY UPDATE OF i SKIP LOCKED
"""
_RESOLVE = """
UPDATE incidents_incident
SET status = 'resolved', resolved_at = statement_timestamp(), escalate_at = NULL,
    snoozed_until = NULL, suppressed_until = NULL, quiet_since = NULL,
    updated_at = statement_timestamp(), version = version + 1
WHERE id = ANY(%s::bigint[])
"""


def _fetch(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
