"""Short addresses for SMS, where every letter counts. They lead on and show nothing themselves."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.views.decorators.http import require_safe


@login_required
@require_safe
def short_incident(request: HttpRequest, pk: int) -> HttpResponse:
    """To the incident, which says itself who may see it."""
    return redirect("incidents:detail", pk)


@login_required
@require_safe
def short_list(request: HttpRequest) -> HttpResponse:
    """To the open incidents, narrowed as the address says."""
    query = request.META.get("QUERY_STRING", "")
    return redirect(f"{reverse('incidents:list')}{'?' if query else ''}{query}")


short_patterns: list[URLPattern] = [
    path("i/", short_list, name="short_list"),
    path("i/<int:pk>", short_incident, name="short_incident"),
]
