"""Notes beats in the transaction that records their deliveries."""

from collections.abc import Sequence

from django.db import connection

from incidents.intake.beats import Beat
from incidents.models import Heartbeat

_INTERVAL = Heartbeat._meta.get_field("interval_seconds").get_default()
_GRACE = Heartbeat._meta.get_field("grace_seconds").get_default()


def record_beats(beats: Sequence[Beat]) -> None:
    """One statement: after a good beat the wait starts anew, by the database's clock.

    At most one beat of each heartbeat, in order of their integrations, so that two batches cannot
    deadlock. A beat that waited on disk counts from when it is noted: being late was our fault.
    """
    if not beats:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO incidents_heartbeat AS h
              (integration_id, interval_seconds, grace_seconds, expects_first, last_beat_at,
               failed_at, due_at)
            SELECT i.id, %s, %s, true,
                   CASE WHEN NOT v.has_failed THEN v.at END,
                   CASE WHEN v.has_failed THEN v.at END,
                   CASE WHEN NOT v.has_failed
                     THEN statement_timestamp() + make_interval(secs => %s) END
            FROM unnest(%s::bigint[], %s::timestamptz[], %s::bool[])
              AS v (integration_id, at, has_failed)
            JOIN incidents_integration i ON i.id = v.integration_id AND i.enabled
            ORDER BY i.id
            ON CONFLICT (integration_id) DO UPDATE SET
              last_beat_at = greatest(h.last_beat_at, excluded.last_beat_at),
              failed_at = excluded.failed_at,
              missed_at = NULL,
              due_at = CASE WHEN excluded.failed_at IS NULL
                THEN statement_timestamp()
                     + make_interval(secs => h.interval_seconds + h.grace_seconds) END
            """,
            [
                _INTERVAL,
                _GRACE,
                _INTERVAL + _GRACE,
                [beat.integration_id for beat in beats],
                [beat.at for beat in beats],
                [beat.has_failed for beat in beats],
            ],
        )
