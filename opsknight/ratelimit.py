"""Limits on how often somebody may ask, counted in Redis; without Redis nobody is limited.

Lockouts after wrong passwords do not depend on this: they are rows (services/login.py).
"""

import logging

from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from opsknight.errors import OpsKnightError
from opsknight.services.login import network_of
from opsknight.web import client_ip

logger = logging.getLogger(__name__)


class TooManyRequests(OpsKnightError):
    """Too many requests came from one place in a short time."""

    code = "too_many_requests"
    status = 429

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


def limit_requests(request: HttpRequest, *, group: str, rate: str, key: str = "") -> None:
    """Count this request and raise TooManyRequests above the rate, such as "30/m".

    `key`: who is counted, such as a user's id; empty: the network the request came from.
    """
    who = key or network_of(client_ip(request))
    try:
        usage = get_usage(
            request, group=group, key=lambda _group, _request: who, rate=rate, increment=True
        )
    except (RedisError, OSError) as error:
        # django-ratelimit promises to fail open but does not catch what the Redis cache raises.
        logger.warning("The limit of %s is off, Redis does not answer: %s", group, error)
        return
    if usage and usage["should_limit"]:
        seconds = max(1, int(usage["time_left"]))
        raise TooManyRequests(
            f"Too many attempts. Wait {seconds} seconds, then try again.",
            retry_after_seconds=seconds,
        )
