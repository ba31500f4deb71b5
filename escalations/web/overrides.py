"""Overrides on the pages of a schedule: the list, the form, ending and deleting."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from escalations import selectors
from escalations.models import Override, Schedule
from escalations.services.overrides import (
    add_override,
    change_override,
    cover_shifts,
    delete_override,
    end_override,
    has_begun,
    take_over,
)
from escalations.web.fields import active_people
from escalations.web.override_forms import COVER, OverrideForm, initial_from, initial_of
from escalations.web.schedule_shell import shell_of
from escalations.web.shown import MINE
from incidents.web.answers import back_to, is_htmx, say, signed_in
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import User
from opsknight.web import client_ip
from opsknight.web.forms import add_errors

SHOWN_PAST = 50


@login_required
@require_safe
def overrides(request: HttpRequest, pk: int) -> HttpResponse:
    """What differs from the layers: overrides and temporary schedules, coming and past."""
    user = signed_in(request)
    shown = selectors.get_schedule_for(user, pk)
    now = timezone.now()
    found, temporaries = selectors.overrides_of(shown), selectors.temporaries_of(shown)
    context = shell_of(user, shown, "changes", now=now) | {
        "now": now,
        "zone": shown.time_zone,
        "coming": found.filter(ends_at__gt=now).order_by("starts_at", "pk"),
        "past": found.filter(ends_at__lte=now).order_by("-ends_at", "-pk")[:SHOWN_PAST],
        "shown_past": SHOWN_PAST,
        "temporaries": temporaries.filter(ends_at__gt=now),
        "past_temporaries": temporaries.filter(ends_at__lte=now).order_by("-ends_at")[:SHOWN_PAST],
    }
    return render(request, "escalations/schedules/overrides.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def override_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Make an override; on the timeline the form comes in a dialog."""
    user = signed_in(request)
    shown = selectors.get_schedule_to_change_for(user, pk)
    now = timezone.now()
    zone = _zone_of(request, user, shown)
    if request.method != "POST":
        initial = initial_from(request.GET, zone=zone, now=now, viewer=user)
        return _page(request, shown, _form(shown, zone, now, initial=initial))
    form = _form(shown, zone, now, data=request.POST)
    if form.is_valid():
        try:
            made = _save_new(request, user, shown, form, now)
        except InvalidInput as error:
            add_errors(form, error)
        else:
            others = len(made) - 1
            more = f" The same in {others} more schedule{'s'[: others > 1]}." if others else ""
            return _saved(request, shown, f"The override is saved.{more}")
    return _page(request, shown, form, status=422)


def _save_new(
    request: HttpRequest, user: User, shown: Schedule, form: OverrideForm, now: datetime
) -> list[Override]:
    wanted, ip = form.wanted(), client_ip(request)
    data = form.cleaned_data
    if not (data["what"] == COVER and data["everywhere"]):
        return [add_override(schedule=shown, wanted=wanted, actor=user, now=now, ip=ip)]
    assert wanted.user_id is not None  # noqa: S101 - the form has seen to it
    assert wanted.replaces_id is not None  # noqa: S101 - and to this
    return cover_shifts(
        user_id=wanted.replaces_id,
        by_id=wanted.user_id,
        starts_at=wanted.starts_at,
        ends_at=wanted.ends_at,
        actor=user,
        now=now,
        schedule_ids=list(selectors.visible_schedules(user).values_list("pk", flat=True)),
        note=wanted.note,
        ip=ip,
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def override(request: HttpRequest, pk: int, override_id: int) -> HttpResponse:
    """Change an override; of one that began only its end and its note."""
    user = signed_in(request)
    shown = selectors.get_schedule_to_change_for(user, pk)
    found = selectors.get_override_of(shown, override_id)
    now = timezone.now()
    zone = _zone_of(request, user, shown)
    if request.method != "POST":
        form = _form(shown, zone, now, found, initial=initial_of(found, zone))
        return _page(request, shown, form, found)
    form = _form(shown, zone, now, found, data=request.POST)
    if form.is_valid():
        try:
            change_override(
                override=found, wanted=form.wanted(), actor=user, now=now, ip=client_ip(request)
            )
        except InvalidInput as error:
            add_errors(form, error)
        except Conflict as error:
            form.add_error(None, error.message)
        else:
            return _saved(request, shown, "The override is changed.")
    found = selectors.get_override_of(shown, override_id)
    return _page(request, shown, form, found, status=422)


@login_required
@require_POST
def override_end(request: HttpRequest, pk: int, override_id: int) -> HttpResponse:
    """End an override that runs, or delete one that has not begun."""
    user = signed_in(request)
    shown = selectors.get_schedule_to_change_for(user, pk)
    found = selectors.get_override_of(shown, override_id)
    now = timezone.now()
    response = back_to(request, reverse("escalations:overrides", args=[shown.pk]))
    try:
        if has_begun(found, now):
            end_override(override=found, actor=user, now=now, ip=client_ip(request))
            return say(request, response, "The override ended. The schedule holds again.")
        delete_override(override=found, actor=user, now=now, ip=client_ip(request))
    except Conflict as error:
        return say(request, response, error.message, level="warning")
    return say(request, response, "The override is deleted.")


@login_required
@require_POST
def take_over_now(request: HttpRequest, pk: int) -> HttpResponse:
    """Be on call in the place of whoever is, until the next handoff."""
    user = signed_in(request)
    shown = selectors.get_schedule_to_change_for(user, pk)
    response = redirect("escalations:schedule", shown.pk)
    try:
        made = take_over(schedule=shown, actor=user, now=timezone.now(), ip=client_ip(request))
    except InvalidInput as error:
        text = next(iter(error.fields.values()), [error.message])[0]
        return say(request, response, text, level="warning")
    until = timezone.localtime(made.ends_at)
    return say(request, response, f"You are on call now, until {until:%a %H:%M}.")


def _zone_of(request: HttpRequest, user: User, shown: Schedule) -> str:
    """The zone of the times in the form: as the page from which it was opened."""
    wants_own = (request.POST or request.GET).get("zone") == MINE
    return user.time_zone if wants_own else shown.time_zone


def _form(
    shown: Schedule, zone: str, now: datetime, found: Override | None = None, **kwargs: Any
) -> OverrideForm:
    """The form with the people that can be chosen; 9 queries."""
    people = active_people()
    members = selectors.rotas_of([shown.pk], since=now)[shown.pk].people
    if found is not None:
        members |= {u.pk: u for u in (found.user, found.replaces) if u is not None}
    gone = (
        [user for user in (found.user,) if found and user and user not in people] if found else []
    )
    by_name = sorted(members.values(), key=lambda user: (user.name, user.pk))
    return OverrideForm(zone, [*people, *gone], by_name, **kwargs)


def _page(
    request: HttpRequest,
    shown: Schedule,
    form: OverrideForm,
    found: Override | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    is_dialog = request.headers.get("HX-Target") == "override-form"
    context = {
        "schedule": shown,
        "form": form,
        "override": found,
        "is_dialog": is_dialog,
        "zone_is_mine": form.zone != shown.time_zone,
        "page_heading": "Change the override" if found else "Override",
    }
    template = "override_form.html" if is_dialog else "override.html"
    return render(request, f"escalations/schedules/{template}", context, status=status)


def _saved(request: HttpRequest, shown: Schedule, text: str) -> HttpResponse:
    if is_htmx(request):
        messages.success(request, text)
        return HttpResponseClientRefresh()
    return say(request, redirect("escalations:overrides", shown.pk), text)


override_patterns: list[URLPattern] = [
    path("schedules/<int:pk>/overrides/", overrides, name="overrides"),
    path("schedules/<int:pk>/overrides/new/", override_new, name="override_new"),
    path("schedules/<int:pk>/overrides/<int:override_id>/", override, name="override"),
    path("schedules/<int:pk>/overrides/<int:override_id>/end/", override_end, name="override_end"),
    path("schedules/<int:pk>/take-over/", take_over_now, name="take_over"),
]
