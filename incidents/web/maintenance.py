"""Maintenance windows on the service's page: what holds, what comes, start, plan, end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from incidents import selectors
from incidents.maintenance import next_occurrence, occurrence_at
from incidents.models import MaintenanceWindow, Service
from incidents.services.maintenance import (
    end_maintenance,
    schedule_maintenance,
    start_maintenance,
)
from incidents.web.answers import say, signed_in
from incidents.web.maintenance_forms import MINUTES, StartForm, WindowForm
from opsknight.errors import InvalidInput
from opsknight.web import client_ip
from opsknight.web.forms import add_errors


@dataclass(frozen=True)
class WindowView:
    """A window with its present or next occurrence."""

    window: MaintenanceWindow
    starts_at: datetime
    ends_at: datetime
    holds: bool


def maintenance_panel(request: HttpRequest, service: Service) -> dict[str, Any]:
    """The windows of a service that are not over; None where there is nothing to see or do."""
    may_change = selectors.may_change_service(signed_in(request), service)
    views = _views_of(service, timezone.now())
    if not views and not may_change:
        return {"maintenance": None}
    holding = [view for view in views if view.holds]
    return {
        "maintenance": {
            "windows": views,
            "holding": max(holding, key=lambda view: view.ends_at) if holding else None,
            "may_change": may_change,
            "form": StartForm(auto_id="maintenance_%s"),
            "lengths": [_length(minutes) for minutes in MINUTES],
        }
    }


def _views_of(service: Service, now: datetime) -> list[WindowView]:
    """Windows in the order of their next occurrence; 1 query."""
    windows = MaintenanceWindow.objects.filter(service=service, ended_at=None)
    views = [
        WindowView(
            window=window,
            starts_at=coming.starts_at,
            ends_at=coming.ends_at,
            holds=occurrence_at(window, now) is not None,
        )
        for window in windows
        if (coming := next_occurrence(window, now)) is not None
    ]
    return sorted(views, key=lambda view: (view.starts_at, view.window.pk))


def _length(minutes: int) -> tuple[int, str]:
    return minutes, f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


@login_required
@require_POST
def start(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin maintenance now, for some minutes."""
    user = signed_in(request)
    service = selectors.get_service_to_change_for(user, pk)
    form = StartForm(request.POST)
    if form.is_valid():
        try:
            window = start_maintenance(
                service=service,
                length=timedelta(minutes=form.cleaned_data["minutes"]),
                reason=form.cleaned_data["reason"],
                actor=user,
                ip=client_ip(request),
            )
        except InvalidInput as error:
            add_errors(form, error)
        else:
            until = timezone.localtime(window.ends_at)
            text = f"Maintenance until {until:%H:%M}: alerts are recorded and page nobody."
            return say(request, _to_panel(service.pk), text)
    context = {"service": service, "form": form, "page_heading": "Start maintenance"}
    return render(request, "incidents/maintenance_form.html", context, status=422)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def schedule(request: HttpRequest, pk: int) -> HttpResponse:
    """Plan a window ahead."""
    user = signed_in(request)
    service = selectors.get_service_to_change_for(user, pk)
    bound = request.method == "POST"
    form = WindowForm(request.POST) if bound else WindowForm.starting_soon(user.time_zone)
    if bound and form.is_valid():
        try:
            schedule_maintenance(
                service=service, values=form.values(), actor=user, ip=client_ip(request)
            )
        except InvalidInput as error:
            add_errors(form, error)
        else:
            return say(request, _to_panel(service.pk), "Maintenance is planned.")
    context = {"service": service, "form": form, "page_heading": "Plan maintenance"}
    status = 422 if bound else 200
    return render(request, "incidents/maintenance_form.html", context, status=status)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """End a window with all its later occurrences; GET asks first."""
    user = signed_in(request)
    window = selectors.get_window_to_change_for(user, pk)
    if request.method != "POST":
        context = {"window": window, "service": window.service}
        return render(request, "incidents/maintenance_end.html", context)
    end_maintenance(window=window, actor=user, ip=client_ip(request))
    text = "Maintenance ended. What is still open pages from the first step."
    return say(request, _to_panel(window.service_id), text)


def _to_panel(service_id: int) -> HttpResponse:
    address = reverse("incidents:service", args=[service_id])
    return redirect(f"{address}#maintenance")


maintenance_patterns: list[URLPattern] = [
    path("services/<int:pk>/maintenance/start/", start, name="maintenance_start"),
    path("services/<int:pk>/maintenance/plan/", schedule, name="maintenance_plan"),
    path("maintenance/<int:pk>/end/", end, name="maintenance_end"),
]
