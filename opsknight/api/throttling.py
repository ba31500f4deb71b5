"""How much one key may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from opsknight.ratelimit import limit_requests

if TYPE_CHECKING:  # views import the default permissions and throttles
    from rest_framework.views import APIView


class KeyThrottle(BaseThrottle):
    """`API_RATE` requests per key, per person with a session, or per network for the open pages.

    Without Redis nobody is limited.
    """

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count this request; raises TooManyRequests when it is one too many."""
        sender = request.auth or request.user
        name = f"{type(sender).__name__}-{sender.pk}" if sender.pk else ""
        limit_requests(request._request, group="api", rate=settings.API_RATE, key=name)
        return True
