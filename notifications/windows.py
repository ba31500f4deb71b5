"""When the last message of each bundle went out: kept in Redis, so that all workers know.

While Redis is away, or after it was emptied, nothing is known and messages go at once.
"""

import logging
import math

from django.conf import settings
from redis.exceptions import RedisError

from notifications.bundling import BundleKey, Window
from opsknight.prompt_redis import prompt_redis

logger = logging.getLogger(__name__)

# Of two workers that saw the same window, or none, only one opens the next.
_OPEN = """
local found = redis.call('get', KEYS[1])
if found and found ~= ARGV[1] then return found end
redis.call('set', KEYS[1], ARGV[2], 'EX', ARGV[3])
return false
"""


def last_window(key: BundleKey) -> Window | None:
    """The window of the last message; None: there was none lately."""
    try:
        return _read(prompt_redis().get(_name(key)))
    except RedisError as error:
        logger.warning("Pages are not gathered while Redis is away: %s", error)
        return None


def open_window(key: BundleKey, window: Window, *, after: Window | None) -> Window | None:
    """Open the next one and remember it for as long as it matters; None: done.

    Otherwise the one that somebody else has opened since `after`: then the message waits for its
    end.
    """
    values = (_written(after) if after else "", _written(window), math.ceil(window.seconds * 2) + 1)
    try:
        return _read(prompt_redis().eval(_OPEN, 1, _name(key), *values))
    except RedisError as error:
        logger.warning("Pages are not gathered while Redis is away: %s", error)
        return None


def _written(window: Window) -> str:
    return f"{window.sent_at} {window.seconds}"


def _read(found: object) -> Window | None:
    if not isinstance(found, bytes | str):
        return None
    text = found.decode() if isinstance(found, bytes) else found
    sent_at, _, seconds = text.partition(" ")
    return Window(float(sent_at), float(seconds))


def _name(key: BundleKey) -> str:
    return f"{settings.REDIS_PREFIX}window:{key}"
