"""What providers say afterwards: a sent page arrived, or it did not and the next way is tried."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from incidents.services.timeline import write_entries
from notifications.models import DeliveryAttempt, Notification
from notifications.providers.base import Receipt
from notifications.services.failing import Failure, give_up_all
from notifications.services.unreached import tell_unreached
from opsknight.errors import OpsKnightError
from realtime.publish import incidents_changed

logger = logging.getLogger(__name__)

State = Notification.State
# A receipt can be faster than the worker that writes down under which number its page was taken.
AGAIN_SECONDS = 10
AGAIN_TASK = "notifications.tasks.record_receipts_again"
MAX_DETAIL_LENGTH = 500
NOT_KEPT = "A report came before its message was known, and cannot be kept. Send it again."
NO_REASON = "The provider could not deliver it."


class ReceiptsNotKept(OpsKnightError):
    """The provider must report again."""

    code = "unavailable"
    status = 503


def record_receipts(
    *,
    provider_keys: Collection[str],
    receipts: Sequence[Receipt],
    now: datetime,
    happened_at: datetime | None = None,
) -> set[str]:
    """Move `sent` pages to `delivered`, or to `failed` and on to the next way at once.

    `provider_keys` are the accounts for which the receipts may speak. A message that held several
    pages moves them all. Receipts may come late, twice and in any order: what failed stays failed,
    and of a page that was delivered only a failure is news (mail that bounces afterwards).
    `happened_at` None: nobody knows when, and the page keeps the time when it was sent. Returns the
    numbers of messages that no row knows (yet).
    """
    said = _last_words(receipts)
    if not said:
        return set()
    with transaction.atomic():
        rows = _lock_rows(provider_keys, said)
        arrived = [row for row in rows if _has_arrived(row, said[row.provider_message_id])]
        failed = [row for row in rows if _has_failed(row, said[row.provider_message_id])]
        for row in arrived:
            row.state = State.DELIVERED
        for row in failed:
            row.state = State.FAILED
            detail = said[row.provider_message_id].detail
            row.last_error = (detail or NO_REASON)[:MAX_DETAIL_LENGTH]
        for row in arrived + failed:
            row.finished_at = happened_at or row.finished_at
        Notification.objects.bulk_update(arrived + failed, ["state", "last_error", "finished_at"])
        _keep_details(rows, said, now)
        _go_on(failed, said, now)
        incidents_changed(r.incident_id for r in arrived + failed if r.incident_id is not None)
    return said.keys() - {row.provider_message_id for row in rows}


def take_receipts(
    *, provider_keys: Collection[str], receipts: Sequence[Receipt], now: datetime
) -> None:
    """Record what a provider reports by itself; what no row knows yet, once more a little later.

    Raises ReceiptsNotKept while Redis is away, so that the provider reports again.
    """
    unknown = record_receipts(
        provider_keys=provider_keys, receipts=receipts, now=now, happened_at=now
    )
    early = [asdict(receipt) for receipt in receipts if receipt.message_id in unknown]
    if not early:
        return
    kwargs = {"provider_keys": sorted(provider_keys), "said": early}
    try:
        current_app.send_task(
            AGAIN_TASK, kwargs=kwargs, queue="default", countdown=AGAIN_SECONDS, expires=300
        )
    except (OperationalError, OSError) as error:
        logger.warning("Receipts of %s unknown messages are not kept: %s", len(early), error)
        raise ReceiptsNotKept(NOT_KEPT) from error


def _last_words(receipts: Sequence[Receipt]) -> dict[str, Receipt]:
    """The receipt that counts for each message: a failure rather than an arrival."""
    said: dict[str, Receipt] = {}
    for receipt in receipts:
        if receipt.message_id and receipt.is_delivered is not None:
            known = said.get(receipt.message_id)
            if known is None or known.is_delivered:
                said[receipt.message_id] = receipt
    return said


def _lock_rows(provider_keys: Collection[str], message_ids: Collection[str]) -> list[Notification]:
    rows = (
        Notification.objects.select_for_update(of=("self",), no_key=True)
        .select_related("user", "destination")
        .defer("destination__secret")
        .filter(provider__in=provider_keys, provider_message_id__in=message_ids)
    )
    return list(rows.order_by("pk"))


def _has_arrived(row: Notification, receipt: Receipt) -> bool:
    return receipt.is_delivered is True and row.state == State.SENT


def _keep_details(rows: Sequence[Notification], said: Mapping[str, Receipt], now: datetime) -> None:
    """Write into the log what is said beyond the arrival, once: that the message was read."""
    details = {
        row.pk: said[row.provider_message_id].detail
        for row in rows
        if row.state == State.DELIVERED and said[row.provider_message_id].is_delivered
    }
    wanted = {(pk, detail[:MAX_DETAIL_LENGTH]) for pk, detail in details.items() if detail}
    if not wanted:
        return
    kept = DeliveryAttempt.objects.filter(notification_id__in=details)
    DeliveryAttempt.objects.bulk_create(
        DeliveryAttempt(
            notification_id=pk, at=now, outcome=DeliveryAttempt.Outcome.SENT, detail=detail
        )
        for pk, detail in sorted(wanted - set(kept.values_list("notification_id", "detail")))
    )


def _has_failed(row: Notification, receipt: Receipt) -> bool:
    return receipt.is_delivered is False and row.state in (State.SENT, State.DELIVERED)


def _go_on(rows: Sequence[Notification], said: Mapping[str, Receipt], now: datetime) -> None:
    """The same as for pages that could not be sent."""
    if not rows:
        return
    failures = [
        Failure(row, receipt.breaks_address, receipt.is_stop)
        for row, receipt in ((row, said[row.provider_message_id]) for row in rows)
    ]
    entries, lost = give_up_all(failures, now=now)
    # In the order of ids, as everybody who touches several incidents does.
    write_entries(sorted(entries, key=lambda entry: entry.incident_id))
    if lost:
        tell_unreached(failed=lost, now=now)
