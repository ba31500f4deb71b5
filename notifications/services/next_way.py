"""When a way failed for good, the person is not left waiting for the delay of the next one."""

from datetime import datetime

from notifications.channels import CHANNELS
from notifications.models import Notification
from notifications.rules import account_page
from notifications.services.nudging import wake_channels
from notifications.services.outbox import PageRequest, build_page
from notifications.services.settling import wanted_among

State = Notification.State
NO_WAY_LEFT = "No other way is left."
REACHED = (State.SENT, State.DELIVERED, State.SANDBOXED)


def take_next_way(*, row: Notification, now: datetime) -> str:
    """Pull forward the next page of the failed one's person, else write to the account address.

    The caller holds the transaction. Returns a sentence that says what happens now; NO_WAY_LEFT
    when nothing does. A destination has no other way.
    """
    if row.user_id is None or row.user is None or row.incident_id is None:
        return NO_WAY_LEFT
    others = Notification.objects.filter(
        incident_id=row.incident_id, user_id=row.user_id, reason=row.reason
    ).exclude(channel="in_app").exclude(pk=row.pk)  # fmt: skip
    unfinished = others.filter(state__in=Notification.UNFINISHED).order_by("due_at", "pk")
    wanted = wanted_among(unfinished.values_list("pk", flat=True))
    upcoming = unfinished.filter(pk__in=wanted).first()
    if upcoming is not None and upcoming.waits_for == Notification.Wait.QUIET:
        return f"Trying {CHANNELS[upcoming.channel].phrase} when quiet hours end."
    if upcoming is not None:
        _pull_forward(upcoming, now)
        return f"Trying {CHANNELS[upcoming.channel].phrase} now."
    if others.filter(cause=row.cause, state__in=REACHED).exists():
        return "Another way has been used already."
    address = row.user.email
    if (row.channel, row.address) == ("email", address) or others.filter(
        cause=row.cause, channel="email", address=address
    ).exists():
        return NO_WAY_LEFT
    request = PageRequest(
        row.incident_id,
        row.user_id,
        Notification.Reason(row.reason),
        row.cause,
        needs_own_ack=row.needs_own_ack,
    )
    page = build_page(request, account_page(address), now)
    page.in_place_of_id = row.in_place_of_id
    Notification.objects.bulk_create([page], ignore_conflicts=True)
    wake_channels(["email"])
    return "Trying by e-mail to the account's address now."


def _pull_forward(upcoming: Notification, now: datetime) -> None:
    """Make it due unless it is, or is in a worker's hands."""
    moved = Notification.objects.filter(pk=upcoming.pk, state=State.PENDING, due_at__gt=now).update(
        due_at=now
    )
    if moved:
        wake_channels([upcoming.channel])
