"""The service worker that shows push messages, served from the root, whose pages it may open."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def service_worker(request: HttpRequest) -> HttpResponse:
    """The script; browsers ask for it anew when they start it, so that a new one is soon in use."""
    response = render(request, "notifications/sw.js", content_type="text/javascript")
    response["Cache-Control"] = "no-cache"
    return response
