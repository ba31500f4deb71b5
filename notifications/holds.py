"""Who asked for patience, and until when: an account at a provider, or a single address.

Kept in Redis, so that all workers wait; and in this process, which goes on waiting while Redis is
away or after it was emptied.
"""

import logging
import math
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

_held: dict[str, float] = {}  # until when, in seconds of the epoch
_free_until: dict[str, float] = {}  # by this process's own clock


def hold(name: str, *, until: float) -> bool:
    """Leave it alone until then, or longer where somebody said so; False: it was held already."""
    now = time.time()
    was_held = _held.get(name, 0.0) > now
    _remember(name, max(until, _held.get(name, 0.0)))
    milliseconds = max(math.ceil((until - now) * 1000), 1)
    try:
        if prompt_redis().set(_key(name), str(until), nx=True, px=milliseconds):
            return not was_held
        found = prompt_redis().get(_key(name))
        if found is None or float(found) < until:
            prompt_redis().set(_key(name), str(until), px=milliseconds)
    except RedisError as error:
        logger.warning("Only this process waits for %s while Redis is away: %s", name, error)
        return not was_held
    return False


def held_until(name: str, *, now: float) -> float | None:
    """None: it is not held. Otherwise until when, in seconds of the epoch."""
    if _is_ahead(until := _held.get(name, 0.0), now):
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


def forget_holds() -> None:
    """Leave nobody alone any more of whom this process knows."""
    for name in [*_held]:
        prompt_redis().delete(_key(name))
    _held.clear()
    _free_until.clear()


def _is_ahead(until: float, now: float) -> bool:
    return now < until <= now + LONGEST_SECONDS


def _remember(name: str, until: float) -> None:
    if len(_held) >= MAX_KEPT:
        now = time.time()
        for over in [known for known, end in list(_held.items()) if end <= now]:
            _held.pop(over, None)
    _held[name] = until
    _free_until.pop(name, None)


def _key(name: str) -> str:
    return f"{settings.REDIS_PREFIX}hold:{name}"
