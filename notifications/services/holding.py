"""Marks of the outbox that are set for many rows at once."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now
from django.utils import timezone

from notifications.channels.base import Page, Postponed
from notifications.models import Notification
from notifications.services.outcomes import BREAKER_PATIENCE
from notifications.turns import FIRST

_MARK_BUNDLES = """
UPDATE notifications_notification n SET bundle = v.bundle
FROM unnest(%s::bigint[], %s::uuid[]) AS v (id, bundle)
WHERE n.id = v.id AND n.state = 'sending'
"""


def mark_bundles(parcels: Mapping[UUID, Sequence[Page]]) -> None:
    """Write down which claimed pages go out as one message; a repetition keeps them together."""
    pairs = [(page.notification_id, key) for key, pages in parcels.items() for page in pages]
    if not pairs:
        return
    with connection.cursor() as cursor:
        cursor.execute(_MARK_BUNDLES, [list(column) for column in zip(*pairs, strict=True)])


def hold_address(*, channel: str, address: str, postponed: Postponed) -> int:
    """Let everything that is due to an address wait as well; first pages only for a breaker.

    Returns how many rows. Otherwise each would be claimed only to be put back.
    """
    due = Notification.objects.filter(
        channel=channel, address=address, state=Notification.State.PENDING, due_at__lte=Now()
    )
    if postponed.wait == Notification.Wait.LIMIT:
        due = due.filter(turn__gt=FIRST)
    wait = max(postponed.until - timezone.now(), timedelta())
    return due.update(due_at=Now() + wait, waits_for=postponed.wait)


def hold_channel(*, channel: str, postponed: Postponed) -> int:
    """Let everything that is due on a channel wait for its only provider.

    Not what has waited for BREAKER_PATIENCE: that is claimed, and takes the next way.
    """
    wait = max(postponed.until - timezone.now(), timedelta())
    delay = ExpressionWrapper(F("delay_minutes") * timedelta(minutes=1), DurationField())
    due = Notification.objects.filter(
        channel=channel,
        state=Notification.State.PENDING,
        due_at__lte=Now(),
        created_at__gt=Now() - delay - BREAKER_PATIENCE,
    )
    return due.update(due_at=Now() + wait, waits_for=postponed.wait)


def mark_channel(*, channel: str) -> int:
    """Say of everything due but first pages that it waits for a slot; it stays due."""
    return Notification.objects.filter(
        channel=channel,
        state=Notification.State.PENDING,
        due_at__lte=Now(),
        turn__gt=FIRST,
        waits_for="",
    ).update(waits_for=Notification.Wait.LIMIT)
