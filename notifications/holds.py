"""Who asked for patience, and until when: an account at a provider, or a single address.

Kept in Redis, so that all workers wait; and in this process, which goes on waiting while Redis is
away or after it was emptied.
"""

import logging
import math
import threading
import time

from django.conf import settings
from redis.exceptions import RedisError

from opsknight.prompt_redis import prompt_redis

logger = logging.getLogger(__name__)

# What nobody held is believed to be free for this long.
FREE_SECONDS = 1.0
# Nobody's patience is longer: what ends later was said before a clock was set back.
LONGEST_SECONDS = 3600.0
MAX_KEPT = 1000

_one_at_a_time = threading.Lock()
_held: dict[str, float] = {}  # until when, in seconds of the epoch
_since: dict[str, float] = {}  # when this process learned of it
_asked_at: dict[str, float] = {}  # whether it was released, by this process's own clock
_free_until: dict[str, float] = {}  # by this process's own clock


def hold(name: str, *, until: float) -> bool:
    """Leave it alone until then, or longer where somebody said so; False: it was held already.

    Nothing is kept of what is said about something that is being corrected, see `release`.
    """
    now = time.time()
    if is_released(name, now=now):
        return True
    with _one_at_a_time:  # of the threads that hear the same at once one is the first
        was_held = _held.get(name, 0.0) > now
        _remember(name, max(until, _held.get(name, 0.0)))
    milliseconds = max(math.ceil((until - now) * 1000), 1)
    try:
        if not was_held and prompt_redis().set(_key(name), str(until), nx=True, px=milliseconds):
            return True
        found = prompt_redis().get(_key(name))
        if found is not None and float(found) < until:
            prompt_redis().set(_key(name), str(until), xx=True, px=milliseconds)
    except RedisError as error:
        logger.warning("Only this process waits for %s while Redis is away: %s", name, error)
        return not was_held
    return False


def held_until(name: str, *, now: float) -> float | None:
    """None: it is not held. Otherwise until when, in seconds of the epoch."""
    if _is_ahead(until := _held.get(name, 0.0), now) and not _was_released(name):
        return until
    if time.monotonic() < _free_until.get(name, 0.0):
        return None
    try:
        found = prompt_redis().get(_key(name))
    except RedisError as error:
        logger.warning("Nobody else's patience is known while Redis is away: %s", error)
        return None
    if found is not None and _is_ahead(float(found), now):
        _remember(name, float(found))
        return float(found)
    if len(_free_until) >= MAX_KEPT:
        _free_until.clear()
    _free_until[name] = time.monotonic() + FREE_SECONDS
    return None


def release(name: str, *, until: float) -> None:
    """Leave it alone no longer, for all workers; nor for what is said before that time."""
    _forget(name)
    milliseconds = math.ceil((max(until - time.time(), 0.0) + LONGEST_SECONDS) * 1000)
    try:
        prompt_redis().set(_release_key(name), str(until), px=milliseconds)
        prompt_redis().delete(_key(name))
    except RedisError as error:
        logger.warning("Other processes go on waiting for %s: %s", name, error)


def is_released(name: str, *, now: float) -> bool:
    """It is being corrected: what is said about it is about what it was."""
    return now < _released_until(name)


def _was_released(name: str) -> bool:
    """Since this process learned that it is held; asked every FREE_SECONDS."""
    now = time.monotonic()
    if now - _asked_at.get(name, float("-inf")) < FREE_SECONDS:
        return False
    _asked_at[name] = now
    if _since.get(name, 0.0) > _released_until(name):
        return False
    _forget(name)
    return True


def _released_until(name: str) -> float:
    try:
        found = prompt_redis().get(_release_key(name))
    except RedisError as error:
        logger.warning("Nobody tells whether %s is free while Redis is away: %s", name, error)
        return 0.0
    return float(found) if found is not None else 0.0


def _forget(name: str) -> None:
    for known in (_held, _since, _asked_at, _free_until):
        known.pop(name, None)


def forget_holds() -> None:
    """Leave nobody alone any more of whom this process knows."""
    for name in [*_held]:
        prompt_redis().delete(_key(name))
    for known in (_held, _since, _asked_at, _free_until):
        known.clear()


def _is_ahead(until: float, now: float) -> bool:
    return now < until <= now + LONGEST_SECONDS


def _remember(name: str, until: float) -> None:
    if len(_held) >= MAX_KEPT:
        now = time.time()
        for over in [known for known, end in list(_held.items()) if end <= now]:
            _forget(over)
    _held[name], _since[name] = until, time.time()
    _free_until.pop(name, None)


def _key(name: str) -> str:
    return f"{settings.REDIS_PREFIX}hold:{name}"


def _release_key(name: str) -> str:
    return f"{settings.REDIS_PREFIX}released:{name}"
