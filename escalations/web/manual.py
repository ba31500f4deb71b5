"""Escalating by hand: one incident from its page, or many from the list."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from escalations.services.manual import escalate_incidents
from escalations.web.panels import plan_context
from incidents import selectors
from incidents.filters import read_id
from incidents.models import Incident
from incidents.web.answers import back_to, is_htmx, say, signed_in
from opsknight.errors import Conflict, InvalidInput, OpsKnightError
from opsknight.models import User

MAX_BULK = 500


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def escalate(request: HttpRequest, incident_id: int) -> HttpResponse:
    """Page the next or a chosen step now; GET asks for it where panels do not work."""
    user = signed_in(request)
    incident = selectors.get_incident_to_act_on_for(user, incident_id)
    if request.method != "POST":
        return _ask(request, user, incident)
    step, was_taken = _step_in(request), incident.status == Incident.Status.ACKNOWLEDGED
    try:
        escalate_incidents(incidents=[incident], step=step, actor=user, now=timezone.now())
    except (Conflict, InvalidInput) as error:
        if is_htmx(request):
            raise
        return _ask(request, user, incident, error)
    text = f"Escalated: step {step} is paged now." if step else "Escalated: paging now."
    if was_taken:
        text += " The acknowledgement is withdrawn."
    if not is_htmx(request):
        return say(request, redirect("incidents:detail", incident.pk), text)
    fresh = selectors.get_incident_for(user, incident.pk)
    response = render(request, "escalations/plan_panel.html", plan_context(user, fresh))
    return say(request, trigger_client_event(response, "incident-acted", {}), text)


def _step_in(request: HttpRequest) -> int | None:
    """The chosen step; None: the next one. Raises InvalidInput for what is no number."""
    text = request.POST.get("step", "").strip()
    if not text:
        return None
    step = read_id(text)
    if not step:
        raise InvalidInput("Choose one of the steps.", fields={"step": ["Choose one of them."]})
    return step


def _ask(
    request: HttpRequest, user: User, incident: Incident, error: OpsKnightError | None = None
) -> HttpResponse:
    context = plan_context(user, incident) | {"notice": error.message if error else ""}
    status = error.status if error else 200
    return render(request, "escalations/escalate.html", context, status=status)


@login_required
@require_POST
def escalate_many(request: HttpRequest) -> HttpResponse:
    """Page the next step of all ticked incidents now; says what happened to each kind."""
    user = signed_in(request)
    picked = {pk for text in request.POST.getlist("incident") if (pk := read_id(text))}
    if len(picked) > MAX_BULK:
        raise InvalidInput(f"Choose at most {MAX_BULK} incidents at once.")
    seen = list(selectors.visible_incidents(user).filter(pk__in=picked))
    allowed = set(selectors.ids_to_act_on(user, seen))
    done, reasons = 0, [f"{len(seen) - len(allowed)} you may see but not change."]
    if len(seen) == len(allowed):
        reasons = []
    wanted = [incident for incident in seen if incident.pk in allowed]
    if not picked:
        reasons = ["Tick the incidents first, then choose what to do."]
    if wanted:
        done, refusals = _escalated(wanted, user)
        reasons = [*refusals, *reasons]
    head = f"{done} escalated." if done else "Nothing was escalated."
    text = " ".join([head, *reasons] if picked else reasons)
    level = "success" if done else "info"
    response = HttpResponse() if is_htmx(request) else back_to(request, reverse("incidents:list"))
    return say(request, response, text, level=level)


def _escalated(incidents: list[Incident], user: User) -> tuple[int, list[str]]:
    """How many are, and why the others are not, each reason once."""
    try:
        outcome = escalate_incidents(incidents=incidents, step=None, actor=user, now=timezone.now())
    except OpsKnightError as error:
        return 0, [error.message]
    reasons = dict.fromkeys(error.message for error in outcome.refused.values())
    return len(outcome.ids), list(reasons)[:3]


manual_patterns: list[URLPattern] = [
    path("escalate/<int:incident_id>/", escalate, name="escalate"),
    path("escalate/", escalate_many, name="escalate_many"),
]
