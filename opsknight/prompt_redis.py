"""Redis for what makes things prompt, never true: who asks it must be able to go on without it."""

from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry


@cache
def prompt_redis() -> redis.Redis:
    """The connections of this process; nobody waits longer than a second for an answer."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=1,
        socket_connect_timeout=1,
        # Once more for a connection that a restarted Redis has cut.
        retry=Retry(NoBackoff(), 1),
    )
