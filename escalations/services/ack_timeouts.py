"""Withdraws acknowledgements that have lasted too long without a resolve."""

from datetime import timedelta

from django.db import connection, transaction

from escalations.services.wording import length
from incidents.services.lifecycle import unacknowledge_incidents

AT_ONCE = 500  # incidents in one transaction

# By the partial index of acknowledged incidents. Whoever acknowledged before the engine's first
# look has no run yet, and the policy as it is now counts.
_CLAIM = """
SELECT i.id, COALESCE(r.ack_timeout_minutes, p.ack_timeout_minutes)
FROM incidents_incident i
JOIN incidents_service s ON s.id = i.service_id
LEFT JOIN escalations_escalationrun r ON r.incident_id = i.id
LEFT JOIN escalations_escalationpolicy p
  ON r.id IS NULL AND p.id = COALESCE(i.escalation_policy_id, s.escalation_policy_id)
WHERE i.status = 'acknowledged'
  AND i.acknowledged_at <= statement_timestamp()
    - make_interval(mins => COALESCE(r.ack_timeout_minutes, p.ack_timeout_minutes))
ORDER BY i.id LIMIT %s FOR NO KEY UPDATE OF i SKIP LOCKED
"""


def withdraw_timed_out() -> int:
    """Trigger incidents again whose acknowledgement timed out, by the database's clock.

    Their escalations start anew at step 1. Any number may run at once: incidents are claimed with
    SKIP LOCKED. Returns how many.
    """
    withdrawn = 0
    while True:
        with transaction.atomic():
            count = _withdraw_some()
        withdrawn += count
        if count < AT_ONCE:
            return withdrawn


def _withdraw_some() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [AT_ONCE])
        rows: list[tuple[int, int]] = cursor.fetchall()
    by_minutes: dict[int, list[int]] = {}
    for incident_id, minutes in rows:
        by_minutes.setdefault(minutes, []).append(incident_id)
    for minutes, incident_ids in by_minutes.items():
        source = f"{length(timedelta(minutes=minutes))} without a resolve"
        unacknowledge_incidents(incident_ids=incident_ids, actor=None, source=source)
    return len(rows)
