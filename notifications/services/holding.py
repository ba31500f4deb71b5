"""Marks of the outbox that are set for many rows at once."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now
from django.utils import timezone

from notifications.channels.base import Page, Postponed
from notifications.models import Notification
from notifications.services.outcomes import BREAKER_PATIENCE, NOTICE_PATIENCE, WITH_NEXT_WAY
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
    due = _due(channel).filter(address=address)
    if postponed.wait == Notification.Wait.LIMIT:
        due = due.filter(turn__gt=FIRST)
    return _update_free(due, due_at=_until(postponed), waits_for=postponed.wait)


def hold_channel(*, channel: str, postponed: Postponed) -> int:
    """Let everything that is due on a channel wait for its providers.

    Not what has waited for as long as it may: that is claimed, and takes the next way. Nor what
    goes to a web address, where everybody is a provider of one's own.
    """
    delay = ExpressionWrapper(F("delay_minutes") * timedelta(minutes=1), DurationField())
    may_wait = Q(created_at__gt=Now() - delay - BREAKER_PATIENCE) | Q(
        ~Q(reason__in=WITH_NEXT_WAY), created_at__gt=Now() - NOTICE_PATIENCE
    )
    due = _due(channel).filter(may_wait).exclude(address__startswith="http")
    return _update_free(due, due_at=_until(postponed), waits_for=postponed.wait)


def look_again(*, channels: Collection[str], after: timedelta) -> int:
    """Let what waits for its provider on these channels wait no longer than this.

    Not what goes to a web address, where everybody is a provider of one's own.
    """
    waiting = Notification.objects.filter(
        channel__in=channels,
        state=Notification.State.PENDING,
        waits_for=Notification.Wait.BREAKER,
        due_at__gt=Now() + after,
    )
    return _update_free(waiting.exclude(address__startswith="http"), due_at=Now() + after)


def mark_channel(*, channel: str) -> int:
    """Say of everything due but first pages that it waits for a slot; it stays due."""
    due = _due(channel).filter(turn__gt=FIRST, waits_for="")
    return _update_free(due, waits_for=Notification.Wait.LIMIT)


def _due(channel: str) -> QuerySet[Notification]:
    return Notification.objects.filter(
        channel=channel, state=Notification.State.PENDING, due_at__lte=Now()
    )


def _until(postponed: Postponed) -> CombinedExpression:
    return Now() + max(postponed.until - timezone.now(), timedelta())


@transaction.atomic
def _update_free(rows: QuerySet[Notification], **values: object) -> int:
    """Change those that nobody else has in hand: two that waited for each other would end the run
    of one of them."""
    free = rows.select_for_update(skip_locked=True, no_key=True)
    return Notification.objects.filter(pk__in=free.values("pk")).update(**values)
