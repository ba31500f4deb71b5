"""Swap requests: asking for a stand-in, taking somebody's shifts, withdrawing."""

from datetime import datetime

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from escalations import selectors
from escalations.models import Schedule, SwapRequest
from escalations.oncall import Shift
from escalations.services.swaps import MAX_NOTE, ask_for_swap, cancel_swap, take_swap
from escalations.web.my_shifts import next_shifts_of
from escalations.web.override_forms import read_instant
from escalations.web.schedule_shell import shell_of
from incidents.web.answers import say, signed_in
from incidents.web.maintenance_forms import WallTimeField
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import User
from opsknight.wall_clock import first_instant, last_instant, wall_time
from opsknight.web import client_ip
from opsknight.web.forms import add_errors

SHOWN_CLOSED = 30


class SwapForm(forms.Form):
    """Which of one's times somebody else should take."""

    starts_at = WallTimeField(label="From")
    ends_at = WallTimeField(label="Until")
    note = forms.CharField(
        required=False,
        max_length=MAX_NOTE,
        help_text="What the others should know, such as what you offer in return.",
    )


@login_required
@require_safe
def swaps(request: HttpRequest, pk: int) -> HttpResponse:
    """Who looks for a stand-in, and one's own shifts to ask for."""
    user = signed_in(request)
    shown = selectors.get_schedule_for(user, pk)
    now = timezone.now()
    found = selectors.swap_requests_of(shown)
    is_open = {"state": SwapRequest.State.OPEN, "ends_at__gt": now}
    context = shell_of(user, shown, "swaps", now=now) | {
        "open_requests": found.filter(**is_open),
        "closed": found.exclude(**is_open).order_by("-created_at")[:SHOWN_CLOSED],
        "my_shifts": _shifts_of(shown, user, now),
        "may_take": selectors.may_take_swaps(user, shown),
        "now": now,
        "zone": shown.time_zone,
    }
    return render(request, "escalations/schedules/swaps.html", context)


def _shifts_of(shown: Schedule, user: User, now: datetime) -> list[Shift]:
    rota = selectors.rotas_of([shown.pk], since=now)[shown.pk]
    return next_shifts_of(rota, user, now=now)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def swap_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the others to take one's shifts in a span; whoever has shifts may ask."""
    user = signed_in(request)
    shown = selectors.get_schedule_for(user, pk)
    now = timezone.now()
    if request.method != "POST":
        return _page(request, shown, SwapForm(initial=_initial(request, shown, user, now)))
    form = SwapForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            ask_for_swap(
                schedule=shown,
                requester=user,
                starts_at=first_instant(data["starts_at"], shown.time_zone),
                ends_at=last_instant(data["ends_at"], shown.time_zone),
                note=data["note"],
                now=now,
                ip=client_ip(request),
            )
        except InvalidInput as error:
            add_errors(form, error)
        except Conflict as error:
            form.add_error(None, error.message)
        else:
            response = redirect("escalations:swaps", shown.pk)
            return say(
                request, response, "The others are asked. Until somebody takes it, it is you."
            )
    return _page(request, shown, form, status=422)


def _initial(
    request: HttpRequest, shown: Schedule, user: User, now: datetime
) -> dict[str, datetime]:
    """The shift that the address names, else the next one."""
    start = read_instant(request.GET.get("from", ""))
    end = read_instant(request.GET.get("until", ""))
    if start is None or end is None:
        shifts = _shifts_of(shown, user, now)
        if not shifts:
            return {}
        start, end = shifts[0].starts_at, shifts[0].ends_at
    zone = shown.time_zone
    return {"starts_at": wall_time(max(start, now), zone), "ends_at": wall_time(end, zone)}


def _page(
    request: HttpRequest, shown: Schedule, form: SwapForm, *, status: int = 200
) -> HttpResponse:
    context = {"schedule": shown, "form": form}
    return render(request, "escalations/schedules/swap_form.html", context, status=status)


@login_required
@require_POST
def swap_take(request: HttpRequest, pk: int, swap_id: int) -> HttpResponse:
    """Be on call in the place of whoever asks."""
    user = signed_in(request)
    shown = selectors.get_schedule_for(user, pk)
    found = selectors.get_swap_request_of(shown, swap_id)
    response = redirect("escalations:swaps", shown.pk)
    try:
        take_swap(request=found, taker=user, now=timezone.now(), ip=client_ip(request))
    except InvalidInput as error:
        text = next(iter(error.fields.values()), [error.message])[0]
        return say(request, response, text, level="warning")
    except Conflict as error:
        return say(request, response, error.message, level="warning")
    return say(
        request, response, f"You take the shifts of {found.requester}. Both of you are told."
    )


@login_required
@require_POST
def swap_cancel(request: HttpRequest, pk: int, swap_id: int) -> HttpResponse:
    """Withdraw a request."""
    user = signed_in(request)
    shown = selectors.get_schedule_for(user, pk)
    found = selectors.get_swap_request_of(shown, swap_id)
    response = redirect("escalations:swaps", shown.pk)
    try:
        cancel_swap(request=found, actor=user, now=timezone.now(), ip=client_ip(request))
    except Conflict as error:
        return say(request, response, error.message, level="warning")
    return say(request, response, "The request is cancelled.")


swap_patterns: list[URLPattern] = [
    path("schedules/<int:pk>/swaps/", swaps, name="swaps"),
    path("schedules/<int:pk>/swaps/new/", swap_new, name="swap_new"),
    path("schedules/<int:pk>/swaps/<int:swap_id>/take/", swap_take, name="swap_take"),
    path("schedules/<int:pk>/swaps/<int:swap_id>/cancel/", swap_cancel, name="swap_cancel"),
]
