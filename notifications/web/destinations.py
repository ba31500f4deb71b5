"""Pages of destinations: channels of teams and outgoing webhooks."""

from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from incidents.web.answers import say, signed_in
from notifications import selectors
from notifications.event_selectors import visible_subscriptions
from notifications.models import Destination
from notifications.services import destinations as services
from notifications.services.destinations import DestinationValues
from notifications.services.resending import is_repeatable
from notifications.uses import uses_of
from notifications.web.forms import DestinationForm
from notifications.web.subscriptions import shown_subscriptions
from opsknight.errors import NotAllowed, OpsKnightError
from opsknight.web import client_ip
from opsknight.web.forms import add_errors

SHOWN_DELIVERIES = 20


@login_required
@require_safe
def destinations(request: HttpRequest) -> HttpResponse:
    """Every destination the person may see, and when something last went there."""
    user = signed_in(request)
    context = {
        "destinations": selectors.destinations_with_last(user),
        "may_create": selectors.may_create_destinations(user),
    }
    return render(request, "notifications/destinations.html", context)


@never_cache
@login_required
@require_safe
def destination(request: HttpRequest, pk: int) -> HttpResponse:
    """One destination: what it is, what pages it, and what went there lately."""
    user = signed_in(request)
    place = selectors.get_destination_for(user, pk)
    may_change = selectors.may_change_destination(user, place)
    deliveries = selectors.last_deliveries_to(user, place, limit=SHOWN_DELIVERIES)
    shown = [row for row in deliveries if row.incident is not None or row.subject]
    may_repeat = may_change and place.enabled
    context = {
        "destination": place,
        "may_change": may_change,
        "may_open_sandbox": user.is_responder,
        "uses": uses_of(place),
        "subscriptions": shown_subscriptions(
            user, visible_subscriptions(user).filter(destination=place)
        ),
        "deliveries": deliveries,
        "open_ids": {row.pk for row in shown},
        "repeatable_ids": {row.pk for row in shown if may_repeat and is_repeatable(row)},
        "shown": SHOWN_DELIVERIES,
    }
    return render(request, "notifications/destination.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Make a destination; for administrators, and for who runs a team."""
    user = signed_in(request)
    if not selectors.may_create_destinations(user):
        raise NotAllowed("Only administrators and who leads a team may make destinations.")
    form = DestinationForm(user, None, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        values = cast(DestinationValues, form.cleaned_data)
        try:
            place = services.create_destination(values=values, actor=user, ip=client_ip(request))
        except OpsKnightError as error:
            add_errors(form, error)
        else:
            return _to(request, place, "The destination is there. Send a test to see it work.")
    return _form(request, form, None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a destination; its kind stays."""
    user = signed_in(request)
    place = selectors.get_destination_to_change_for(user, pk)
    initial = {"name": place.name, "team": place.team, "address": place.address}
    data = request.POST if request.method == "POST" else None
    form = DestinationForm(user, place, data, initial=initial)
    if form.is_bound and form.is_valid():
        values = cast(DestinationValues, form.cleaned_data)
        try:
            services.update_destination(
                destination=place, values=values, actor=user, ip=client_ip(request)
            )
        except OpsKnightError as error:
            add_errors(form, error)
        else:
            return _to(request, place, "Saved.")
    return _form(request, form, place)


@login_required
@require_POST
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test message by the way of pages."""
    user = signed_in(request)
    place = selectors.get_destination_to_change_for(user, pk)
    try:
        services.send_test(destination=place, actor=user, now=timezone.now(), ip=client_ip(request))
    except OpsKnightError as error:
        return _to(request, place, error.message, level="warning")
    return _to(request, place, "A test is on its way. What became of it appears below.")


@login_required
@require_POST
def enable(request: HttpRequest, pk: int) -> HttpResponse:
    """Use a destination again."""
    return _switch(request, pk, is_on=True, text="The destination is used again.")


@login_required
@require_POST
def disable(request: HttpRequest, pk: int) -> HttpResponse:
    """Do not use a destination for now."""
    text = "The destination is not used until it is switched on."
    return _switch(request, pk, is_on=False, text=text)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a destination that nothing pages any more; GET asks first."""
    user = signed_in(request)
    place = selectors.get_destination_to_change_for(user, pk)
    if request.method != "POST":
        context = {"destination": place, "uses": uses_of(place)}
        return render(request, "notifications/destination_delete.html", context)
    try:
        services.delete_destination(destination=place, actor=user, ip=client_ip(request))
    except OpsKnightError as error:
        return _to(request, place, error.message, level="warning")
    return say(request, redirect("notifications:destinations"), f"{place.name} was deleted.")


@never_cache
@login_required
@require_safe
def secret(request: HttpRequest, pk: int) -> HttpResponse:
    """The secret that signs, and how to check it; for who may change the destination."""
    place = selectors.get_destination_to_change_for(signed_in(request), pk)
    return render(request, "notifications/destination_secret.html", {"destination": place})


@login_required
@require_POST
def renew_secret(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign with another secret from now on."""
    user = signed_in(request)
    place = selectors.get_destination_to_change_for(user, pk)
    services.renew_secret(destination=place, actor=user, ip=client_ip(request))
    answer = redirect("notifications:destination_secret", place.pk)
    return say(request, answer, "Messages are signed with the new secret from now on.")


def _switch(request: HttpRequest, pk: int, *, is_on: bool, text: str) -> HttpResponse:
    user = signed_in(request)
    place = selectors.get_destination_to_change_for(user, pk)
    services.update_destination(
        destination=place, values={"enabled": is_on}, actor=user, ip=client_ip(request)
    )
    return _to(request, place, text)


def _to(
    request: HttpRequest, place: Destination, text: str, *, level: str = "success"
) -> HttpResponse:
    return say(request, redirect("notifications:destination", place.pk), text, level=level)


def _form(request: HttpRequest, form: DestinationForm, place: Destination | None) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "destination": place}
    status = 422 if form.is_bound else 200
    return render(request, "notifications/destination_form.html", context, status=status)


ONE = "destinations/<int:pk>/"
destination_patterns: list[URLPattern] = [
    path("destinations/", destinations, name="destinations"),
    path("destinations/new/", create, name="destination_new"),
    path(ONE, destination, name="destination"),
    path(f"{ONE}edit/", edit, name="destination_edit"),
    path(f"{ONE}test/", test, name="destination_test"),
    path(f"{ONE}on/", enable, name="destination_enable"),
    path(f"{ONE}off/", disable, name="destination_disable"),
    path(f"{ONE}delete/", delete, name="destination_delete"),
    path(f"{ONE}secret/", secret, name="destination_secret"),
    path(f"{ONE}secret/new/", renew_secret, name="destination_renew_secret"),
]
