"""Middleware of our own."""

import zoneinfo
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

GetResponse = Callable[[HttpRequest], HttpResponse]

# The admin's look carries Alpine, and the API page Swagger UI: both need more than product pages.
RELAXED_PREFIXES = ("/admin/", "/api/docs/")
RELAXED_DIRECTIVES = {
    "script-src": ["'self'", "'unsafe-inline'", "'unsafe-eval'"],
    "style-src": ["'self'", "'unsafe-inline'"],
}


def relaxed_policy(get_response: GetResponse) -> GetResponse:
    """Relax the Content-Security-Policy where a library cannot live with the strict one."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.startswith(RELAXED_PREFIXES):
            response._csp_update = RELAXED_DIRECTIVES  # type: ignore[attr-defined]
        return response

    return middleware


def viewer_time_zone(get_response: GetResponse) -> GetResponse:
    """Render times in the signed-in person's zone."""

    def middleware(request: HttpRequest) -> HttpResponse:
        name = getattr(request.user, "time_zone", settings.TIME_ZONE)
        with timezone.override(zoneinfo.ZoneInfo(name)):
            return get_response(request)

    return middleware
