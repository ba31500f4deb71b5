"""The panel in which people manage their calendar feeds; a part of other pages."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from escalations.models import CalendarFeed, Schedule
from escalations.selectors import get_schedule_for
from escalations.selectors.feeds import (
    addresses_of,
    are_feeds_enabled,
    get_feed_for,
    visible_feeds,
)
from escalations.services import feeds
from incidents.filters import read_id
from incidents.web.answers import back_to, say, signed_in
from opsknight.models import User
from opsknight.ratelimit import limit_requests
from opsknight.web import client_ip

CREATE_RATE = "30/h"  # of one person


def feeds_panel(user: User, schedule: Schedule | None) -> dict[str, Any]:
    """Context of `escalations/panels/feeds.html`: one's own feeds of a schedule, or of oneself."""
    rows = visible_feeds(user).filter(owner=user, schedule=schedule).order_by("name", "pk")
    addresses = addresses_of(user)
    return {
        "feeds": [(feed, addresses.get(feed.pk, "")) for feed in rows],
        "feeds_schedule": schedule,
        "feeds_enabled": are_feeds_enabled(),
        "feed_name": f"On call: {schedule.name}"[:200] if schedule else "My shifts",
        "feeds_back": _page_of(schedule),
    }


@never_cache
@login_required
@require_safe
def panel(request: HttpRequest) -> HttpResponse:
    """One's own feeds of oneself, or of the schedule in `?schedule=`; a fragment."""
    user = signed_in(request)
    schedule_id = read_id(request.GET.get("schedule", ""))
    schedule = get_schedule_for(user, schedule_id) if schedule_id else None
    return render(request, "escalations/panels/feeds.html", feeds_panel(user, schedule))


@login_required
@require_POST
def create(request: HttpRequest) -> HttpResponse:
    """Make a feed of a schedule, or of one's own shifts."""
    user = signed_in(request)
    limit_requests(request, group="calendar-create", rate=CREATE_RATE, key=f"user-{user.pk}")
    schedule_id = read_id(request.POST.get("schedule", ""))
    schedule = get_schedule_for(user, schedule_id) if schedule_id else None
    feeds.create_feed(
        owner=user,
        name=_name_in(request),
        schedule=schedule,
        actor=user,
        ip=client_ip(request),
    )
    return _back(request, schedule, "The calendar has an address. Keep it to yourself.")


@login_required
@require_POST
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a feed another name."""
    return _change(request, pk, {"name": _name_in(request)}, "The calendar was renamed.")


@login_required
@require_POST
def switch_off(request: HttpRequest, pk: int) -> HttpResponse:
    """Let an address answer nothing for now."""
    return _change(request, pk, {"is_enabled": False}, "The address answers nothing now.")


@login_required
@require_POST
def switch_on(request: HttpRequest, pk: int) -> HttpResponse:
    """Let an address answer again."""
    return _change(request, pk, {"is_enabled": True}, "The address answers again.")


@login_required
@require_POST
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """Replace the address of a feed."""
    user = signed_in(request)
    feed = feeds.rotate_feed(feed=get_feed_for(user, pk), actor=user, ip=client_ip(request))
    text = "The calendar has a new address; the old one answers nothing."
    return _back(request, feed.schedule, text)


@login_required
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a feed."""
    user = signed_in(request)
    feed = get_feed_for(user, pk)
    feeds.delete_feed(feed=feed, actor=user, ip=client_ip(request))
    return _back(request, feed.schedule, "The calendar was deleted; its address answers nothing.")


def _name_in(request: HttpRequest) -> str:
    """Without NUL, which cannot be stored."""
    return request.POST.get("name", "").replace("\x00", "").strip()


def _change(request: HttpRequest, pk: int, values: feeds.FeedValues, text: str) -> HttpResponse:
    user = signed_in(request)
    feed: CalendarFeed = get_feed_for(user, pk)
    feeds.update_feed(feed=feed, values=values, actor=user, ip=client_ip(request))
    return _back(request, feed.schedule, text)


def _back(request: HttpRequest, schedule: Schedule | None, text: str) -> HttpResponse:
    return say(request, back_to(request, _page_of(schedule)), text)


def _page_of(schedule: Schedule | None) -> str:
    """Where the panel stands: on the page of its schedule, or with one's own shifts."""
    if schedule is not None:
        return reverse("escalations:schedule", args=[schedule.pk])
    return reverse("escalations:my_shifts")


FEED = "calendar-feeds/<int:pk>"

feed_patterns: list[URLPattern] = [
    path("calendar-feeds/panel/", panel, name="feeds_panel"),
    path("calendar-feeds/create/", create, name="create_feed"),
    path(f"{FEED}/rename/", rename, name="rename_feed"),
    path(f"{FEED}/switch-off/", switch_off, name="switch_off_feed"),
    path(f"{FEED}/switch-on/", switch_on, name="switch_on_feed"),
    path(f"{FEED}/rotate/", rotate, name="rotate_feed"),
    path(f"{FEED}/delete/", delete, name="delete_feed"),
]
