"""Who was drawn into an incident by a page, and may therefore see it."""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection

from incidents.models import Participant

_ADD = """
INSERT INTO incidents_participant (incident_id, user_id, since)
SELECT i, u, %s FROM unnest(%s::bigint[], %s::bigint[]) AS pair (i, u) ON CONFLICT DO NOTHING
"""


def lock_participants(*, pairs: Iterable[tuple[int, int]]) -> None:
    """Let one transaction at a time decide how each (incident id, user id) is reached.

    Waits for the others; held until the caller's transaction ends. One query.
    """
    wanted = set(pairs)
    rows = Participant.objects.select_for_update(no_key=True).filter(
        incident_id__in={incident for incident, _ in wanted},
        user_id__in={user for _, user in wanted},
    )
    list(rows.order_by("pk").values_list("pk"))


def add_participants(*, pairs: Iterable[tuple[int, int]], now: datetime) -> None:
    """Let each (incident id, user id) see the incident; one query, repetition does no harm."""
    ordered = sorted(pairs)
    if not ordered:
        return
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [now, [i for i, _ in ordered], [u for _, u in ordered]])
