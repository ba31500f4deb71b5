"""What was sent about an incident: a panel of its page."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from incidents.selectors import get_incident_for
from incidents.web.answers import signed_in
from notifications.selectors import deliveries_of
from notifications.web.messages import shown_message

SHOWN = 30


@never_cache
@login_required
@require_safe
def deliveries_panel(request: HttpRequest, incident_id: int) -> HttpResponse:
    """Who was paged how, every attempt, and what became of it; for who may see the incident."""
    user = signed_in(request)
    incident = get_incident_for(user, incident_id)
    found = list(deliveries_of(incident).prefetch_related("delivery_attempts")[: SHOWN + 1])
    context = {
        "incident": incident,
        "deliveries": [shown_message(page, user) for page in found[:SHOWN]],
        "has_more": len(found) > SHOWN,
        "shown": SHOWN,
        "may_open_sandbox": user.is_responder,
    }
    return render(request, "notifications/deliveries_panel.html", context)
