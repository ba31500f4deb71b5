"""Pages about who follows services and teams: panels, and making and changing subscriptions."""

from typing import cast

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from incidents.selectors import get_service_for
from incidents.web.answers import say, signed_in
from notifications.event_selectors import (
    changeable_destinations,
    get_subscription_to_change_for,
    may_follow,
    visible_subscriptions,
)
from notifications.events import LABELS
from notifications.models import Destination, EventSubscription
from notifications.selectors import may_create_destinations
from notifications.services import subscriptions as services
from notifications.services.subscriptions import SubscriptionValues
from notifications.web.subscription_forms import NewSubscriptionForm, SubscriptionForm
from opsknight.errors import InvalidInput, NotAllowed, OpsKnightError
from opsknight.models import User
from opsknight.selectors import get_team_for
from opsknight.web import client_ip
from opsknight.web.forms import add_errors


@never_cache
@login_required
@require_safe
def of_service(request: HttpRequest, pk: int) -> HttpResponse:
    """Who hears of this service: a panel of its page."""
    user = signed_in(request)
    service = get_service_for(user, pk)
    found = visible_subscriptions(user).filter(service=service)
    may_add = may_create_destinations(user) and may_follow(user, service, None)
    return _panel(request, found, may_add=may_add, query=f"service={service.pk}")


@never_cache
@login_required
@require_safe
def of_team(request: HttpRequest, pk: int) -> HttpResponse:
    """Who hears of all services of this team: a panel of its page."""
    user = signed_in(request)
    team = get_team_for(user, pk)
    found = visible_subscriptions(user).filter(team=team)
    may_add = may_create_destinations(user) and may_follow(user, None, team)
    return _panel(request, found, may_add=may_add, query=f"team={team.pk}")


def _panel(
    request: HttpRequest, found: QuerySet[EventSubscription], *, may_add: bool, query: str
) -> HttpResponse:
    user = signed_in(request)
    context = {
        "subscriptions": shown_subscriptions(user, found),
        "may_add": may_add,
        "has_destination": may_add and changeable_destinations(user).exists(),
        "query": query,
    }
    return render(request, "notifications/followers_panel.html", context)


def shown_subscriptions(
    user: User, found: QuerySet[EventSubscription]
) -> list[tuple[EventSubscription, str, bool]]:
    """Each with its events in words, and whether this person may change it; two queries."""
    rows = list(found)
    places = changeable_destinations(user).filter(pk__in=[row.destination_id for row in rows])
    changeable = set(places.values_list("pk", flat=True)) if rows else set()
    return [(row, events_in_words(row), row.destination_id in changeable) for row in rows]


def events_in_words(subscription: EventSubscription) -> str:
    """Which events it is about, as pages list them."""
    if not subscription.events:
        return "All events"
    return ", ".join(LABELS.get(name, name) for name in subscription.events)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Let a destination follow a service or a team; `?service=…` and so on choose in advance."""
    user = signed_in(request)
    if not may_create_destinations(user):
        raise NotAllowed("Only administrators and who leads a team may let destinations follow.")
    if request.method != "POST":
        chosen = {name: request.GET.get(name) for name in ("service", "team", "destination")}
        return _form(request, NewSubscriptionForm(user, initial=chosen), None)
    form = NewSubscriptionForm(user, request.POST)
    if form.is_valid():
        if "preview" in request.POST:
            return _form(request, form, None, _preview(form, form.cleaned_data["destination"]))
        made = _create(request, user, form)
        if made is not None:
            answer = redirect("notifications:destination", made.destination_id)
            return say(request, answer, "It hears of what happens from now on.")
    return _form(request, form, None)


def _create(
    request: HttpRequest, user: User, form: NewSubscriptionForm
) -> EventSubscription | None:
    """The new subscription; None when it was refused, which the form then says."""
    values = cast(SubscriptionValues, form.cleaned_data)
    try:
        return services.create_subscription(
            values=values, actor=user, now=timezone.now(), ip=client_ip(request)
        )
    except OpsKnightError as error:
        add_errors(form, error)
        return None


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change which events, the body, or whether it is used."""
    user = signed_in(request)
    found = get_subscription_to_change_for(user, pk)
    initial = {"events": found.events, "template": found.template, "enabled": found.enabled}
    form = SubscriptionForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_bound and form.is_valid():
        if "preview" in request.POST:
            return _form(request, form, found, _preview(form, found.destination))
        values = cast(SubscriptionValues, form.cleaned_data)
        try:
            services.update_subscription(
                subscription=found, values=values, actor=user, ip=client_ip(request)
            )
        except OpsKnightError as error:
            add_errors(form, error)
        else:
            return say(request, redirect("notifications:subscription", pk), "Saved.")
    return _form(request, form, found)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Follow no longer; GET asks first."""
    user = signed_in(request)
    found = get_subscription_to_change_for(user, pk)
    if request.method != "POST":
        return render(request, "notifications/subscription_delete.html", {"subscription": found})
    place = found.destination_id
    services.delete_subscription(subscription=found, actor=user, ip=client_ip(request))
    return say(request, redirect("notifications:destination", place), "It follows no longer.")


def _preview(form: Form, destination: Destination) -> str:
    """What the template makes of a made-up event; empty when it cannot, which the form says."""
    try:
        return services.preview_body(
            template=form.cleaned_data["template"], destination=destination
        )
    except InvalidInput as error:
        add_errors(form, error)
        return ""


def _form(
    request: HttpRequest, form: Form, found: EventSubscription | None, preview: str = ""
) -> HttpResponse:
    context = {"form": form, "subscription": found, "preview": preview}
    status = 422 if form.is_bound and not preview else 200
    return render(request, "notifications/subscription_form.html", context, status=status)


subscription_patterns: list[URLPattern] = [
    path("services/<int:pk>/followers/", of_service, name="service_followers"),
    path("teams/<int:pk>/followers/", of_team, name="team_followers"),
    path("subscriptions/new/", create, name="subscription_new"),
    path("subscriptions/<int:pk>/", edit, name="subscription"),
    path("subscriptions/<int:pk>/delete/", delete, name="subscription_delete"),
]
