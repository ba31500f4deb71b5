"""Services: what can break, who owns it, and how its alerts come in."""

import json
from typing import cast

from django.contrib.auth.decorators import login_required
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from incidents import selectors
from incidents.models import Delivery, Incident, Integration, Service
from incidents.services import catalog
from incidents.services.catalog import ServiceValues
from incidents.services.maintenance_now import maintenance_now
from incidents.web.answers import say, signed_in
from incidents.web.changes import changes_panel
from incidents.web.forms import TUNING, IntegrationForm, ServiceForm
from incidents.web.maintenance import maintenance_panel
from opsknight.errors import InvalidInput
from opsknight.models import User
from opsknight.permissions import require_responder
from opsknight.web import client_ip
from opsknight.web.forms import add_errors

SHOWN_INCIDENTS = 20


@login_required
@require_safe
def services(request: HttpRequest) -> HttpResponse:
    """All services, those with open incidents marked."""
    user = signed_in(request)
    context = {
        "services": counted_services(user),
        "may_create": user.is_responder,
        "in_maintenance": maintenance_now(),
    }
    return render(request, "incidents/services.html", context)


def counted_services(user: User) -> QuerySet[Service]:
    """Services with what this person sees open on each, for a list; 1 query."""
    status = Incident.Status
    seen = selectors.visible_incidents(user).filter(service=OuterRef("pk")).order_by()
    is_open = seen.exclude(status=status.RESOLVED).values("service")
    counted = is_open.annotate(
        open=Count("pk"), triggered=Count("pk", filter=Q(status=status.TRIGGERED))
    )
    ways_in = Integration.objects.filter(service=OuterRef("pk"), enabled=True).order_by()
    return selectors.visible_services(user).annotate(
        open_count=Subquery(counted.values("open")),
        triggered_count=Subquery(counted.values("triggered")),
        integration_count=Subquery(ways_in.values("service").annotate(n=Count("pk")).values("n")),
    )


@login_required
@require_safe
def service(request: HttpRequest, pk: int) -> HttpResponse:
    """One service: what is open, and its integrations for those who may configure it."""
    user = signed_in(request)
    shown = selectors.get_service_for(user, pk)
    return render(request, "incidents/service.html", service_context(request, user, shown))


def service_context(request: HttpRequest, user: User, shown: Service) -> dict[str, object]:
    """What the service page shows; also when a form on it comes back with errors."""
    may_change = selectors.may_change_service(user, shown)
    found = selectors.open_incidents(user).filter(service=shown)
    return {
        "service": shown,
        "pk_text": str(shown.pk),
        "incidents": found[:SHOWN_INCIDENTS],
        "shown": SHOWN_INCIDENTS,
        "open_statuses": " ".join(Incident.OPEN),
        "live_where": json.dumps({"service": [str(shown.pk)]}),
        "may_change": may_change,
        "may_open": user.is_responder,
        "integrations": integrations_of(user, shown) if may_change else [],
        "form": IntegrationForm(),
        **changes_panel(request, shown),
        **maintenance_panel(request, shown),
    }


def integrations_of(user: User, shown: Service) -> QuerySet[Integration]:
    """The ways into a service, each with its last delivery; 1 query."""
    last = Delivery.objects.filter(integration=OuterRef("pk")).order_by("-id")
    return (
        selectors.visible_integrations(user)
        .filter(service=shown)
        .select_related("heartbeat")
        .annotate(
            last_delivery_at=Subquery(last.values("received_at")[:1]),
            last_verdict=Subquery(last.values("verdict")[:1]),
        )
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def service_new(request: HttpRequest) -> HttpResponse:
    """Create a service; responders only."""
    user = signed_in(request)
    require_responder(user)
    form = ServiceForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            created = catalog.create_service(
                values=values_of(form), actor=user, ip=client_ip(request)
            )
        except InvalidInput as error:
            add_errors(form, error)
        else:
            text = f"{created.name} was created. Connect a monitoring system to it."
            return say(request, redirect("incidents:service", created.pk), text)
    return _form_page(request, form, "New service")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def service_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a service; responders and its team."""
    user = signed_in(request)
    shown = selectors.get_service_to_change_for(user, pk)
    # A bound ModelForm writes into its instance; the service compares with what is stored.
    instance = selectors.get_service_for(user, pk)
    form = ServiceForm(request.POST if request.method == "POST" else None, instance=instance)
    if form.is_bound and form.is_valid():
        try:
            catalog.update_service(
                service=shown, values=values_of(form), actor=user, ip=client_ip(request)
            )
        except InvalidInput as error:
            add_errors(form, error)
        else:
            return say(request, redirect("incidents:service", pk), "Saved.")
    return _form_page(request, form, f"Edit {shown.name}", shown)


def values_of(form: ServiceForm) -> ServiceValues:
    """The checked values of a form, as the catalogue takes them."""
    data = form.cleaned_data
    values: ServiceValues = {
        "name": data["name"],
        "description": data["description"],
        "team": data["team"],
        "escalation_policy": data["escalation_policy"],
    }
    tuning = {name: data[name] for name in TUNING if data[name] is not None}
    return cast(ServiceValues, values | tuning)


def _form_page(
    request: HttpRequest, form: ServiceForm, heading: str, shown: Service | None = None
) -> HttpResponse:
    context = {"form": form, "page_heading": heading, "service": shown}
    status = 422 if form.is_bound else 200
    return render(request, "incidents/service_form.html", context, status=status)
