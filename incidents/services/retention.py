"""How long deliveries are kept: a number of days, and a number for each integration."""

import time
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection

from incidents.models.delivery import first_id_at

BATCH = 1_000  # rows in one transaction
MAX_SECONDS = 120.0  # of one sweep; the next one goes on

# From one integration to the next along the index: reads as many entries as there are
# integrations, however many deliveries they have. Deleted integrations are among them.
_INTEGRATIONS = """
WITH RECURSIVE present AS (
  (SELECT integration_id AS id FROM incidents_delivery ORDER BY integration_id LIMIT 1)
  UNION ALL
  SELECT (SELECT integration_id FROM incidents_delivery
          WHERE integration_id > present.id ORDER BY integration_id LIMIT 1)
  FROM present WHERE present.id IS NOT NULL
)
SELECT present.id, integration.id IS NULL
FROM present LEFT JOIN incidents_integration AS integration ON integration.id = present.id
WHERE present.id IS NOT NULL
"""
_SURPLUS = """
SELECT id FROM incidents_delivery WHERE integration_id = %s ORDER BY id DESC OFFSET %s LIMIT 1
"""
# `id > %s`: what the batches before have deleted is still in the index, and not read again.
_DELETE = """
WITH gone AS (
  DELETE FROM incidents_delivery WHERE id IN (
    SELECT id FROM incidents_delivery
    WHERE integration_id = %s AND id > %s AND id <= %s
    ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
  RETURNING id)
SELECT count(*), max(id::text) FROM gone
"""

_FIRST = UUID(int=0)
_LAST = UUID(int=2**128 - 1)


def prune_deliveries(*, now: datetime) -> int:
    """Delete what is too old, what is too much of one integration, and what no integration has.

    In small transactions, the oldest first; at most 2 minutes of it. Answers how many are gone.
    """
    ends = time.monotonic() + MAX_SECONDS
    oldest = UUID(int=first_id_at(now - timedelta(days=settings.DELIVERY_DAYS)).int - 1)
    with connection.cursor() as cursor:
        cursor.execute(_INTEGRATIONS)
        integrations = cursor.fetchall()
    count = 0
    for integration_id, is_deleted in integrations:
        last = _LAST if is_deleted else max(oldest, _last_surplus(integration_id))
        count += _delete(integration_id, last, ends)
        if time.monotonic() > ends:
            break
    return count


def _last_surplus(integration_id: int) -> UUID:
    """The newest delivery beyond the number that is kept."""
    with connection.cursor() as cursor:
        cursor.execute(_SURPLUS, [integration_id, settings.DELIVERIES_PER_INTEGRATION])
        row = cursor.fetchone()
    return row[0] if row else _FIRST


def _delete(integration_id: int, last: UUID, ends: float) -> int:
    count, after = 0, _FIRST
    while time.monotonic() <= ends:
        with connection.cursor() as cursor:
            cursor.execute(_DELETE, [integration_id, after, last, BATCH])
            deleted, newest = cursor.fetchone()
        count += deleted
        if deleted < BATCH:
            break
        after = UUID(newest)
    return count
