"""Redis for what makes things prompt, never true: who asks it must be able to go on without it."""

import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

T = TypeVar("T")
TIMEOUT_SECONDS = 1.0
# After it gave no answer, nobody in this process asks for this long: a page asks several times, and
# a server that hangs would cost a second each time.
LEFT_ALONE_SECONDS = 5.0


class _Impatient(Retry):
    """Once more for a connection that a restarted Redis has cut; nothing for one that hangs."""

    asked_again_at = 0.0  # of the process: every connection has a copy of this object

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 1, supported_errors=(ConnectionError,))

    def call_with_retry(self, do: Callable[[], T], *args: Any, **values: Any) -> T:
        """Raises RedisError."""
        if time.monotonic() < _Impatient.asked_again_at:
            raise ConnectionError("It gave no answer a moment ago.")
        try:
            result: T = super().call_with_retry(do, *args, **values)
        except TimeoutError:
            _Impatient.asked_again_at = time.monotonic() + LEFT_ALONE_SECONDS
            raise
        return result


@cache
def prompt_redis() -> redis.Redis:
    """The connections of this process; nobody waits longer than a second for an answer."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=_Impatient(),
    )


def forget_prompt_redis() -> None:
    """Connect anew next time, also to one that gave no answer."""
    prompt_redis.cache_clear()
    _Impatient.asked_again_at = 0.0
