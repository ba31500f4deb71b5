"""Pages that failed for good: their address, their timeline, and the next way."""

from collections.abc import Sequence, Set
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
from notifications.services.settling import wanted_among

NOT_WANTED = "It is not needed any more."


@dataclass(frozen=True)
class Failure:
    """A locked row, with its user and destination, whose state is FAILED; `last_error` says why."""

    row: Notification
    breaks_address: bool
    is_stop: bool = False  # it breaks the address only until START


def give_up_all(
    failures: Sequence[Failure], *, now: datetime
) -> tuple[list[TimelineEntry], list[Notification]]:
    """What to say about them, and those whose person or destination has no other way.

    The caller holds the transaction. One after another per person: two ways that fail at once must
    not each wait for the other. Addresses are broken first, in their order, so that two
    transactions do not wait for each other. No other way is taken of what nobody needs any more.
    """
    rows = [failure.row for failure in failures]
    pairs = [(row.incident_id, row.user_id) for row in rows if row.incident_id and row.user_id]
    if pairs:
        lock_participants(pairs=pairs)
    for failure in sorted(failures, key=_place_of_address):
        if failure.breaks_address:
            break_address(failure.row, is_stop=failure.is_stop)
    pages = [row for row in rows if row.incident_id and row.reason not in Notification.NEWS]
    wanted = wanted_among(row.pk for row in pages) if pages else set()
    entries: list[TimelineEntry] = []
    lost: list[Notification] = []
    for row in pages:
        assert row.incident_id is not None  # noqa: S101 — see `pages`
        next_step = _next_step(row, wanted, now)
        entries.append(_failure_entry(row, row.incident_id, next_step, now))
        if next_step == NO_WAY_LEFT:
            lost.append(row)
    return entries, lost


def _place_of_address(failure: Failure) -> tuple[int, int]:
    return failure.row.destination_id or 0, failure.row.contact_method_id or 0


def _next_step(row: Notification, wanted: Set[int], now: datetime) -> str:
    if row.pk in wanted:
        return take_next_way(row=row, now=now)
    has_left = row.user is not None and not row.user.is_active
    return NO_WAY_LEFT if has_left else NOT_WANTED


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
