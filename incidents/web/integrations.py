"""What can be done with an integration: create, disable, rotate its key, delete, try it."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from incidents import selectors
from incidents.models import Integration
from incidents.services import catalog
from incidents.services.deliveries import send_test_alert as send_alert
from incidents.web.answers import say, signed_in
from incidents.web.forms import IntegrationForm
from incidents.web.services import service_context
from opsknight.errors import InvalidInput
from opsknight.web import client_ip
from opsknight.web.forms import add_errors


@login_required
@require_POST
def integration_create(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a way in to a service."""
    user = signed_in(request)
    service = selectors.get_service_to_change_for(user, pk)
    form = IntegrationForm(request.POST)
    if form.is_valid():
        try:
            created = catalog.create_integration(
                service=service, actor=user, ip=client_ip(request), **form.cleaned_data
            )
        except InvalidInput as error:
            add_errors(form, error)
        else:
            text = f"{created.name} was added. Paste its set-up, or send a test alert."
            return say(request, _to_integration(created), text)
    context = service_context(request, user, service) | {"form": form}
    return render(request, "incidents/service.html", context, status=422)


@login_required
@require_POST
def toggle(request: HttpRequest, pk: int) -> HttpResponse:
    """Enable or disable: the form says which, so that pressing twice does no harm."""
    user = signed_in(request)
    integration = selectors.get_integration_for(user, pk)
    enabled = request.POST.get("enabled") == "true"
    catalog.update_integration(
        integration=integration, values={"enabled": enabled}, actor=user, ip=client_ip(request)
    )
    what = "takes alerts again" if enabled else "is disabled: its alerts are refused"
    return say(request, _to_integration(integration), f"{integration.name} {what}.")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """A new key instead of the old one; GET asks first."""
    user = signed_in(request)
    integration = selectors.get_integration_for(user, pk)
    if request.method != "POST":
        text = (
            "The present key stops working within ten seconds. Until the new one is in your "
            "monitoring system, its alerts are refused."
        )
        return _confirm(request, integration, "Rotate the key", text)
    catalog.rotate_integration_key(integration=integration, actor=user, ip=client_ip(request))
    text = f"{integration.name} has a new key. Put it into the monitoring system now."
    return say(request, _to_integration(integration), text, level="warning")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def integration_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Close this way in for good; GET asks first."""
    user = signed_in(request)
    integration = selectors.get_integration_for(user, pk)
    if request.method != "POST":
        text = "Alerts with its key are refused from now on. Incidents it opened stay."
        return _confirm(request, integration, "Delete the integration", text)
    catalog.delete_integration(integration=integration, actor=user, ip=client_ip(request))
    response = redirect("incidents:service", integration.service_id)
    return say(request, response, f"{integration.name} was deleted.")


@login_required
@require_POST
def send_test_alert(request: HttpRequest, pk: int) -> HttpResponse:
    """Send what the monitoring system would send, and show the incident that it opened."""
    user = signed_in(request)
    integration = selectors.get_integration_for(user, pk)
    reception = send_alert(integration=integration, actor=user, ip=client_ip(request))
    if reception.is_spooled:
        text = "The test alert arrived. It waits on disk until the database is back."
        return say(request, _to_integration(integration), text, level="warning")
    outcome = reception.outcomes[0]
    if outcome.track is None:
        text = f"The test alert arrived, but opened nothing: {outcome.reason}"
        return say(request, _to_integration(integration), text, level="warning")
    text = f"The test alert arrived and opened incident #{outcome.track.id}."
    return say(request, redirect("incidents:detail", outcome.track.id), text)


def _to_integration(integration: Integration) -> HttpResponse:
    return redirect("incidents:integration", integration.pk)


def _confirm(request: HttpRequest, integration: Integration, verb: str, text: str) -> HttpResponse:
    context = {"integration": integration, "verb": verb, "text": text, "action": request.path}
    return render(request, "incidents/confirm.html", context)
