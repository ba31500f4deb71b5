"""Writes changes beside the deliveries that brought them, in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from incidents.intake.events import ChangeEvent
from incidents.services.columns import columns
from incidents.services.intake_sql import as_json
from incidents.services.statements import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One row of Change to be written; see there for the fields."""

    service_id: int
    integration_id: int
    delivery_id: UUID
    received_at: datetime
    event: ChangeEvent


def insert_changes(rows: Sequence[ChangeRow]) -> Statement | None:
    """Write those whose service is still there.

    A change outlives its integration.
    """
    if not rows:
        return None
    values = [
        (
            r.service_id, r.integration_id, r.delivery_id, r.received_at, r.event.summary,
            r.event.source, as_json(r.event.details), as_json(r.event.links), r.event.occurred_at,
        )
        for r in rows
    ]  # fmt: skip
    return (
        """
        INSERT INTO incidents_change
          (service_id, integration_id, delivery_id, received_at, summary, source, details,
           links, occurred_at)
        SELECT s.id, i.id, v.delivery_id, v.received_at, v.summary, v.source,
               v.details::jsonb, v.links::jsonb, v.occurred_at
        FROM unnest(%s::bigint[], %s::bigint[], %s::uuid[], %s::timestamptz[], %s::text[],
                    %s::text[], %s::text[], %s::text[], %s::timestamptz[])
          AS v (service_id, integration_id, delivery_id, received_at, summary, source,
                details, links, occurred_at)
        JOIN incidents_service s ON s.id = v.service_id
        LEFT JOIN incidents_integration i ON i.id = v.integration_id
        """,
        columns(values, 9),
    )
