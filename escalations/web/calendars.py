"""Calendar feeds: the secret addresses that calendar programs read without a session."""

import hashlib
import json

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from escalations.feeds import (
    FUTURE_DAYS,
    MAX_DAYS,
    PAST_DAYS,
    FeedWindow,
    as_ical,
    as_json,
    entries_of,
)
from escalations.models import CalendarFeed
from escalations.services import feeds
from opsknight.errors import NotFound, OpsKnightError
from opsknight.ratelimit import limit_requests

READ_RATE = "60/m"  # of all feeds of one owner
WIDE_RATE = "10/m"  # of these, such as show more than usual: a year of hourly shifts takes seconds
GUESS_RATE = "30/m"  # unknown addresses from one network
MAX_AGE_SECONDS = 300


@require_safe
def ical(request: HttpRequest, token: str) -> HttpResponseBase:
    """The calendar of a secret address; JSON where the Accept header asks for it first."""
    wants_json = request.get_preferred_type(["text/calendar", "application/json"])
    return _calendar(request, token, is_json=wants_json == "application/json")


@require_safe
def as_json_file(request: HttpRequest, token: str) -> HttpResponseBase:
    """The shifts of a secret address as JSON."""
    return _calendar(request, token, is_json=True)


def _calendar(request: HttpRequest, token: str, *, is_json: bool) -> HttpResponseBase:
    now = timezone.now()
    try:
        feed = _opened(request, token)
    except OpsKnightError as error:
        return _refusal(error, is_json=is_json)
    entries = entries_of(feed, now=now, window=_window(request))
    if is_json:
        body = json.dumps(as_json(feed, entries)).encode()
        kind = "application/json"
    else:
        body, kind = as_ical(feed, entries), "text/calendar; charset=utf-8"
    response = HttpResponse(body, content_type=kind)
    response["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    response["Cache-Control"] = f"private, max-age={MAX_AGE_SECONDS}"
    response["Vary"] = "Accept"
    if not is_json:
        response["Content-Disposition"] = 'inline; filename="on-call.ics"'
    known = get_conditional_response(request, etag=response["ETag"], response=response)
    return known or response


def _opened(request: HttpRequest, token: str) -> CalendarFeed:
    try:
        feed = feeds.open_feed(token=token, now=timezone.now())
    except NotFound:
        limit_requests(request, group="calendar-guess", rate=GUESS_RATE)
        raise
    owner, window = f"user-{feed.owner_id}", _window(request)
    limit_requests(request, group="calendar", rate=READ_RATE, key=owner)
    if window.past_days + window.future_days > PAST_DAYS + FUTURE_DAYS:
        limit_requests(request, group="calendar-wide", rate=WIDE_RATE, key=owner)
    return feed


def _refusal(error: OpsKnightError, *, is_json: bool) -> HttpResponse:
    """Short and plain: no person reads it."""
    if is_json:
        text, kind = json.dumps(error.as_body()), "application/json"
    else:
        text, kind = f"{error.message}\n", "text/plain; charset=utf-8"
    response = HttpResponse(text, status=error.status, content_type=kind)
    response["Cache-Control"] = "no-store"
    if (seconds := getattr(error, "retry_after_seconds", None)) is not None:
        response["Retry-After"] = str(seconds)
    return response


def _window(request: HttpRequest) -> FeedWindow:
    """`?past=` and `?future=` in days; nonsense is what nobody asked for."""
    return FeedWindow(
        past_days=_days(request.GET.get("past", ""), PAST_DAYS),
        future_days=_days(request.GET.get("future", ""), FUTURE_DAYS),
    )


def _days(text: str, default: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        return default
    return min(int(text), MAX_DAYS)


calendar_patterns: list[URLPattern] = [
    path("calendars/<str:token>.ics", ical, name="calendar_file"),
    path("calendars/<str:token>.json", as_json_file, name="calendar_json"),
]
