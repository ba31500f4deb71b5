"""Creating, editing and deleting a schedule; its layers have a page of their own."""

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.views.decorators.http import require_http_methods

from escalations import selectors
from escalations.models import Schedule
from escalations.services.schedules import (
    ScheduleValues,
    create_schedule,
    delete_schedule,
    update_schedule,
)
from incidents.filters import read_id
from incidents.web.answers import say, signed_in
from opsknight.departures import NeedsConfirmation
from opsknight.errors import Conflict, InvalidInput, NotAllowed
from opsknight.models import Team
from opsknight.services.versions import SavedMeanwhile
from opsknight.web import client_ip
from opsknight.web.forms import TimeZoneField, add_errors


class ScheduleForm(forms.Form):
    """What is known of a schedule beside its layers."""

    name = forms.CharField(max_length=200, error_messages={"required": "Give it a name."})
    time_zone = TimeZoneField(label="Time zone")
    time_zone.help_text = "Handoffs keep their time of day in it, also when clocks change."
    team = forms.ModelChoiceField(
        Team.objects.order_by("name"),
        required=False,
        empty_label="No team",
        help_text="Whose schedule it is; says nothing about who is on call.",
    )
    description = forms.CharField(
        required=False, max_length=5000, widget=forms.Textarea(attrs={"rows": 2})
    )

    def values(self) -> ScheduleValues:
        """What the service takes."""
        data = self.cleaned_data
        return {
            "name": data["name"],
            "time_zone": data["time_zone"],
            "team": data["team"],
            "description": data["description"],
        }


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def schedule_new(request: HttpRequest) -> HttpResponse:
    """Create a schedule; it leads on to its first layer."""
    user = signed_in(request)
    if not selectors.may_change_schedules(user):
        raise NotAllowed("Only responders may create schedules.")
    is_posted = request.method == "POST"
    form = ScheduleForm(request.POST if is_posted else None, initial={"time_zone": user.time_zone})
    if is_posted and form.is_valid():
        try:
            made = create_schedule(
                values=form.values(), layers=[], actor=user, ip=client_ip(request)
            )
        except InvalidInput as error:
            add_errors(form, error)
        else:
            text = f"Created {made.name}. Now say who takes turns."
            return say(request, redirect("escalations:layer_new", made.pk), text)
    context = {"form": form, "page_heading": "New schedule"}
    status = 422 if is_posted else 200
    return render(request, "escalations/schedules/form.html", context, status=status)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def schedule_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a schedule's name, zone, team or description."""
    user = signed_in(request)
    shown = selectors.get_schedule_to_change_for(user, pk)
    if request.method == "POST":
        return _save(request, shown)
    initial = {name: getattr(shown, name) for name in ("name", "time_zone", "team", "description")}
    return _page(request, shown, ScheduleForm(initial=initial), version=shown.version)


def _save(request: HttpRequest, shown: Schedule) -> HttpResponse:
    form = ScheduleForm(request.POST)
    version = read_id(request.POST.get("version", "")) or shown.version
    question: list[str] = []
    if form.is_valid():
        try:
            update_schedule(
                schedule=shown,
                values=form.values(),
                layers=None,
                actor=signed_in(request),
                ip=client_ip(request),
                version=version,
                is_confirmed=bool(request.POST.get("confirm")),
            )
        except NeedsConfirmation as asked:
            question = asked.fields["confirm"]
        except SavedMeanwhile as error:
            # Whoever presses again has read it, and wants what is in the form.
            form.add_error(None, f"{error.message} Or save once more: then yours replaces it.")
            version = selectors.get_schedule_for(signed_in(request), shown.pk).version
        except InvalidInput as error:
            add_errors(form, error)
        else:
            response = redirect("escalations:schedule", shown.pk)
            return say(request, response, f"Saved {form.cleaned_data['name']}.")
    # The name on the page is the stored one, not what was refused.
    shown = selectors.get_schedule_for(signed_in(request), shown.pk)
    return _page(request, shown, form, version=version, question=question, status=422)


def _page(
    request: HttpRequest,
    shown: Schedule,
    form: ScheduleForm,
    *,
    version: int,
    question: list[str] | None = None,
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {
        "schedule": shown,
        "form": form,
        "version": version,
        "question": question,
        "page_heading": "Edit",
    }
    return render(request, "escalations/schedules/form.html", context, status=status)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def schedule_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a schedule that no policy pages; GET asks first."""
    user = signed_in(request)
    shown = selectors.get_schedule_to_change_for(user, pk)
    notice = ""
    if request.method == "POST":
        try:
            delete_schedule(
                schedule=shown,
                actor=user,
                ip=client_ip(request),
                version=read_id(request.POST.get("version", "")),
            )
        except Conflict as error:
            notice = error.message
            shown = selectors.get_schedule_for(user, pk)
        else:
            return say(request, redirect("escalations:schedules"), f"Deleted {shown.name}.")
    policies = selectors.policies_paging(shown)
    context = {"schedule": shown, "policies": policies, "notice": notice}
    template = "escalations/schedules/delete.html"
    return render(request, template, context, status=409 if notice else 200)


edit_patterns: list[URLPattern] = [
    path("schedules/new/", schedule_new, name="schedule_new"),
    path("schedules/<int:pk>/edit/", schedule_edit, name="schedule_edit"),
    path("schedules/<int:pk>/delete/", schedule_delete, name="schedule_delete"),
]
