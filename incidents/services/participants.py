"""Who was drawn into an incident by a page, and may therefore see it."""

from collections.abc import Iterable
from datetime import datetime

from incidents.models import Participant


def add_participants(*, pairs: Iterable[tuple[int, int]], now: datetime) -> None:
    """Let each (incident id, user id) see the incident; one query, repetition does no harm."""
    Participant.objects.bulk_create(
        (Participant(incident_id=i, user_id=u, since=now) for i, u in sorted(pairs)),
        ignore_conflicts=True,
    )
