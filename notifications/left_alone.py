"""Accounts at providers that get nothing at this moment: why, and until when."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings

from notifications.breakers import BreakerState
from notifications.holds import held_until


@dataclass(frozen=True)
class LeftAlone:
    """One account that is passed over."""

    until: datetime | None  # None: its turn has come, and one message tries
    why: str


def left_alone(keys: Collection[str], breakers: Collection[BreakerState]) -> dict[str, LeftAlone]:
    """Those of the accounts that are left alone, by key; `breakers`: `breaker_states()`.

    A breaker that failed too often, or patience that was asked for: whichever lasts longer.
    """
    found = {
        state.guard.key: LeftAlone(_tries_at(state), state.last_error)
        for state in breakers
        if state.guard.key in keys and state.state != "closed"
    }
    now = time.time()
    for key in keys:
        until = held_until(key, now=now)
        if until is None:
            continue
        end, known = datetime.fromtimestamp(until, UTC), found.get(key)
        if known is None or known.until is None or known.until < end:
            found[key] = LeftAlone(end, known.why if known else "It asked for patience.")
    return found


def _tries_at(state: BreakerState) -> datetime | None:
    if state.state != "open" or state.opened_at is None:
        return None
    return state.opened_at + timedelta(seconds=settings.BREAKER_SECONDS)
