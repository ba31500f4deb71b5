"""What maintenance does to incidents: holds their escalation, and lets them page at its end.

An incident that opens during maintenance is suppressed until its end. The timer of one that was
triggered before moves to the end: the engine then starts at step 1, because somebody else than it
has set the timer. Pages that are queued already go out.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from incidents.maintenance import Maintenance, next_occurrence
from incidents.models import MaintenanceWindow, TimelineEntry
from incidents.services.maintenance_now import group_by_service, windows_not_over
from incidents.services.timeline import build_entry, write_entries
from opsknight.wake import Wake, wake
from realtime.publish import incidents_changed

AT_ONCE = 500  # incidents in one transaction
OVER = "Maintenance is over: triggered"
RESTARTED = "Maintenance is over: the escalation starts again"
PAUSED = "Escalation paused. "
Row = tuple[int, int]  # incident, service


def follow_maintenance() -> int:
    """Bring incidents in line with the windows, by the database's clock; return how many changed.

    Any number may run at once: incidents are claimed with SKIP LOCKED.
    """
    changed = 0
    while True:
        with transaction.atomic():
            count = _follow()
        changed += count
        if count < AT_ONCE:
            return changed


def _follow() -> int:
    held = group_by_service(_close_what_is_over(_locked_windows()))
    paused = _pause(held)
    services = list(held)
    due = _fetch(_CLAIM_SUPPRESSED, [services, AT_ONCE])
    released = [row for row in due if row[1] not in held]
    extended = [row for row in due if row[1] in held]
    _run(_RELEASE, [[row[0] for row in released]])
    _run(_EXTEND, [[row[0] for row in extended], [held[service].until for _, service in extended]])
    now = timezone.now()
    entries = [_told(row, held, now, PAUSED) for row in paused]
    entries += [_told(row, held, now) for row in extended]
    entries += [_entry(pk, OVER, now) for pk, _ in released]
    return _announce(entries, may_page=bool(released))


def _locked_windows() -> list[MaintenanceWindow]:
    """The windows, locked: whoever ends one by hand waits, and then undoes what was done here."""
    rows = windows_not_over().select_for_update(no_key=True).order_by("pk")
    return list(rows)


def _close_what_is_over(windows: Sequence[MaintenanceWindow]) -> list[MaintenanceWindow]:
    """Note on windows that will not hold again that they are over; return the others."""
    now: datetime
    over = []
    for window in windows:
        now = window.database_now  # type: ignore[attr-defined] # annotated
        if next_occurrence(window, now) is None:
            over.append(window.pk)
            MaintenanceWindow.objects.filter(pk=window.pk).update(ended_at=now)
    return [window for window in windows if window.pk not in over]


def hold_service(service_id: int) -> None:
    """Hold what escalates on a service at once, if it is in maintenance now.

    The caller holds the transaction that planned a window. The sweep does the same a little later,
    also for what is being changed by others at this moment.
    """
    held = group_by_service(windows_not_over([service_id]))
    now = timezone.now()
    _announce([_told(row, held, now, PAUSED) for row in _pause(held)], may_page=False)


def release_service(service_id: int) -> None:
    """Let what was held page at once, because the window that held it has ended.

    The caller holds the transaction that ended it. Where another window holds, everything waits for
    the end of that one.
    """
    held = group_by_service(windows_not_over([service_id]))
    now = timezone.now()
    rows = _fetch(_LOCK_HELD, [service_id])
    suppressed = [pk for pk, is_suppressed in rows if is_suppressed]
    timed = [pk for pk, is_suppressed in rows if not is_suppressed]
    if service_id in held:
        _run(_EXTEND, [suppressed, [held[service_id].until] * len(suppressed)])
        entries = [_told((pk, service_id), held, now) for pk in suppressed]
        entries += [_told(row, held, now, PAUSED) for row in _pause(held)]
        _announce(entries, may_page=False)
        return
    _run(_RELEASE, [suppressed])
    _run(_RESTART, [timed])
    entries = [_entry(pk, OVER, now) for pk in suppressed]
    _announce(entries + [_entry(pk, RESTARTED, now) for pk in timed], may_page=bool(rows))


def _pause(held: Mapping[int, Maintenance]) -> list[Row]:
    """Move the timers of triggered incidents to the end of the maintenance of their service."""
    if not held:
        return []
    ends = [maintenance.until for maintenance in held.values()]
    return _fetch(_PAUSE, [list(held), ends, AT_ONCE])


def _told(
    row: Row, held: Mapping[int, Maintenance], now: datetime, before: str = ""
) -> TimelineEntry:
    return _entry(row[0], before + held[row[1]].told(now), now)


def _entry(incident_id: int, message: str, now: datetime) -> TimelineEntry:
    kind = TimelineEntry.Kind.MAINTENANCE
    return build_entry(incident_id=incident_id, kind=kind, message=message, now=now)


def _announce(entries: Iterable[TimelineEntry], *, may_page: bool) -> int:
    """Write the entries, show the incidents; return how many."""
    written = list(entries)
    if written:
        write_entries(written)
        incidents_changed([entry.incident_id for entry in written])
    if may_page:
        wake(Wake.ESCALATE)
    return len(written)


_CLAIM_SUPPRESSED = """
SELECT id, service_id FROM incidents_incident
WHERE suppressed_until IS NOT NULL
  AND (suppressed_until <= statement_timestamp() OR service_id <> ALL(%s::bigint[]))
ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""
# Both by the partial indexes of suppressed incidents and of timers.
_LOCK_HELD = """
SELECT id, suppressed_until IS NOT NULL FROM incidents_incident
WHERE service_id = %s AND (suppressed_until IS NOT NULL OR escalate_at IS NOT NULL)
ORDER BY id FOR NO KEY UPDATE
"""
_RELEASE = """
UPDATE incidents_incident
SET status = 'triggered', suppressed_until = NULL, escalate_at = statement_timestamp(),
    updated_at = statement_timestamp(), version = version + 1
WHERE id = ANY(%s::bigint[])
"""
_RESTART = """
UPDATE incidents_incident
SET escalate_at = statement_timestamp(), updated_at = statement_timestamp(), version = version + 1
WHERE id = ANY(%s::bigint[])
"""
_EXTEND = """
UPDATE incidents_incident i
SET suppressed_until = v.until, updated_at = statement_timestamp(), version = i.version + 1
FROM unnest(%s::bigint[], %s::timestamptz[]) AS v (id, until)
WHERE i.id = v.id
"""
_PAUSE = """
WITH due AS (
  SELECT i.id, v.until
  FROM unnest(%s::bigint[], %s::timestamptz[]) AS v (service_id, until)
  JOIN incidents_incident i ON i.service_id = v.service_id
   AND i.escalate_at IS NOT NULL AND i.escalate_at <> v.until
  ORDER BY i.id LIMIT %s FOR NO KEY UPDATE OF i SKIP LOCKED
)
UPDATE incidents_incident i
SET escalate_at = due.until, updated_at = statement_timestamp(), version = i.version + 1
FROM due WHERE i.id = due.id
RETURNING i.id, i.service_id
"""


def _fetch(statement: str, parameters: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[Any] = cursor.fetchall()
        return rows


def _run(statement: str, parameters: list[Any]) -> None:
    """Nothing happens, and nothing is asked, for an empty list of ids."""
    if parameters[0]:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
