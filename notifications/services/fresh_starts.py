"""A fresh start for an account that was left alone: somebody corrected it, or saw it work."""

import time
from collections.abc import Collection
from datetime import timedelta

from notifications import breakers
from notifications.breakers import Guard
from notifications.holds import release
from notifications.providers import PROVIDERS
from notifications.providers.base import ProviderConfig
from notifications.services.accounts import REMEMBERED_SECONDS
from notifications.services.holding import look_again
from notifications.services.nudging import wake_channels
from notifications.services.routing import edits_of, exit_of


def start_afresh(*, config: ProviderConfig, channel: str, address: str) -> None:
    """Its provider took a message just now: whatever waits for it goes out at once."""
    way = exit_of(config, address, channel)
    _start_afresh(way.guard, {config.key, way.hold}, PROVIDERS[config.kind].channels, 0.0)
    wake_channels(PROVIDERS[config.kind].channels)


def start_corrected(*, key: str, kind: str) -> None:
    """An account was corrected: it is tried as soon as every worker knows how it is now.

    What workers learn until then is about the account as it was, and does not count.
    """
    channels = PROVIDERS[kind].channels
    _start_afresh(Guard(key, key, channels[0]), {key}, channels, REMEMBERED_SECONDS)


def _start_afresh(
    guard: Guard, holds: Collection[str], channels: Collection[str], seconds: float
) -> None:
    until = time.time() + seconds
    for name in holds:
        release(name, until=until)
        release(edits_of(name), until=until)
    breakers.close(guard)
    look_again(channels=channels, after=timedelta(seconds=seconds))
