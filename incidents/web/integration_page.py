"""The page of one integration: its shell, and the tab that says how to set it up."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.views.decorators.http import require_safe

from incidents import selectors
from incidents.models import Integration
from incidents.setup import address_of, guide_for
from incidents.web.answers import signed_in
from incidents.web.heartbeat_panel import heartbeat_panel


@login_required
@require_safe
def integration(request: HttpRequest, pk: int) -> HttpResponse:
    """How to connect the monitoring system: address, key, and what to do there."""
    shown = selectors.get_integration_for(signed_in(request), pk)
    base = f"{request.scheme}://{request.get_host()}"
    context = shell_of(shown, "setup") | {
        "address": address_of(shown, base),
        "guide": guide_for(shown, base),
        "takes_nothing": shown.kind == Integration.Kind.EMAIL and not settings.MAIL_PORT,
        "last_delivery": shown.deliveries.only("received_at", "verdict").first(),
        **heartbeat_panel(shown),
    }
    return render(request, "incidents/integration_setup.html", context)


def shell_of(integration: Integration, tab: str) -> dict[str, object]:
    """What `incidents/integration_base.html` needs; `tab` names the tab that is open."""
    return {"integration": integration, "tab": tab}


integration_patterns: list[URLPattern] = [
    path("integrations/<int:pk>/", integration, name="integration"),
]
