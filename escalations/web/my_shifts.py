"""My shifts: when the person who looks is on call, in all schedules."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from escalations import oncall, selectors
from escalations.models import Schedule, SwapRequest
from escalations.oncall import Shift
from escalations.selectors import Rota
from escalations.web.feeds import feeds_panel
from escalations.web.shift_lists import merged_shifts
from escalations.web.shift_notices import shift_notices_panel
from incidents.web.answers import signed_in
from opsknight.models import User

AHEAD = timedelta(days=60)
MARGIN = timedelta(days=31)  # shifts beyond it are cut
MAX_SHOWN = 100


@dataclass(frozen=True)
class MyShift:
    """One of one's shifts."""

    schedule: Schedule
    shift: Shift
    is_now: bool
    is_asked: bool  # somebody is looked for who takes it


@never_cache  # it shows secret calendar addresses
@login_required
@require_safe
def my_shifts(request: HttpRequest) -> HttpResponse:
    """The shifts of the next two months, in the person's own zone."""
    user = signed_in(request)
    now = timezone.now()
    requests = list(selectors.my_swaps(user, now=now))
    shifts = my_next_shifts(user, requests, now=now)
    context = (
        feeds_panel(user, None)
        | shift_notices_panel(user)
        | {
            "shifts": shifts[:MAX_SHOWN],
            "has_more": len(shifts) > MAX_SHOWN,
            "current": [mine for mine in shifts if mine.is_now],
            "requests": requests,
            "others": selectors.open_swaps_for(user, now=now),
            "zone": user.time_zone,
            "days": AHEAD.days,
        }
    )
    return render(request, "escalations/schedules/my_shifts.html", context)


def my_next_shifts(user: User, requests: list[SwapRequest], *, now: datetime) -> list[MyShift]:
    """One's shifts of all schedules, the next one first; 9 queries."""
    schedules = selectors.schedules_naming(user, since=now)
    rotas = selectors.rotas_of((schedule.pk for schedule in schedules), since=now)
    found = [
        MyShift(
            schedule=rota.schedule,
            shift=shift,
            is_now=shift.starts_at <= now,
            is_asked=_is_asked(rota.schedule, shift, requests),
        )
        for rota in rotas.values()
        for shift in next_shifts_of(rota, user, now=now)
    ]
    return sorted(found, key=lambda mine: (mine.shift.starts_at, mine.schedule.name))


def next_shifts_of(rota: Rota, user: User, *, now: datetime) -> list[Shift]:
    """The shifts of a person that are not over, the present one from its start; no query."""
    shifts = oncall.shifts_of(rota.spec, user.pk, now - MARGIN, now + AHEAD + MARGIN)
    soon = now + AHEAD
    return [s for s in merged_shifts(shifts) if s.ends_at > now and s.starts_at < soon]


def _is_asked(schedule: Schedule, shift: Shift, requests: list[SwapRequest]) -> bool:
    return any(
        asked.schedule_id == schedule.pk
        and asked.starts_at < shift.ends_at
        and asked.ends_at > shift.starts_at
        for asked in requests
    )


my_patterns: list[URLPattern] = [
    path("on-call/me/", my_shifts, name="my_shifts"),
]
