"""Asks providers what became of messages of which they have reported nothing."""

import logging
import time
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from notifications.channels.base import DeliveryError
from notifications.models import Notification
from notifications.providers import PROVIDERS
from notifications.providers.base import Provider, ProviderConfig, Receipt
from notifications.services.accounts import all_accounts
from notifications.services.receipts import record_receipts

logger = logging.getLogger(__name__)

# Reports come within seconds, as a rule; a provider that lost ours is asked after this time.
PATIENCE = timedelta(minutes=10)
ASK_AGAIN = timedelta(hours=1)
# Sooner, where the provider did not answer.
AFTER_SILENCE = timedelta(minutes=5)
# After this it makes no difference to anybody.
HORIZON = timedelta(days=1)
BATCH = 50
# One sweep asks no longer than this; the next one goes on.
SWEEP_SECONDS = 20.0


def ask_stuck(*, now: datetime) -> int:
    """Ask about rows that are `sent` for longer than PATIENCE; returns how many were asked about.

    A message is asked about once an hour for a day, however many rows it held. A provider that does
    not answer is left alone for AFTER_SILENCE.
    """
    accounts = {account.key: account for account in all_accounts() if _can_be_asked(account)}
    if not accounts:
        return 0
    ends_at = time.monotonic() + SWEEP_SECONDS
    rows = _take(accounts, now)
    silent: set[str] = set()
    messages = {(row.provider, row.provider_message_id): row for row in rows}
    unasked: list[str] = []
    for (provider, message_id), row in messages.items():
        if provider in silent or time.monotonic() > ends_at:
            unasked.append(message_id)
            continue
        try:
            receipt = _ask(row, accounts[provider])
        except DeliveryError as error:
            logger.warning("%s was not asked: %s", accounts[provider].name, error)
            silent.add(provider)
            unasked.append(message_id)
            continue
        if receipt is not None:
            record_receipts(provider_keys=[provider], receipts=[receipt], now=now)
    _ask_soon(rows, unasked, now)
    return len(rows)


def _ask_soon(rows: Iterable[Notification], unasked: Collection[str], now: datetime) -> None:
    """Let the next sweeps ask about what could not be asked now."""
    left = [row.pk for row in rows if row.provider_message_id in unasked]
    asked_at = now - ASK_AGAIN + AFTER_SILENCE
    Notification.objects.filter(pk__in=left).update(asked_at=asked_at)


def _can_be_asked(account: ProviderConfig) -> bool:
    return type(PROVIDERS[account.kind]).ask is not Provider.ask


def _take(keys: Iterable[str], now: datetime) -> list[Notification]:
    """Mark a batch as asked about, so that no other sweep asks the same; oldest first."""
    due = Q(asked_at=None) | Q(asked_at__lt=now - ASK_AGAIN)
    with transaction.atomic():
        rows = list(
            Notification.objects.select_for_update(skip_locked=True, no_key=True)
            .filter(
                due,
                state=Notification.State.SENT,
                finished_at__gt=now - HORIZON,
                finished_at__lt=now - PATIENCE,
                provider__in=list(keys),
            )
            .exclude(provider_message_id="")
            .order_by("finished_at")[:BATCH]
        )
        Notification.objects.filter(pk__in=[row.pk for row in rows]).update(asked_at=now)
    return rows


def _ask(row: Notification, account: ProviderConfig) -> Receipt | None:
    provider = PROVIDERS[account.kind]
    return provider.ask(row.provider_message_id, config=account, channel=row.channel)
