"""Pages that wait for the end of somebody's quiet hours, looked at again.

Meanwhile the hours, the time zone or the urgency may have changed, or their person may have gone
away or come back. Nothing tells us of these changes: what must be follows from how things are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from notifications.models import Notification
from notifications.quiet import QuietHours
from notifications.services.nudging import wake_channels
from notifications.services.outbox import PageRequest, queue_pages
from notifications.services.planning import Reach, load_reach
from notifications.services.settling import wanted_among

State = Notification.State
BATCH = 500


@dataclass(frozen=True)
class _Held:
    """A locked row and who is to be paged, or replaced, in the first place."""

    row: Notification
    person_id: int
    incident_id: int
    urgency: str


def follow_quiet_pages(*, now: datetime) -> int:
    """Move what waits to the end of today's quiet hours, or to who is to be paged now.

    Returns how many pages changed. Any number may run at once: rows are taken with SKIP LOCKED.
    One query where nothing waits.
    """
    changed, last = 0, 0
    while True:
        with transaction.atomic():
            held = _held_after(last)
            changed += _follow(held, now)
        if len(held) < BATCH:
            return changed
        last = held[-1].row.pk


def _held_after(last: int) -> list[_Held]:
    rows = (
        Notification.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
        .select_related("incident")
        .filter(state=State.PENDING, waits_for=Notification.Wait.QUIET, pk__gt=last)
        .order_by("pk")[:BATCH]
    )
    return [
        _Held(row, row.in_place_of_id or row.user_id, row.incident.pk, row.incident.urgency)
        for row in rows
        if row.user_id is not None and row.incident is not None
    ]


def _follow(held: Sequence[_Held], now: datetime) -> int:
    if not held:
        return 0
    reach = load_reach({one.person_id for one in held}, since=now)
    wanted = wanted_among(one.row.pk for one in held)
    stay: list[_Held] = []
    go: list[_Held] = []
    for one in held:
        plan = reach.plan_of(one.person_id, urgency=one.urgency, at=now)
        if plan is None or one.row.pk not in wanted:
            continue  # it is cancelled, by whoever does so
        (stay if plan.user_id == one.row.user_id else go).append(one)
    moved = [one.row for one in stay if _move(one, reach, now)]
    Notification.objects.bulk_update(moved, ["due_at", "waits_for"])
    wake_channels(row.channel for row in moved if row.due_at <= now)
    _hand_over(go, now)
    return len(moved) + len(go)


def _move(one: _Held, reach: Reach, now: datetime) -> bool:
    """Set when it is due by the present quiet hours; returns whether that is another time."""
    row = one.row
    person = reach.people.get(row.user_id or 0)
    before = (row.due_at, row.waits_for)
    planned = row.created_at + timedelta(minutes=row.delay_minutes)
    at = max(min(planned, row.due_at), now)
    until = _end(person.quiet if person else None, at, one.urgency)
    if until is None:
        row.due_at, row.waits_for = at, ""
    else:
        row.due_at = until
    return (row.due_at, row.waits_for) != before


def _end(quiet: QuietHours | None, at: datetime, urgency: str) -> datetime | None:
    return quiet.end_of(at, urgency) if quiet is not None else None


def _hand_over(held: Sequence[_Held], now: datetime) -> None:
    """Page whoever is to be paged now by the same cause, as if it arose now."""
    rows = [one.row for one in held]
    if not rows:
        return
    Notification.objects.filter(pk__in=[row.pk for row in rows]).delete()
    requests = {
        PageRequest(
            one.incident_id,
            one.person_id,
            Notification.Reason(one.row.reason),
            one.row.cause,
            turn=one.row.turn,
            needs_own_ack=one.row.needs_own_ack,
        )
        for one in held
    }
    queue_pages(requests=sorted(requests, key=lambda r: (r.incident_id, r.cause)), now=now)
