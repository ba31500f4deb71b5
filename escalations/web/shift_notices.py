"""The panel in which people choose what they hear of their shifts."""

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.views.decorators.http import require_POST

from escalations.models import OnCallPreference
from escalations.services.shift_notices import preference_of, set_preference
from incidents.web.answers import back_to, say, signed_in
from opsknight.models import User

CHOICES = [
    (0, "At the moment itself"),
    (15, "15 minutes before"),
    (60, "1 hour before"),
    (4 * 60, "4 hours before"),
    (12 * 60, "12 hours before"),
    (24 * 60, "1 day before"),
    (3 * 24 * 60, "3 days before"),
    (7 * 24 * 60, "7 days before"),
]


class ShiftNoticeForm(forms.Form):
    """Which notices of one's shifts one wants."""

    tells_start = forms.BooleanField(required=False, label="When a shift of mine starts")
    tells_end = forms.BooleanField(required=False, label="When a shift of mine ends")
    minutes_before = forms.TypedChoiceField(coerce=int, label="How early")

    def __init__(self, preference: OnCallPreference, data: Any = None) -> None:
        initial = {
            "tells_start": preference.tells_start,
            "tells_end": preference.tells_end,
            "minutes_before": preference.minutes_before,
        }
        super().__init__(data, initial=initial, auto_id="shift_notice_%s")
        minutes = preference.minutes_before
        # What was chosen by the API may be none of the usual times.
        known = dict(CHOICES) | (
            {} if minutes in dict(CHOICES) else {minutes: f"{minutes} minutes"}
        )
        self.fields["minutes_before"].choices = sorted(known.items())  # type: ignore[attr-defined]


def shift_notices_panel(user: User) -> dict[str, Any]:
    """Context of `escalations/panels/shift_notices.html`."""
    return {"shift_notice_form": ShiftNoticeForm(preference_of(user))}


@login_required
@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Choose which notices of one's shifts one wants."""
    user = signed_in(request)
    form = ShiftNoticeForm(preference_of(user), request.POST)
    if not form.is_valid():
        context = {"shift_notice_form": form}
        return render(request, "escalations/shift_notices_form.html", context, status=422)
    set_preference(user=user, **form.cleaned_data)
    return say(request, back_to(request, reverse("escalations:my_shifts")), "That was saved.")


notice_patterns: list[URLPattern] = [
    path("on-call/me/notices/", choose, name="shift_notices"),
]
