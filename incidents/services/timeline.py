"""Writes timeline entries; callers hold the transaction."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from incidents.models import TimelineEntry
from opsknight.models import User


def build_entry(
    *,
    incident_id: int,
    kind: TimelineEntry.Kind,
    message: str,
    now: datetime,
    actor: User | None = None,
    actor_label: str = "",
    data: dict[str, Any] | None = None,
) -> TimelineEntry:
    """An unsaved entry; the label keeps the actor's name when the account goes."""
    return TimelineEntry(
        incident_id=incident_id,
        kind=kind,
        message=message,
        at=now,
        actor=actor,
        actor_label=actor_label or (str(actor) if actor else ""),
        data=data or {},
    )


def write_entries(entries: Iterable[TimelineEntry]) -> None:
    """Save many entries in one statement."""
    TimelineEntry.objects.bulk_create(entries)
