"""How much one key may ask for."""

import logging

from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

logger = logging.getLogger(__name__)


class KeyThrottle(BaseThrottle):
    """`API_RATE` requests per key, or per person with a session; counted in Redis.

    A Redis that is down limits nobody: the API is more needed than its limit.
    """

    def __init__(self) -> None:
        self._seconds_left = 0

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count this request; False when it is one too many."""
        try:
            usage = get_usage(
                request, group="api", key=_sender, rate=settings.API_RATE, increment=True
            )
        except RedisError as error:
            logger.warning("Requests are not limited, Redis does not answer: %s", error)
            return True
        if usage is None:
            return True
        self._seconds_left = usage["time_left"]
        return not usage["should_limit"]

    def wait(self) -> float:
        """Seconds until the next window of the limit."""
        return float(self._seconds_left)


def _sender(group: str, request: HttpRequest | Request) -> str:
    """One name per key, integration or person; what the limit is counted by."""
    sender = request.auth or request.user  # type: ignore[union-attr]
    return f"{type(sender).__name__}-{sender.pk}"
