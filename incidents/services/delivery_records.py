"""Writes deliveries beside the alerts they brought, in the same transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from incidents.services.change_records import ChangeRow
from incidents.services.columns import columns
from incidents.services.intake_sql import as_json
from incidents.services.statements import Statement

MAX_REASON = 1000


@dataclass(slots=True, kw_only=True)
class DeliveryRecord:
    """One row of Delivery to be written; see there for the fields."""

    id: UUID
    integration_id: int
    kind: str
    via: str
    received_at: datetime
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    verdict: str
    reason: str = ""
    signature: str = ""
    replay_of: UUID | None = None
    was_spooled: bool = False
    results: list[dict[str, Any]] = field(default_factory=list)
    change: ChangeRow | None = None  # what it brought, when that was no event


def insert_deliveries(records: Sequence[DeliveryRecord]) -> Statement | None:
    """Writes them all; an IntegrityError when one is there already."""
    if not records:
        return None
    values = [
        (
            r.id, r.integration_id, r.kind, r.via, r.received_at, as_json(dict(r.headers)),
            as_json(dict(r.query)), r.body, str(r.verdict), r.reason[:MAX_REASON], r.signature,
            as_json(r.results), r.was_spooled, r.replay_of,
        )
        for r in records
    ]  # fmt: skip
    return (
        """
        INSERT INTO incidents_delivery
          (id, integration_id, kind, via, received_at, headers, query, body, verdict, reason,
           signature, results, was_spooled, replay_of)
        SELECT v.id, v.integration_id, v.kind, v.via, v.received_at, v.headers::jsonb,
               v.query::jsonb, v.body, v.verdict, v.reason, v.signature, v.results::jsonb,
               v.was_spooled, v.replay_of
        FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::timestamptz[],
                    %s::text[], %s::text[], %s::bytea[], %s::text[], %s::text[], %s::text[],
                    %s::text[], %s::bool[], %s::uuid[])
          AS v (id, integration_id, kind, via, received_at, headers, query, body, verdict,
                reason, signature, results, was_spooled, replay_of)
        """,
        columns(values, 14),
    )


def stored_deliveries(ids: Iterable[UUID]) -> set[UUID]:
    """Those of the ids that are in the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM incidents_delivery WHERE id = ANY(%s)", [list(ids)])
        return {row[0] for row in cursor.fetchall()}
