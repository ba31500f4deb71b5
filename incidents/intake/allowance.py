"""How many events an integration may still send this minute, shared by all processes.

Each process leases a share from Redis and hands it out by itself, so that hardly an event asks
Redis. Without Redis each process counts alone.
"""

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

import redis
from asgiref.sync import sync_to_async
from django.conf import settings

from opsknight.prompt_redis import prompt_redis
from opsknight.ratelimit import TooManyRequests

logger = logging.getLogger(__name__)

SECONDS = 60
SHARES = 50  # of the limit; what one process may hold unused
MAX_REMEMBERED = 20_000
AWAY_SECONDS = 5.0  # that a Redis that did not answer is left alone
LEASE_PREFIX = settings.REDIS_PREFIX + "intake:"


@dataclass(slots=True)
class _Account:
    minute: int = -1
    left: int = 0
    leased: int = 0  # by this process; bounds it when it counts alone
    is_spent: bool = False  # nothing more to lease this minute
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Counter:
    """The counts in Redis. While it hangs, one call in a while finds that out, not every one."""

    def __init__(self) -> None:
        self._is_away = False
        self._again_at = 0.0

    def granted(self, key: str, limit: int, share: int) -> int:
        """How much of the share is still free of the minute's limit; all of it without Redis."""
        if self._is_away:
            if time.monotonic() < self._again_at:
                return share
            self._again_at = time.monotonic() + AWAY_SECONDS  # the others need not wait with us
        try:
            taken = _taken(key, share)
        except redis.RedisError as error:
            logger.warning("Redis does not answer (%s); this process counts alone.", error)
            self._is_away, self._again_at = True, time.monotonic() + AWAY_SECONDS
            return share
        self._is_away = False
        return max(0, min(share, limit - (taken - share)))


class Allowance:
    """The accounts of this process; `name` keeps what is counted apart from other counts."""

    def __init__(self, name: str) -> None:
        self._prefix = f"{LEASE_PREFIX}{name}:"
        self._accounts: OrderedDict[int, _Account] = OrderedDict()
        self._counter = _Counter()

    async def take(self, integration_id: int, *, limit: int, cost: int) -> None:
        """Take `cost` events of `limit` a minute; raises TooManyRequests. A limit of 0 is none."""
        if limit == 0:
            return
        cost = min(max(cost, 1), limit)
        minute = int(time.time()) // SECONDS
        account = self._account(integration_id)
        if account.minute == minute and account.left >= cost:
            account.left -= cost
            return
        if account.minute == minute and account.is_spent:
            raise _too_many(limit)
        lease = sync_to_async(_lease, thread_sensitive=False)
        key = f"{self._prefix}{integration_id}:{minute}"
        if not await lease(self._counter, account, key, minute, limit, cost):
            raise _too_many(limit)

    def _account(self, integration_id: int) -> _Account:
        account = self._accounts.get(integration_id)
        if account is None:
            account = self._accounts[integration_id] = _Account()
            while len(self._accounts) > MAX_REMEMBERED:
                self._accounts.popitem(last=False)
        return account


def _lease(
    counter: _Counter, account: _Account, key: str, minute: int, limit: int, cost: int
) -> bool:
    with account.lock:  # those who came meanwhile live on what the first one fetches
        if account.minute != minute:
            account.minute, account.left, account.leased = minute, 0, 0
            account.is_spent = False
        if account.left < cost and not account.is_spent:
            share = max(cost, limit // SHARES)
            granted = min(counter.granted(key, limit, share), limit - account.leased)
            account.left += granted
            account.leased += granted
            account.is_spent = granted < share
        if account.left < cost:
            return False
        account.left -= cost
        return True


def _taken(key: str, share: int) -> int:
    """What is taken of the minute's limit, the share included."""
    with prompt_redis().pipeline(transaction=False) as pipeline:
        pipeline.incrby(key, share)
        pipeline.expire(key, 2 * SECONDS)
        return int(pipeline.execute()[0])


def _too_many(limit: int) -> TooManyRequests:
    return TooManyRequests(
        f"This integration may send {limit} events a minute. Send the rest in the next minute, "
        "or raise its limit.",
        retry_after_seconds=SECONDS - int(time.time()) % SECONDS,
    )
