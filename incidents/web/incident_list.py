"""The list of incidents: filters in the address, bulk acknowledge and resolve."""

import json

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import push_url

from incidents import selectors
from incidents.filters import TABS, IncidentFilter, narrowed_incidents, read_id, tab_counts
from incidents.models import Incident
from incidents.services.lifecycle import acknowledge_incidents, resolve_incidents
from incidents.web.answers import back_to, is_htmx, say, signed_in
from incidents.web.cursor import Page, page_of
from opsknight.errors import InvalidInput
from opsknight.models import User
from opsknight.permissions import team_ids_of

PAGE_SIZE = 50
MAX_BULK = 500


@login_required
@require_safe
def incident_list(request: HttpRequest) -> HttpResponse:
    """Incidents this person may see, newest first."""
    user = signed_in(request)
    wanted = IncidentFilter.parse(request.GET)
    found = narrowed_incidents(selectors.visible_incidents(user), wanted, user)
    page = page_of(found.filter(status__in=wanted.statuses), request.GET, PAGE_SIZE)
    counts = tab_counts(found)
    context = {
        "wanted": wanted,
        "page": page,
        "tabs": [
            {"name": name, "query": wanted.query(status=name), "count": counts.get(name)}
            for name in TABS
        ],
        "services": selectors.visible_services(user).select_related(None).only("pk", "name"),
        "urgencies": Incident.Urgency.choices,
        "live_where": _live_where(wanted, user),
        "is_live": page.is_first and not wanted.text and not wanted.resolved,
        "newer": _address(wanted, newer=page.newer),
        "older": _address(wanted, older=page.older),
        "here": request.get_full_path(),
        "may_open": user.is_responder,
        "may_pick": _may_act_on_some(user, page),
    }
    response = render(request, "incidents/list.html", context)
    # The filters fetch the part that changes; the address they show has no empty filters.
    if request.headers.get("HX-Target") == "incidents":
        query = wanted.query()
        push_url(response, f"{request.path}?{query}" if query else request.path)
    return response


def _address(wanted: IncidentFilter, **cursor: str) -> str:
    return f"?{wanted.query(**cursor)}" if any(cursor.values()) else ""


def _may_act_on_some(user: User, page: Page) -> bool:
    """Whether ticking rows is any use; the server checks each one again."""
    if user.is_responder:
        return True
    teams = team_ids_of(user)
    return any(
        i.assignee_id == user.pk or i.service.team_id in teams or i.team_id in teams
        for i in page.incidents
    )


def _live_where(wanted: IncidentFilter, user: User) -> str:
    """What a new row must say of itself to belong into this list (`data-live-where`)."""
    where: dict[str, list[str]] = {}
    if wanted.urgency:
        where["urgency"] = [wanted.urgency]
    if wanted.service_id is not None:
        where["service"] = [str(wanted.service_id)]
    if wanted.assignee == "me":
        where["assignee"] = [str(user.pk)]
    if wanted.assignee == "none":
        where["assignee"] = [""]
        where["team"] = [""]
    if wanted.only_my_teams:
        where["teams"] = [str(pk) for pk in sorted(team_ids_of(user))]
    return json.dumps(where) if where else ""


@login_required
@require_POST
def act_on_many(request: HttpRequest) -> HttpResponse:
    """Acknowledge or resolve the ticked incidents; says what happened to each kind."""
    user = signed_in(request)
    picked = {pk for text in request.POST.getlist("incident") if (pk := read_id(text))}
    if len(picked) > MAX_BULK:
        raise InvalidInput(f"Choose at most {MAX_BULK} incidents at once.")
    seen = list(selectors.visible_incidents(user).filter(pk__in=picked))
    allowed = selectors.ids_to_act_on(user, seen)
    match request.POST.get("action"):
        case "acknowledge":
            done, verb = acknowledge_incidents(incident_ids=allowed, actor=user), "acknowledged"
        case "resolve":
            done, verb = resolve_incidents(incident_ids=allowed, actor=user), "resolved"
        case _:
            raise InvalidInput("Choose what to do: acknowledge or resolve.")
    text = _report(verb, len(done), len(allowed) - len(done), len(seen) - len(allowed))
    if not picked:
        text = "Tick the incidents first, then choose what to do."
    level = "success" if done else "info"
    if is_htmx(request):
        rows = selectors.visible_incidents(user).filter(pk__in=[i.pk for i in done])
        fresh = "".join(
            render_to_string("incidents/row.html", {"incident": row, "is_oob": True})
            for row in rows
        )
        return say(request, HttpResponse(fresh), text, level=level)
    return say(request, back_to(request, reverse("incidents:list")), text, level=level)


def _report(verb: str, done: int, unchanged: int, not_allowed: int) -> str:
    parts = [f"{done} {verb}." if done else f"Nothing was {verb}."]
    if unchanged:
        verb_there = "was" if unchanged == 1 else "were"
        parts.append(f"{unchanged} {verb_there} not waiting for it any more.")
    if not_allowed:
        parts.append(f"{not_allowed} you may see but not change.")
    return " ".join(parts)
