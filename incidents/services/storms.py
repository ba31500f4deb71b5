"""Folding: beyond a service's rate of new incidents, further alerts join one storm incident.

A storm opens and pages like any incident, once. Its members are the keys folded into it: a key
that fires again joins, a key that resolves is marked, and when all are resolved and it is quiet,
`storm_sweep` resolves the storm. Whoever folds holds the lock of the storm's row, so members need
no locks of their own.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from incidents.intake.events import Event
from incidents.services.columns import columns
from incidents.services.intake_sql import Track
from incidents.services.past_openings import Key, PastOpenings
from incidents.services.service_facts import ServiceFacts
from incidents.services.statements import Statement, run_all

RANKS = {"low": 0, "medium": 1, "high": 2}
MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Member:
    """One key in a storm."""

    storm: Track
    dedup_key: str
    title: str
    source: str
    severity: str
    opened_at: datetime
    resolved_at: datetime | None = None


class Storms:
    """The storms of one batch: which are open, which alerts join them, what to write."""

    def __init__(self, services: Mapping[int, ServiceFacts], now: datetime) -> None:
        self.services = services
        self.now = now
        self.open: dict[int, Track] = {}
        self.members: dict[Key, Member] = {}
        self.changed: dict[Key, Member] = {}
        self.opened: dict[int, int] = {}  # how many incidents of a service in the last minute

    def look_up(self, storms: Iterable[Track], keys: Collection[Key]) -> None:
        """Take over the locked storms and find which of the keys they hold; 1 query, or none."""
        self.open = {storm.service_id: storm for storm in storms}
        wanted = [(self.open[pk].id, key) for pk, key in keys if pk in self.open]
        if wanted:
            by_id = {storm.id: storm for storm in self.open.values()}
            [rows] = run_all([(_MEMBERS, columns(wanted, 2))])
            for row in rows:
                storm = by_id[row[0]]
                self.members[storm.service_id, row[1]] = Member(storm, *row[1:])

    def count(self, past: PastOpenings) -> None:
        """Learn how much was opened in the last minute."""
        self.opened = dict(past.of_services)

    def holder_of(self, key: Key) -> Track | None:
        """The storm in which this key is firing."""
        member = self.members.get(key)
        return member.storm if member is not None and member.resolved_at is None else None

    def must_fold(self, service_id: int) -> bool:
        """Whether the service has opened as much as it may; the caller is about to open more."""
        threshold = self.services[service_id].storm_threshold
        opened = self.opened.get(service_id, 0)
        self.opened[service_id] = opened + 1
        return 0 < threshold <= opened

    def fold(self, fresh: Track, event: Event) -> Track:
        """Put what would have been an incident into the storm, which opens if none is."""
        key = (fresh.service_id, event.dedup_key)
        storm = self.open.get(fresh.service_id) or self._open(fresh)
        if key not in self.members:
            storm.folded_count += 1
        storm.firing_count += 1
        member = Member(storm, event.dedup_key, fresh.title, event.source, event.severity, self.now)
        self.members[key] = self.changed[key] = member
        _escalate(storm, fresh)
        storm.title = title_of(storm, self.services[storm.service_id].name, self.now)
        return storm

    def resolve(self, key: Key) -> None:
        """Mark a firing member as resolved."""
        member = self.members[key]
        member.resolved_at = self.now
        member.storm.firing_count -= 1
        self.changed[key] = member

    def saved(self, now: datetime) -> list[Statement]:
        """Write the storms that were open before and the members; the new ones have their ids."""
        storms = {id(m.storm): m.storm for m in self.changed.values()}
        storms |= {id(s): s for s in self.open.values() if s.is_touched}
        statements = []
        if old := [s for s in storms.values() if not s.is_new]:
            statements.append(_update(old, now))
        if self.changed:
            values = [
                (m.storm.id, m.storm.service_id, m.dedup_key, m.title, m.source, m.severity,
                 m.opened_at, m.resolved_at)
                for m in self.changed.values()
            ]  # fmt: skip
            statements.append((_UPSERT_MEMBERS, columns(values, 8)))
        return statements

    def _open(self, fresh: Track) -> Track:
        threshold = self.services[fresh.service_id].storm_threshold
        storm = Track(
            id=0,
            service_id=fresh.service_id,
            dedup_key="",
            status=fresh.status,
            title="",
            urgency=fresh.urgency,
            description=(
                f"More than {threshold} incidents in a minute: further alerts are kept here and "
                "page together, once."
            ),
            suppressed_until=fresh.suppressed_until,
            created_at=self.now,
            is_new=True,
            is_storm=True,
        )
        self.open[fresh.service_id] = storm
        return storm


def title_of(storm: Track, service: str, now: datetime) -> str:
    """`1,243 alerts in 4 min on Checkout`."""
    minutes = max(ceil((now - (storm.created_at or now)) / MINUTE), 1)
    alerts = "1 alert" if storm.folded_count == 1 else f"{storm.folded_count:,} alerts"
    span = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
    return f"{alerts} in {span} on {service}"


def _escalate(storm: Track, fresh: Track) -> None:
    """Let the storm be as urgent as the most urgent alert in it.

    Alerts that a route suppresses add nothing, and a storm of nothing else pages nobody; the first
    other alert makes it page.
    """
    if fresh.status == "suppressed" and fresh.suppressed_until is None:
        return
    storm.urgency = max(storm.urgency, fresh.urgency, key=RANKS.__getitem__)
    storm.priority = min(filter(None, (storm.priority, fresh.priority)), default=None)
    storm.policy_id = storm.policy_id or fresh.policy_id
    if storm.status == "suppressed" and storm.suppressed_until is None:
        storm.status, storm.suppressed_until = fresh.status, fresh.suppressed_until
        storm.is_roused = storm.status == "triggered" and not storm.is_new


def _update(storms: list[Track], now: datetime) -> Statement:
    """Write back storms whose rows are locked."""
    values = [
        (s.id, s.status, s.title, s.urgency, s.priority, s.policy_id, s.folded_count,
         s.firing_count, s.new_alerts, s.last_alert_at, s.suppressed_until, s.is_roused)
        for s in storms
    ]  # fmt: skip
    return _UPDATE_STORMS, [now, *columns(values, 12)]


# Key by key, as in `lock_open_incidents`: a storm is too young for statistics.
_MEMBERS = """
SELECT m.*
FROM unnest(%s::bigint[], %s::text[]) AS k (incident_id, dedup_key)
CROSS JOIN LATERAL (
  SELECT incident_id, dedup_key, title, source, severity, opened_at, resolved_at
  FROM incidents_stormmember
  WHERE incident_id = k.incident_id AND dedup_key = k.dedup_key
  LIMIT 1
) AS m
"""
_UPSERT_MEMBERS = """
INSERT INTO incidents_stormmember
  (incident_id, service_id, dedup_key, title, source, severity, opened_at, resolved_at)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[],
                     %s::timestamptz[], %s::timestamptz[])
ON CONFLICT (incident_id, dedup_key) DO UPDATE
SET title = excluded.title, source = excluded.source, severity = excluded.severity,
    opened_at = excluded.opened_at, resolved_at = excluded.resolved_at
"""
_UPDATE_STORMS = """
UPDATE incidents_incident i
SET status = v.status, title = v.title, urgency = v.urgency, priority = v.priority,
    escalation_policy_id = v.policy_id, folded_count = v.folded_count,
    firing_count = v.firing_count, alert_count = i.alert_count + v.new_alerts,
    last_alert_at = v.last_alert_at, suppressed_until = v.suppressed_until,
    escalate_at = CASE WHEN v.is_roused THEN statement_timestamp() ELSE i.escalate_at END,
    version = i.version + 1, updated_at = %s::timestamptz
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::int[],
            %s::int[], %s::int[], %s::timestamptz[], %s::timestamptz[], %s::bool[])
  AS v (id, status, title, urgency, priority, policy_id, folded_count, firing_count, new_alerts,
        last_alert_at, suppressed_until, is_roused)
WHERE i.id = v.id
"""
