"""The statements of the intake: set-based, one round trip each."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import connection

from incidents.intake.decoding import storable
from incidents.policies import policy_model
from incidents.services.columns import array_literal, columns
from incidents.services.received import Received
from incidents.services.statements import Statement

Key = tuple[int, str]  # service id, dedup key
# How long a resolve that came before its trigger is remembered.
EARLY_RESOLVE = timedelta(minutes=5)


@dataclass(slots=True)
class Track:
    """One incident while a batch is worked through."""

    id: int
    service_id: int
    dedup_key: str
    status: str
    title: str
    urgency: str
    description: str = ""
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    last_alert_at: datetime | None = None
    alert_count: int = 0  # before this batch
    new_alerts: int = 0  # in this batch
    is_new: bool = False
    is_touched: bool = False
    is_settled: bool = False  # acknowledged or resolved in this batch
    is_private: bool = False
    priority: str | None = None
    policy_id: int | None = None  # chosen by a route; None: the service's
    suppressed_until: datetime | None = None  # the end of the maintenance it was opened in
    is_flapping: bool = False
    quiet_since: datetime | None = None  # of a flapping one, resolved by its last event
    # Of a storm; its dedup_key is "".
    is_storm: bool = False
    folded_count: int = 0
    firing_count: int = 0
    created_at: datetime | None = None
    is_roused: bool = False  # it was suppressed and pages from now on


@dataclass(slots=True)
class AlertRow:
    """An alert to be written; the incident's id is known only after its insert."""

    received: Received
    track: Track | None
    integration_id: int | None


@dataclass(slots=True)
class EntryRow:
    """A timeline entry to be written."""

    track: Track
    kind: str
    message: str
    sender: str


def present_keys(ids: Iterable[int | None]) -> Statement:
    """Asks for the id and key of each integration of the ids that exists; None: it is disabled."""
    text = """
        SELECT id, CASE WHEN enabled THEN key END
        FROM incidents_integration WHERE id = ANY(%s::bigint[])
        """
    return text, [array_literal(i for i in ids if i is not None)]


def existing_policies(ids: Iterable[int]) -> Statement:
    """Asks for id and name of those policies that exist; locks them until commit."""
    table = connection.ops.quote_name(policy_model()._meta.db_table)
    statement = (
        f"SELECT id, name FROM {table} WHERE id = ANY(%s::bigint[]) ORDER BY id FOR KEY SHARE"  # noqa: S608 - our own name
    )
    return statement, [array_literal(ids)]


# Looked up key by key, then locked by id: the planner believes its statistics, which know nothing
# of a flood that has just begun, and would read all open incidents instead. The concatenation
# hides the condition, which is for rows that change while we wait, from the indexes of open ones.
_LOCK_OPEN = """
SELECT i.id, i.service_id, i.dedup_key, i.status, i.title, i.urgency, i.acknowledged_at,
       i.last_alert_at, i.alert_count, i.visibility, i.is_flapping, i.quiet_since, i.is_storm,
       i.folded_count, i.firing_count, i.created_at, i.priority, i.escalation_policy_id,
       i.suppressed_until
FROM incidents_incident i
WHERE i.id = ANY(ARRAY(
    SELECT found.id
    FROM unnest(%s::bigint[], %s::text[]) AS k (service_id, dedup_key)
    CROSS JOIN LATERAL (
      SELECT o.id FROM incidents_incident o
      WHERE o.service_id = k.service_id AND o.dedup_key = k.dedup_key
        AND o.dedup_key IS NOT NULL AND o.status <> 'resolved'
      LIMIT 1
    ) AS found
    UNION ALL
    SELECT storm.id
    FROM unnest(%s::bigint[]) AS s (id)
    CROSS JOIN LATERAL (
      SELECT o.id FROM incidents_incident o
      WHERE o.service_id = s.id AND o.is_storm AND o.status <> 'resolved'
      LIMIT 1
    ) AS storm
  ))
  AND i.status || '' <> 'resolved'
ORDER BY i.id FOR NO KEY UPDATE OF i
"""


def lock_open_incidents(keys: Collection[Key]) -> Statement | None:
    """Asks for the open incident of each key that has one, and their services' storms.

    They are locked in order of ids until commit; `read_tracks` reads the answer.

    NO KEY: rows that refer to an incident (pages, timeline) may be written meanwhile, in any order,
    without a deadlock.
    """
    if not keys:
        return None
    return _LOCK_OPEN, [*columns(keys, 2), array_literal({service_id for service_id, _ in keys})]


def read_tracks(rows: Iterable[tuple[Any, ...]]) -> list[Track]:
    """What `lock_open_incidents` found."""
    return [
        Track(
            id=row[0],
            service_id=row[1],
            dedup_key=row[2] or "",
            status=row[3],
            title=row[4],
            urgency=row[5],
            acknowledged_at=row[6],
            last_alert_at=row[7],
            alert_count=row[8],
            is_private=row[9] == "private",
            is_flapping=row[10],
            quiet_since=row[11],
            is_storm=row[12],
            folded_count=row[13],
            firing_count=row[14],
            created_at=row[15],
            priority=row[16],
            policy_id=row[17],
            suppressed_until=row[18],
        )
        for row in rows
    ]


def early_resolves(keys: Collection[Key], now: datetime) -> Statement | None:
    """Asks when each key was resolved by a message that found nothing open, lately."""
    if not keys:
        return None
    return (
        """
        SELECT k.service_id, k.dedup_key, found.at
        FROM unnest(%s::bigint[], %s::text[]) AS k (service_id, dedup_key)
        CROSS JOIN LATERAL (
          SELECT max(a.occurred_at) AS at FROM incidents_alert a
          WHERE a.service_id = k.service_id AND a.dedup_key = k.dedup_key
            AND a.incident_id IS NULL AND a.received_at > %s::timestamptz
            AND a.action = 'resolve'
        ) AS found
        WHERE found.at IS NOT NULL
        """,
        [*columns(keys, 2), now - EARLY_RESOLVE],
    )


def next_ids(many: int) -> Statement | None:
    """Asks for so many numbers for new incidents."""
    if not many:
        return None
    return "SELECT nextval('incidents_incident_id_seq') FROM generate_series(1, %s::int)", [many]


def insert_incidents(tracks: Sequence[Track], now: datetime) -> Statement | None:
    """Write the new incidents, but those whose key was taken meanwhile; the ids of the written.

    Their timers are due by the database's clock, like the engine's question: a web server whose
    clock is ahead delays no page.
    """
    if not tracks:
        return None
    ordered = sorted(tracks, key=lambda t: (t.service_id, t.dedup_key))
    values = [
        (
            t.id, t.service_id, t.title, t.description, t.status, t.urgency, t.dedup_key or None,
            t.new_alerts, t.last_alert_at, t.acknowledged_at, t.resolved_at, t.priority,
            t.policy_id, t.is_storm, t.folded_count, t.firing_count, t.is_flapping, t.quiet_since,
            t.suppressed_until if t.status == "suppressed" else None,
        )
        for t in ordered
    ]  # fmt: skip
    return (
        """
        INSERT INTO incidents_incident
          (id, service_id, title, description, status, urgency, dedup_key, alert_count,
           last_alert_at, acknowledged_at, resolved_at, priority, escalation_policy_id, is_storm,
           folded_count, firing_count, is_flapping, quiet_since, suppressed_until, escalate_at,
           visibility, version, created_at, updated_at)
        SELECT v.*, CASE WHEN v.status = 'triggered' THEN statement_timestamp() END, 'public', 1,
               %s::timestamptz, %s::timestamptz
        FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[],
                    %s::text[], %s::int[], %s::timestamptz[], %s::timestamptz[],
                    %s::timestamptz[], %s::text[], %s::bigint[], %s::bool[], %s::int[], %s::int[],
                    %s::bool[], %s::timestamptz[], %s::timestamptz[])
          AS v (id, service_id, title, description, status, urgency, dedup_key, alert_count,
                last_alert_at, acknowledged_at, resolved_at, priority, escalation_policy_id,
                is_storm, folded_count, firing_count, is_flapping, quiet_since, suppressed_until)
        ON CONFLICT DO NOTHING
        RETURNING id
        """,
        [now, now, *columns(values, 19)],
    )


def update_incidents(tracks: Sequence[Track], now: datetime) -> Statement | None:
    """Write back the incidents that were open before; they are locked."""
    if not tracks:
        return None
    values = [
        (t.id, t.status, t.new_alerts, t.last_alert_at, t.acknowledged_at, t.resolved_at,
         t.quiet_since)
        for t in tracks
    ]  # fmt: skip
    return (
        """
        UPDATE incidents_incident i
        SET status = v.status,
            alert_count = i.alert_count + v.new_alerts,
            last_alert_at = v.last_alert_at,
            acknowledged_at = v.acknowledged_at,
            resolved_at = v.resolved_at,
            escalate_at = CASE WHEN v.status = 'triggered' THEN i.escalate_at END,
            snoozed_until = CASE WHEN v.status = 'snoozed' THEN i.snoozed_until END,
            suppressed_until = CASE WHEN v.status = 'suppressed' THEN i.suppressed_until END,
            quiet_since = v.quiet_since,
            version = i.version + 1,
            updated_at = %s::timestamptz
        FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::timestamptz[], %s::timestamptz[],
                    %s::timestamptz[], %s::timestamptz[])
          AS v (id, status, new_alerts, last_alert_at, acknowledged_at, resolved_at, quiet_since)
        WHERE i.id = v.id
        """,
        [now, *columns(values, 7)],
    )


def insert_alerts(alerts: Sequence[AlertRow], now: datetime) -> Statement | None:
    """Write every event of the batch as it was understood."""
    if not alerts:
        return None
    values = []
    for alert in alerts:
        received, event = alert.received, alert.received.event
        values.append(
            (
                received.service_id, alert.integration_id,
                alert.track.id if alert.track else None, event.action, event.dedup_key,
                event.summary, event.source, event.severity, as_json(event.details),
                as_json(event.links), event.occurred_at, received.received_at or now,
                received.delivery_id,
            )
        )  # fmt: skip
    return (
        """
        INSERT INTO incidents_alert
          (service_id, integration_id, incident_id, action, dedup_key, summary, source, severity,
           details, links, occurred_at, received_at, delivery_id)
        SELECT v.service_id, v.integration_id, v.incident_id, v.action, v.dedup_key, v.summary,
               v.source, v.severity, v.details::jsonb, v.links::jsonb, v.occurred_at,
               v.received_at, v.delivery_id
        FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[],
                    %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
                    %s::timestamptz[], %s::uuid[])
          AS v (service_id, integration_id, incident_id, action, dedup_key, summary, source,
                severity, details, links, occurred_at, received_at, delivery_id)
        """,
        columns(values, 13),
    )


def insert_entries(entries: Sequence[EntryRow], now: datetime) -> Statement | None:
    """Write the timeline of the batch."""
    if not entries:
        return None
    values = [(e.track.id, e.kind, e.message, e.sender) for e in entries]
    return (
        """
        INSERT INTO incidents_timelineentry (incident_id, kind, message, actor_label, at, data)
        SELECT v.incident_id, v.kind, v.message, v.sender, %s::timestamptz, '{}'
        FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[])
          AS v (incident_id, kind, message, sender)
        """,
        [now, *columns(values, 4)],
    )


def as_json(value: Any) -> str:
    """JSON that jsonb accepts; the careful copy is made only where it is needed."""
    if not value:
        return "[]" if isinstance(value, list) else "{}"
    text = msgspec.json.encode(value)
    is_deep = len(text) > 200 and text.count(b"[") + text.count(b"{") > 100
    if is_deep or b"\\u0000" in text:
        text = msgspec.json.encode(storable(value))
    return text.decode()
