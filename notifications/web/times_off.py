"""Forms of one's own quiet hours, digest and absences."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_POST

from incidents.web.answers import signed_in
from notifications.services.absences import add_absence, end_absence
from notifications.services.paging_preferences import set_paging_preferences
from notifications.services.planning import preferences_of
from notifications.web.preference_forms import AbsenceForm, DigestForm, QuietForm
from notifications.web.preferences import SETTINGS, back, show_page
from opsknight.errors import OpsKnightError
from opsknight.web import client_ip
from opsknight.web.forms import add_errors


@login_required
@require_POST
def set_quiet_hours(request: HttpRequest) -> HttpResponse:
    """Choose one's own quiet hours."""
    user = signed_in(request)
    form = QuietForm(preferences_of(user), request.POST)
    return _save(request, form, "quiet_form")


@login_required
@require_POST
def set_digest(request: HttpRequest) -> HttpResponse:
    """Choose how low urgency comes."""
    user = signed_in(request)
    form = DigestForm(preferences_of(user), request.POST)
    return _save(request, form, "digest_form")


@login_required
@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Name who is paged in one's place for a time."""
    user = signed_in(request)
    form = AbsenceForm(user, request.POST)
    if form.is_valid():
        begins_at, ends_at = form.times()
        try:
            absence = add_absence(
                user=user,
                begins_at=begins_at,
                ends_at=ends_at,
                substitute=form.cleaned_data["substitute"],
                note=form.cleaned_data["note"],
                now=timezone.now(),
                ip=client_ip(request),
            )
        except OpsKnightError as error:
            add_errors(form, error)
        else:
            return back(request, f"{absence.substitute} stands in for you, and was told.")
    return show_page(request, user, absence_form=form)


@login_required
@require_POST
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """Be back, or take back an absence to come."""
    end_absence(user=signed_in(request), pk=pk, now=timezone.now(), ip=client_ip(request))
    return back(request, "The absence was ended.")


def _save(request: HttpRequest, form: QuietForm | DigestForm, name: str) -> HttpResponse:
    user = signed_in(request)
    if form.is_valid():
        try:
            set_paging_preferences(
                user=user, values=form.values(), now=timezone.now(), ip=client_ip(request)
            )
        except OpsKnightError as error:
            add_errors(form, error)
        else:
            return back(request, "Saved.")
    parts: dict[str, Any] = {name: form}
    return show_page(request, user, **parts)


time_off_patterns: list[URLPattern] = [
    path(f"{SETTINGS}/quiet-hours/", set_quiet_hours, name="set_quiet_hours"),
    path(f"{SETTINGS}/digest/", set_digest, name="set_digest"),
    path(f"{SETTINGS}/absences/", add, name="add_absence"),
    path(f"{SETTINGS}/absences/<int:pk>/end/", end, name="end_absence"),
]
