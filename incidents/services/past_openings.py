"""How much was opened lately: what makes a storm, and what makes a key flap.

One statement for a batch, and none for a batch that opens nothing. It reads index entries of the
last minutes only, at most as many as the limits of the service ask for.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from incidents.services.columns import array_literal, columns
from incidents.services.service_facts import ServiceFacts
from incidents.services.statements import Statement

Key = tuple[int, str]  # service id, dedup key
STORM_PERIOD = timedelta(minutes=1)


@dataclass(slots=True)
class PastOpenings:
    """Counts; what is missing is 0."""

    of_services: dict[int, int] = field(default_factory=dict)  # in the last minute
    of_keys: dict[Key, int] = field(default_factory=dict)  # in the service's flapping period


_OPENINGS = """
SELECT s.service_id, NULL, s_incidents.n + s_members.n
FROM unnest(%s::bigint[], %s::int[]) AS s (service_id, threshold)
CROSS JOIN LATERAL (
  SELECT count(*) AS n FROM (
    SELECT 1 FROM incidents_incident i
    WHERE i.service_id = s.service_id AND i.created_at > %s::timestamptz
    ORDER BY i.created_at DESC LIMIT s.threshold
  ) AS few
) AS s_incidents
CROSS JOIN LATERAL (
  SELECT count(*) AS n FROM (
    SELECT 1 FROM incidents_stormmember m
    WHERE m.service_id = s.service_id AND m.opened_at > %s::timestamptz
    ORDER BY m.opened_at DESC LIMIT s.threshold
  ) AS few
) AS s_members
UNION ALL
SELECT k.service_id, k.dedup_key, k_incidents.n
FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::int[])
  AS k (service_id, dedup_key, since, openings)
CROSS JOIN LATERAL (
  SELECT count(*) AS n FROM (
    SELECT 1 FROM incidents_incident i
    WHERE i.service_id = k.service_id AND i.dedup_key = k.dedup_key AND i.dedup_key IS NOT NULL
      AND i.status = 'resolved' AND i.created_at > k.since
    LIMIT k.openings
  ) AS few
) AS k_incidents
WHERE k_incidents.n > 0
"""


def past_openings(
    keys: Collection[Key], services: Mapping[int, ServiceFacts], now: datetime
) -> Statement | None:
    """Asks what the keys that may open an incident, and their services, opened before."""
    storms = [s for pk in {pk for pk, _ in keys} if (s := services[pk]).storm_threshold]
    flapping = [(pk, key) for pk, key in keys if services[pk].flapping_openings]
    if not storms and not flapping:
        return None
    ids, texts = columns(flapping, 2)
    return _OPENINGS, [
        array_literal(s.id for s in storms),
        array_literal(s.storm_threshold for s in storms),
        now - STORM_PERIOD,
        now - STORM_PERIOD,
        ids,
        texts,
        array_literal(now - timedelta(minutes=services[pk].flapping_minutes) for pk, _ in flapping),
        array_literal(services[pk].flapping_openings for pk, _ in flapping),
    ]


def read_openings(rows: Iterable[tuple[Any, ...]]) -> PastOpenings:
    """What `past_openings` found."""
    past = PastOpenings()
    for service_id, dedup_key, count in rows:
        if dedup_key is None:
            past.of_services[service_id] = count
        else:
            past.of_keys[service_id, dedup_key] = count
    return past
