"""Who was drawn into an incident by a page, and may therefore see it."""

from collections.abc import Iterable
from datetime import datetime

from incidents.models import Participant


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
    Participant.objects.bulk_create(
        (Participant(incident_id=i, user_id=u, since=now) for i, u in sorted(pairs)),
        ignore_conflicts=True,
    )
