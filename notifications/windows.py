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


def last_window(key: BundleKey) -> Window | None:
    """The window of the last message; None: there was none lately."""
    try:
        found = prompt_redis().get(_name(key))
    except RedisError as error:
        logger.warning("Pages are not gathered while Redis is away: %s", error)
        return None
    if found is None:
        return None
    text = found.decode() if isinstance(found, bytes) else found
    sent_at, _, seconds = text.partition(" ")
    return Window(float(sent_at), float(seconds))


def keep_window(key: BundleKey, window: Window) -> None:
    """Remember it for as long as it matters."""
    try:
        prompt_redis().set(
            _name(key), f"{window.sent_at} {window.seconds}", ex=math.ceil(window.seconds * 2) + 1
        )
    except RedisError as error:
        logger.warning("Pages are not gathered while Redis is away: %s", error)


def _name(key: BundleKey) -> str:
    return f"{settings.REDIS_PREFIX}window:{key}"
