"""The panel of a schedule that says which channels are told who is on call."""

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from escalations import selectors
from escalations.models import OnCallAnnouncement, Schedule
from escalations.models.schedule import ALL_WEEKDAYS, weekday_bits, weekdays_in
from escalations.selectors.announcements import announcements_of, get_announcement_of
from escalations.services import announcements
from escalations.services.announcements import AnnouncementValues
from incidents.web.answers import back_to, say, signed_in
from notifications.models import Destination
from notifications.selectors import visible_destinations
from opsknight.errors import OpsKnightError
from opsknight.models import User
from opsknight.web import client_ip
from opsknight.web.forms import add_errors

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
When = OnCallAnnouncement.When


class AnnouncementForm(forms.Form):
    """A channel, and when it is told."""

    destination = forms.ModelChoiceField(
        Destination.objects.none(), label="Channel", empty_label="Choose one"
    )
    when = forms.ChoiceField(choices=When.choices, label="When", widget=forms.RadioSelect)
    time = forms.TimeField(
        required=False,
        label="Time of day",
        help_text="On the clock of the schedule. Only for a time of day.",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    weekdays = forms.TypedMultipleChoiceField(
        choices=list(enumerate(DAYS)),
        coerce=int,
        required=False,
        label="On",
        widget=forms.CheckboxSelectMultiple,
        help_text="None: every day.",
    )

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(data, initial={"when": When.ON_CHANGE})
        places: Any = self.fields["destination"]
        places.queryset = visible_destinations(user)

    def values(self) -> AnnouncementValues:
        """What the service takes; a change has neither time nor days."""
        data = self.cleaned_data
        if data["when"] == When.ON_CHANGE:
            return {"destination": data["destination"], "when": When.ON_CHANGE, "time": None}
        return {
            "destination": data["destination"],
            "when": data["when"],
            "time": data["time"],
            "weekdays": weekday_bits(set(data["weekdays"])) or ALL_WEEKDAYS,
        }


def announcements_panel(user: User, schedule: Schedule) -> dict[str, Any]:
    """Context of `escalations/panels/announcements.html`."""
    return {
        "announcements": [(row, describe(row)) for row in announcements_of(schedule)],
        "announcements_back": reverse("escalations:schedule", args=[schedule.pk]),
        "may_announce": selectors.may_change_schedules(user),
    }


def describe(row: OnCallAnnouncement) -> str:
    """When a channel is told, in words."""
    if row.when == When.ON_CHANGE or row.time is None:
        return "on every change"
    days = weekdays_in(row.weekdays)
    at = f"at {row.time:%H:%M}"
    if not days:
        return "never"
    return (
        f"daily {at}" if len(days) == 7 else f"{', '.join(DAYS[d][:3] for d in sorted(days))} {at}"
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a channel be told who is on call."""
    user = signed_in(request)
    schedule = selectors.get_schedule_to_change_for(user, pk)
    form = AnnouncementForm(user, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            announcements.create_announcement(
                schedule=schedule,
                values=form.values(),
                actor=user,
                now=timezone.now(),
                ip=client_ip(request),
            )
        except OpsKnightError as error:
            add_errors(form, error)
        else:
            page = reverse("escalations:schedule", args=[schedule.pk])
            return say(request, back_to(request, page), "The channel is told from now on.")
    context = {"schedule": schedule, "form": form}
    status = 422 if form.is_bound else 200
    return render(request, "escalations/announcement_form.html", context, status=status)


@login_required
@require_POST
def delete(request: HttpRequest, pk: int, announcement_id: int) -> HttpResponse:
    """Tell a channel no more."""
    user = signed_in(request)
    schedule = selectors.get_schedule_to_change_for(user, pk)
    row = get_announcement_of(schedule, announcement_id)
    announcements.delete_announcement(announcement=row, actor=user, ip=client_ip(request))
    page = reverse("escalations:schedule", args=[schedule.pk])
    return say(request, back_to(request, page), "The channel is told no more.")


announcement_patterns: list[URLPattern] = [
    path("schedules/<int:pk>/announcements/new/", create, name="announcement_new"),
    path(
        "schedules/<int:pk>/announcements/<int:announcement_id>/delete/",
        delete,
        name="announcement_delete",
    ),
]
