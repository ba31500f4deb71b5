"""Pages that failed for good: their address, their timeline, and the next way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from incidents.models import TimelineEntry
from incidents.services.participants import lock_participants
from incidents.services.timeline import build_entry
from notifications.channels import CHANNELS
from notifications.models import Notification
from notifications.services.breaking import break_address
from notifications.services.next_way import NO_WAY_LEFT, take_next_way

NOT_WANTED = "It is not needed any more."


@dataclass(frozen=True)
class Failure:
    """A locked row, with its user and destination, whose state is FAILED; `last_error` says why."""

    row: Notification
    breaks_address: bool
    is_wanted: bool = True  # whether anybody still needs the page


def give_up_all(
    failures: Sequence[Failure], *, now: datetime
) -> tuple[list[TimelineEntry], list[Notification]]:
    """What to say about them, and those whose person or destination has no other way.

    The caller holds the transaction. One after another per person: two ways that fail at once must
    not each wait for the other.
    """
    rows = [failure.row for failure in failures]
    pairs = [(row.incident_id, row.user_id) for row in rows if row.incident_id and row.user_id]
    if pairs:
        lock_participants(pairs=pairs)
    entries: list[TimelineEntry] = []
    lost: list[Notification] = []
    for failure in failures:
        row = failure.row
        if failure.breaks_address:
            break_address(row)
        if row.incident_id is None or row.reason in Notification.NEWS:
            continue
        is_wanted = failure.is_wanted
        next_step = take_next_way(row=row, now=now) if is_wanted else NOT_WANTED
        entries.append(_failure_entry(row, row.incident_id, next_step, now))
        if next_step == NO_WAY_LEFT:
            lost.append(row)
    return entries, lost


def _failure_entry(
    row: Notification, incident_id: int, next_step: str, now: datetime
) -> TimelineEntry:
    """Say that this way failed for good, and what happens next."""
    phrase, why = CHANNELS[row.channel].phrase, row.last_error.rstrip(". ")
    return build_entry(
        incident_id=incident_id,
        kind=TimelineEntry.Kind.PAGE_FAILED,
        message=f"Page to {row.recipient} {phrase} failed: {why}. {next_step}",
        now=now,
        data=entry_data(row),
    )


def entry_data(row: Notification) -> dict[str, Any]:
    """What timeline entries about a page carry for machines."""
    return {
        "notification": row.pk,
        "user": row.user_id,
        "destination": row.destination_id,
        "channel": row.channel,
        "state": row.state,
    }
