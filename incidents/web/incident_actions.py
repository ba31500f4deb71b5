"""What people do with an incident: each is one POST, and the answer is what is true now."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from incidents import selectors
from incidents.models import Incident
from incidents.services import lifecycle
from incidents.web.answers import is_htmx, say, signed_in
from incidents.web.forms import IncidentForm, ReassignForm, ResolveForm
from incidents.web.incident import state_of
from opsknight.errors import InvalidInput, OpsKnightError
from opsknight.models import User
from opsknight.permissions import require_responder
from opsknight.web.forms import add_errors
from opsknight.web.moments import written


@login_required
@require_POST
def acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    """Somebody works on it: the escalation stops."""
    user = signed_in(request)
    incident = selectors.get_incident_to_act_on_for(user, pk)
    if lifecycle.acknowledge_incidents(incident_ids=[incident.pk], actor=user):
        if incident.status == Incident.Status.ACKNOWLEDGED:
            return _answer(request, user, pk, "Acknowledged. You are not paged any more.")
        undo = reverse("incidents:unacknowledge", args=[pk])
        others = " Others who were paged are asked as well." if incident.is_multi_ack else ""
        text = f"Acknowledged. The escalation has stopped.{others}"
        return _answer(request, user, pk, text, undo_url=undo)
    return _answer(request, user, pk, _who_was_first(incident), level="info")


@login_required
@require_POST
def unacknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    """Give it back: it is triggered again and its escalation starts anew."""
    user = signed_in(request)
    incident = selectors.get_incident_to_act_on_for(user, pk)
    lifecycle.unacknowledge_incident(incident_id=incident.pk, actor=user)
    return _answer(request, user, pk, "Given back. The escalation has started again.")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def resolve(request: HttpRequest, pk: int) -> HttpResponse:
    """It is over, with an optional note; GET asks for the note where dialogs do not work."""
    user = signed_in(request)
    incident = selectors.get_incident_to_act_on_for(user, pk)
    form = ResolveForm(request.POST if request.method == "POST" else None)
    if not form.is_bound or not form.is_valid():
        return _ask(request, incident, form, "Resolve", "incidents:resolve")
    resolved = lifecycle.resolve_incidents(
        incident_ids=[incident.pk], actor=user, note=form.cleaned_data["note"]
    )
    if resolved:
        return _answer(request, user, pk, "Resolved.")
    return _answer(request, user, pk, _who_was_first(incident), level="info")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def reassign(request: HttpRequest, pk: int) -> HttpResponse:
    """Give it to a person, a team or nobody; GET asks for whom where dialogs do not work."""
    user = signed_in(request)
    incident = selectors.get_incident_to_act_on_for(user, pk)
    form = ReassignForm.of(incident, request.POST if request.method == "POST" else None)
    if not form.is_bound or not form.is_valid():
        if form.is_bound and is_htmx(request):
            raise InvalidInput(form.first_error())
        return _ask(request, incident, form, "Reassign", "incidents:reassign")
    person, team = form.chosen()
    lifecycle.reassign_incident(incident_id=incident.pk, actor=user, assignee=person, team=team)
    text = f"Assigned to {person or team}." if person or team else "Nobody is assigned now."
    return _answer(request, user, pk, text)


@login_required
@require_POST
def note(request: HttpRequest, pk: int) -> HttpResponse:
    """Write something on the timeline."""
    user = signed_in(request)
    incident = selectors.get_incident_to_act_on_for(user, pk)
    lifecycle.add_note(incident_id=incident.pk, actor=user, text=request.POST.get("text", ""))
    if is_htmx(request):
        empty = render(request, "incidents/note_form.html", {"incident": incident})
        return trigger_client_event(empty, "incident-acted", {})
    return say(request, redirect("incidents:detail", pk), "Noted.")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Open an incident by hand; responders only."""
    user = signed_in(request)
    require_responder(user)
    form = IncidentForm(user, request.POST if request.method == "POST" else None, request.GET)
    if form.is_bound and form.is_valid():
        try:
            incident = lifecycle.open_incident(actor=user, **form.cleaned_data)
        except OpsKnightError as error:
            add_errors(form, error)
        else:
            then = "escalates"
            if incident.suppressed_until is not None:
                then = "pages nobody before the maintenance is over"
            text = f"Incident #{incident.pk} is open and {then}."
            return say(request, redirect("incidents:detail", incident.pk), text)
    status = 422 if form.is_bound else 200
    return render(request, "incidents/new.html", {"form": form}, status=status)


def _answer(
    request: HttpRequest,
    user: User,
    pk: int,
    text: str,
    *,
    level: str = "success",
    undo_url: str = "",
) -> HttpResponse:
    """The header as it is now, read again after the action, and what happened in words."""
    if not is_htmx(request):
        return say(request, redirect("incidents:detail", pk), text, level=level)
    incident = selectors.visible_incidents(user).filter(pk=pk).first()
    if incident is None:  # given away, out of this person's sight
        response = HttpResponse()
        response["HX-Redirect"] = reverse("incidents:list")
        return response
    context = state_of(incident, user) | {"takes_focus": True}
    response = render(request, "incidents/header.html", context)
    trigger_client_event(response, "close-dialog", {})
    trigger_client_event(response, "incident-acted", {})
    return say(request, response, text, level=level, undo_url=undo_url)


def _ask(
    request: HttpRequest, incident: Incident, form: ResolveForm | ReassignForm, verb: str, url: str
) -> HttpResponse:
    context = {
        "incident": incident,
        "form": form,
        "verb": verb,
        "action": reverse(url, args=[incident.pk]),
    }
    status = 422 if form.is_bound else 200
    return render(request, "incidents/ask.html", context, status=status)


def _who_was_first(incident: Incident) -> str:
    """Who did it before, in words: two people press the same button at once."""
    incident.refresh_from_db()
    match incident.status:
        case Incident.Status.ACKNOWLEDGED:
            what, who, at = "acknowledged", incident.acknowledged_by, incident.acknowledged_at
        case Incident.Status.RESOLVED:
            what, who, at = "resolved", incident.resolved_by, incident.resolved_at
        case _:
            return f"Nothing to do: the incident is {incident.get_status_display().lower()}."
    when = f" {written(at, style='ago', now=timezone.now())}" if at else ""
    by = f"by {who}" if who else "by the monitoring system"
    return f"Already {what} {by}{when}."
