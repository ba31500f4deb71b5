"""What a claimed parcel must wait for before it may go out: a gathering, or a slot."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from django.conf import settings

from notifications import breakers
from notifications.breakers import Guard
from notifications.bundling import key_of, next_window
from notifications.channels.base import Channel, Page, Postponed
from notifications.holds import held_until
from notifications.limits import Full, take_slot
from notifications.models import Notification
from notifications.models.preferences import PHONE_CHANNELS
from notifications.pacing import keep_sent, paced_until
from notifications.providers import PROVIDERS
from notifications.providers.base import ProviderConfig
from notifications.services.claims import LAST_TURN
from notifications.services.routing import LOOK_AGAIN_SECONDS
from notifications.turns import FIRST
from notifications.windows import last_window, open_window

Wait = Notification.Wait

# Until when a channel has no slots, as this process found out: for first pages, for the others.
_full_until: dict[tuple[str, bool], float] = {}


class Door:
    """Lets parcels of one channel through, or says how long they wait."""

    def __init__(self, channel: Channel, accounts: Sequence[ProviderConfig]) -> None:
        self.channel = channel
        # Those with a breaker of their own; the hosts of webhooks are known only later.
        self.guards = [
            Guard(account.key, account.name, channel.name)
            for account in accounts
            if not PROVIDERS[account.kind].is_built_in
        ]
        # Where there are both, hosts have the addresses that begin with http.
        self.has_hosts = len(self.guards) < len(accounts)

    def max_turn(self) -> int | None:
        """Up to which turn pages are worth claiming now; None: none are."""
        now = time.time()
        if not settings.CHANNEL_LIMITS.get(self.channel.name):
            return LAST_TURN
        if now < _full_until.get((self.channel.name, True), 0.0):
            return None
        return FIRST if now < _full_until.get((self.channel.name, False), 0.0) else LAST_TURN

    def let_in(self, parcel: Sequence[Page]) -> Postponed | None:
        """None: it goes out now, and counts."""
        now = time.time()
        first = parcel[0]
        if first.cannot_send:
            return None
        if (until := self._shut_until(first.address, now)) is not None:
            return _postponed(Wait.BREAKER, until)
        key = key_of(first) if self.channel.gathers and settings.BUNDLE_SECONDS else None
        last = window = None
        # What was sent already, perhaps, is not gathered anew.
        if key is not None and not first.maybe_duplicate:
            last = last_window(key)
            window = next_window(last, now=now, longest=settings.BUNDLE_SECONDS)
            if window is None and last is not None:
                return _postponed(Wait.BUNDLE, last.ends_at)
        is_first = any(page.turn == FIRST for page in parcel)
        is_paced = key is not None and self.channel.name in PHONE_CHANNELS
        if key is not None and is_paced and not is_first:
            paced = paced_until(key, now=now)
            if paced is not None:
                return _postponed(Wait.LIMIT, paced, is_for_address=False)
        full = take_slot(self.channel.name, first.address, is_first=is_first, now=now)
        if full is not None:
            return self._full(full, is_first)
        if key is not None and window is not None:
            other = open_window(key, window, after=last)
            if other is not None:  # another worker was faster; the slot is lost
                return _postponed(Wait.BUNDLE, other.ends_at)
        if key is not None and is_paced:
            keep_sent(key, now=now)
        return None

    def _shut_until(self, address: str, now: float) -> float | None:
        """When the first account may be tried again, while all of them are left alone."""
        if not self.guards or (self.has_hosts and address.startswith("http")):
            return None
        untils = [_left_alone_until(guard, now) for guard in self.guards]
        return None if None in untils else min(until for until in untils if until is not None)

    def _full(self, full: Full, is_first: bool) -> Postponed:
        if not full.is_channel:
            return _postponed(Wait.LIMIT, full.until, is_for_address=not is_first)
        _full_until[self.channel.name, is_first] = full.until
        return _postponed(Wait.LIMIT, full.until)


def _left_alone_until(guard: Guard, now: float) -> float | None:
    """Because it fails, or because it asked for patience; None: it may be called."""
    if (until := held_until(guard.key, now=now)) is not None:
        return min(until, now + LOOK_AGAIN_SECONDS)
    return breakers.shut_until(guard, now=now)


def _postponed(wait: Wait, until: float, *, is_for_address: bool = False) -> Postponed:
    return Postponed(wait, datetime.fromtimestamp(until, UTC), is_for_address=is_for_address)


def forget_full() -> None:
    """Find out anew which channels are full."""
    _full_until.clear()
