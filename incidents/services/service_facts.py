"""What the intake must know of the services in a batch: one statement, however many."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from incidents.maintenance import Maintenance, maintenance_at
from incidents.services.columns import array_literal
from incidents.services.statements import Statement


@dataclass(frozen=True, slots=True)
class WindowFacts:
    """A maintenance window that is not over, in the order of the statement's columns."""

    reason: str
    starts_at: datetime
    ends_at: datetime
    repeat: str
    time_zone: str
    repeat_until: datetime | None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """One service, as its row is now."""

    id: int
    name: str
    storm_threshold: int
    flapping_openings: int
    flapping_minutes: int
    maintenance: Maintenance | None  # which holds now, by the database's clock


_FACTS = """
SELECT s.id, s.name, s.storm_threshold, s.flapping_openings, s.flapping_minutes,
       (SELECT json_agg(json_build_array(w.reason, w.starts_at, w.ends_at, w.repeat, w.time_zone,
                                         w.repeat_until))
        FROM incidents_maintenancewindow w
        WHERE w.service_id = s.id AND w.ended_at IS NULL),
       statement_timestamp()
FROM incidents_service s WHERE s.id = ANY(%s::bigint[]) ORDER BY s.id FOR KEY SHARE OF s
"""


def service_facts(ids: Iterable[int]) -> Statement:
    """Asks for what `read_facts` reads, and locks the services against deletion until commit."""
    return _FACTS, [array_literal(ids)]


def read_facts(rows: Iterable[tuple[Any, ...]]) -> dict[int, ServiceFacts]:
    """Those services that exist, by id."""
    return {
        row[0]: ServiceFacts(
            id=row[0],
            name=row[1],
            storm_threshold=row[2],
            flapping_openings=row[3],
            flapping_minutes=row[4],
            maintenance=_maintenance(row[5], row[6]),
        )
        for row in rows
    }


def _maintenance(windows: list[list[Any]] | None, at: datetime) -> Maintenance | None:
    if not windows:
        return None
    return maintenance_at([_window(columns) for columns in windows], at)


def _window(columns: list[Any]) -> WindowFacts:
    reason, starts_at, ends_at, repeat, zone, repeat_until = columns
    return WindowFacts(
        reason=reason,
        starts_at=datetime.fromisoformat(starts_at),
        ends_at=datetime.fromisoformat(ends_at),
        repeat=repeat,
        time_zone=zone,
        repeat_until=datetime.fromisoformat(repeat_until) if repeat_until else None,
    )
