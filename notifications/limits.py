"""How many messages a minute: to one address, of a channel, of an account at a provider.

Counted in Redis, so that all workers share them. A message over a limit waits for its slot. While
Redis is away there are no limits: pages go out.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.connection import ConnectionPool
from redis.exceptions import RedisError

from opsknight.prompt_redis import prompt_redis

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Of every limit this part is kept for the first pages of incidents.
RESERVED_SHARE = 0.2


@dataclass(frozen=True)
class Full:
    """No slot is free."""

    until: float  # when the next one is, in seconds of the epoch
    is_channel: bool  # the whole channel is full, not only one address


def take_slot(channel: str, address: str, *, is_first: bool, now: float) -> Full | None:
    """Take a slot of the address and of the channel; None: taken.

    `is_first`: a first page, for which a share is kept.
    """
    to_address = _window(("to", channel, address), settings.SEND_LIMITS.get(channel, 0), is_first)
    of_channel = _window(("channel", channel), settings.CHANNEL_LIMITS.get(channel, 0), is_first)
    # Asked before it is taken: who finds the channel full uses up nothing of the address's.
    if to_address and (until := _or_without(lambda: to_address.free_at(now), None)) is not None:
        return Full(until, is_channel=False)
    if of_channel and (until := _or_without(lambda: of_channel.take(now), None)) is not None:
        return Full(until, is_channel=True)
    if to_address and (until := _or_without(lambda: to_address.take(now), None)) is not None:
        return Full(until, is_channel=False)
    return None


def account_slot(
    key: str, per_minute: int | None, *, is_page: bool = True, now: float
) -> float | None:
    """Take a slot of an account at a provider, where administrators gave it a limit.

    None: taken. Otherwise when the next one is free. For pages a share is kept.
    """
    window = _window(("account", key), per_minute or 0, is_first=is_page)
    return _or_without(lambda: window.take(now), None) if window else None


@dataclass(frozen=True)
class _Window:
    """The last minute of something that is limited. Its methods raise RedisError."""

    name: tuple[str, ...]
    limit: int
    reserved: int  # slots that are left to others

    def free_at(self, now: float) -> float | None:
        """None: a slot is free. Otherwise when the next one is."""
        limiter, item = _limiter(), RateLimitItemPerMinute(self.limit)
        if limiter.test(item, *self.name, cost=1 + self.reserved):
            return None
        return max(now, limiter.get_window_stats(item, *self.name).reset_time)

    def take(self, now: float) -> float | None:
        """The same, and the slot is taken."""
        if self.reserved and (until := self.free_at(now)) is not None:
            return until
        limiter, item = _limiter(), RateLimitItemPerMinute(self.limit)
        if limiter.hit(item, *self.name):
            return None
        return max(now, limiter.get_window_stats(item, *self.name).reset_time)


def _window(name: tuple[str, ...], limit: int, is_first: bool) -> _Window | None:
    """None: there is no limit."""
    return _Window(name, limit, 0 if is_first else int(limit * RESERVED_SHARE)) if limit else None


def _or_without(ask: Callable[[], T], without: T) -> T:
    try:
        return ask()
    except RedisError as error:
        logger.warning("Limits are not kept while Redis is away: %s", error)
        return without


def _limiter() -> MovingWindowRateLimiter:
    return _limiter_on(prompt_redis().connection_pool)


@cache
def _limiter_on(pool: ConnectionPool) -> MovingWindowRateLimiter:
    """Registers its scripts once; raises RedisError."""
    prefix = f"{settings.REDIS_PREFIX}limits"
    storage = RedisStorage(settings.REDIS_URL, connection_pool=pool, key_prefix=prefix)
    return MovingWindowRateLimiter(storage)
