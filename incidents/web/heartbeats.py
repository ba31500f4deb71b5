"""The form of what is expected of a heartbeat."""

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.views.decorators.http import require_http_methods

from incidents import selectors
from incidents.models import Integration
from incidents.services.heartbeats import HeartbeatValues, ensure_heartbeat, update_heartbeat
from incidents.web.answers import say, signed_in
from incidents.web.heartbeat_panel import HeartbeatForm, heartbeat_panel
from incidents.web.integration_page import shell_of
from opsknight.errors import InvalidInput, NotFound
from opsknight.web import client_ip
from opsknight.web.forms import add_errors


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def heartbeat(request: HttpRequest, pk: int) -> HttpResponse:
    """Change what is expected; whoever sees the integration may."""
    integration = selectors.get_integration_for(signed_in(request), pk)
    if integration.kind != Integration.Kind.HEARTBEAT:
        raise NotFound(f"{integration.name} is no heartbeat.")
    row = ensure_heartbeat(integration=integration)
    form = HeartbeatForm.of(row, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            update_heartbeat(
                heartbeat=row,
                values=cast(HeartbeatValues, form.cleaned_data),
                actor=signed_in(request),
                ip=client_ip(request),
            )
        except InvalidInput as error:
            add_errors(form, error)
        else:
            return say(request, redirect("incidents:integration", pk), "Saved.")
    context = shell_of(integration, "setup") | heartbeat_panel(integration, form)
    status = 422 if form.is_bound else 200
    return render(request, "incidents/heartbeat.html", context, status=status)


heartbeat_patterns: list[URLPattern] = [
    path("integrations/<int:pk>/heartbeat/", heartbeat, name="heartbeat"),
]
