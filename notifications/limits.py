"""How many messages a minute: per channel, per account at a provider, per destination.

Counted in Redis, so that all workers share them. A message over a limit waits for its slot. While
Redis is away there are no limits: pages go out.
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.connection import ConnectionPool
from redis.exceptions import RedisError

from notifications.models.preferences import URL_CHANNELS
from opsknight.prompt_redis import prompt_redis

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Of every limit this part is kept for the first pages of incidents.
RESERVED_SHARE = 0.2


def channel_slot(channel: str, address: str, *, is_first: bool, now: float) -> float | None:
    """Take a slot of the channel, or of the destination where the limit is one's own.

    None: taken. Otherwise when the next one is free, in seconds of the epoch. `is_first`: a first
    page, for which a share is kept.
    """
    limit = settings.SEND_LIMITS.get(channel, 0)
    if not limit:
        return None
    name = ("to", channel, address) if channel in URL_CHANNELS else ("channel", channel)
    reserved = 0 if is_first else int(limit * RESERVED_SHARE)
    return _take(name, limit, reserved, now)


def account_slot(key: str, per_minute: int | None, *, now: float) -> float | None:
    """The same for an account at a provider, where administrators gave it a limit."""
    return _take(("account", key), per_minute, 0, now) if per_minute else None


def _take(name: tuple[str, ...], limit: int, reserved: int, now: float) -> float | None:
    def take() -> float | None:
        limiter, item = _limiter(), RateLimitItemPerMinute(limit)
        if reserved and not limiter.test(item, *name, cost=1 + reserved):
            return max(now, limiter.get_window_stats(item, *name).reset_time)
        if limiter.hit(item, *name):
            return None
        return max(now, limiter.get_window_stats(item, *name).reset_time)

    return _or_without(take, None)


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
