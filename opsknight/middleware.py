"""Middleware of our own. Each works sync and async, so that a stream costs no thread."""

import zoneinfo
from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware

from opsknight.errors import OpsKnightError
from opsknight.web.errors import explain

GetResponse = Callable[[HttpRequest], HttpResponseBase]
AsyncGetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]
Middleware = GetResponse | AsyncGetResponse

# The admin's look carries Alpine, and the API page Swagger UI: both need more than product pages.
RELAXED_PREFIXES = ("/admin/", "/api/docs/")
RELAXED_DIRECTIVES = {
    "script-src": ["'self'", "'unsafe-inline'", "'unsafe-eval'"],
    "style-src": ["'self'", "'unsafe-inline'"],
}


@sync_and_async_middleware
def relaxed_policy(get_response: Middleware) -> Middleware:
    """Relax the Content-Security-Policy where a library cannot live with the strict one."""

    def relaxed(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if request.path.startswith(RELAXED_PREFIXES):
            response._csp_update = RELAXED_DIRECTIVES  # type: ignore[attr-defined]
        return response

    if iscoroutinefunction(get_response):
        follow = cast(AsyncGetResponse, get_response)

        async def async_middleware(request: HttpRequest) -> HttpResponseBase:
            return relaxed(request, await follow(request))

        return async_middleware
    go_on = cast(GetResponse, get_response)

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return relaxed(request, go_on(request))

    return middleware


@sync_and_async_middleware
def viewer_time_zone(get_response: Middleware) -> Middleware:
    """Render times in the signed-in person's zone."""
    if iscoroutinefunction(get_response):
        follow = cast(AsyncGetResponse, get_response)

        async def async_middleware(request: HttpRequest) -> HttpResponseBase:
            # Loaded here once: reading the lazy user later would query from the event loop.
            request.user = await request.auser()
            with timezone.override(_zone_of(request)):
                return await follow(request)

        return async_middleware
    go_on = cast(GetResponse, get_response)

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with timezone.override(_zone_of(request)):
            return go_on(request)

    return middleware


def _zone_of(request: HttpRequest) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(getattr(request.user, "time_zone", settings.TIME_ZONE))


@sync_and_async_middleware
def explained_errors(get_response: Middleware) -> Middleware:
    """Turn the errors that services raise into a page, or into JSON for htmx and the API."""

    def explain_error(request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        return explain(request, error) if isinstance(error, OpsKnightError) else None

    if iscoroutinefunction(get_response):
        follow = cast(AsyncGetResponse, get_response)

        async def async_middleware(request: HttpRequest) -> HttpResponseBase:
            return await follow(request)

        async_middleware.process_exception = explain_error  # type: ignore[attr-defined]
        return async_middleware
    go_on = cast(GetResponse, get_response)

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return go_on(request)

    middleware.process_exception = explain_error  # type: ignore[attr-defined]
    return middleware
