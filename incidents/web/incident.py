"""The page of one incident and its live fragments."""

import json
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from incidents import selectors
from incidents.models import Alert, Incident, TimelineEntry
from incidents.web.answers import signed_in
from incidents.web.changes import changes_before_panel
from incidents.web.delivery_views import kept_ids
from incidents.web.forms import ReassignForm, ResolveForm
from incidents.web.storm import storm_context
from opsknight.models import User

SHOWN_ALERTS = 20
SHOWN_ENTRIES = 100
# Of one alert: a sender may fill a megabyte, and the page shows twenty of them.
SHOWN_ROWS = 300
SHOWN_NAME = 200
SHOWN_VALUE = 2_000
SHOWN_RAW = 50_000
SAFE_LINKS = ("http://", "https://")
Kind = TimelineEntry.Kind

# Icon (lucide) and tone of each kind of timeline entry.
LOOKS: dict[str, tuple[str, str]] = {
    Kind.TRIGGERED: ("circle-alert", "triggered"),
    Kind.ALERT: ("radio", "neutral"),
    Kind.ACKNOWLEDGED: ("user-check", "acknowledged"),
    Kind.UNACKNOWLEDGED: ("undo-2", "triggered"),
    Kind.RESOLVED: ("circle-check", "resolved"),
    Kind.REASSIGNED: ("users", "neutral"),
    Kind.NOTE: ("message-square", "brand"),
    Kind.CHANGED: ("pencil", "neutral"),
    Kind.MAINTENANCE: ("wrench", "acknowledged"),
    Kind.FLAPPING: ("activity", "acknowledged"),
    Kind.ROUTED: ("route", "neutral"),
    Kind.ESCALATED: ("bell-ring", "brand"),
    Kind.NOBODY_TO_PAGE: ("user-x", "triggered"),
    Kind.ESCALATION_MOVED: ("arrow-up-right", "brand"),
    Kind.ESCALATION_ENDED: ("circle-stop", "triggered"),
    Kind.PAGED: ("send", "brand"),
    Kind.PAGE_FAILED: ("triangle-alert", "triggered"),
    Kind.PAGE_CANCELLED: ("ban", "quiet"),
}


@dataclass(frozen=True)
class EntryView:
    """A timeline entry with its look."""

    entry: TimelineEntry
    icon: str
    tone: str
    is_note: bool


@dataclass(frozen=True)
class AlertView:
    """An alert, readable: its details as rows, its links only where they are web addresses."""

    alert: Alert
    rows: list[tuple[str, str]]
    links: list[tuple[str, str]]  # address, text
    raw: str
    delivery_url: str = ""  # what brought it, where that is kept and the person may see it


@login_required
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """What is wrong, who has it, what happened, what will happen."""
    user = signed_in(request)
    incident = selectors.get_incident_for(user, pk)
    alerts = list(incident.alerts.select_related("integration")[:SHOWN_ALERTS])
    context = state_of(incident, user) | {
        "alerts": _alert_views(alerts, user),
        "unshown_alerts": max(incident.alert_count - len(alerts), 0),
        "resolve_form": ResolveForm(auto_id="resolve_%s"),
        "reassign_form": ReassignForm.of(incident),
        **changes_before_panel(incident),
        **storm_context(request.GET, incident),
    }
    return render(request, "incidents/detail.html", context | _entries(request, incident))


@login_required
@require_safe
def header(request: HttpRequest, pk: int) -> HttpResponse:
    """The state of the incident and what can be done with it, for the open page.

    `?seen=` is how many alerts that page shows; it is told of newer ones.
    """
    user = signed_in(request)
    incident = selectors.get_incident_for(user, pk)
    seen = request.GET.get("seen", "")
    new = incident.alert_count - int(seen) if seen.isdecimal() and len(seen) < 10 else 0
    context = state_of(incident, user) | {"new_alerts": max(new, 0)}
    return render(request, "incidents/header.html", context)


@login_required
@require_safe
def timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """What happened, newest first, for the open page."""
    incident = selectors.get_incident_for(signed_in(request), pk)
    context = {"incident": incident} | _entries(request, incident)
    return render(request, "incidents/timeline.html", context)


def state_of(incident: Incident, user: User) -> dict[str, Any]:
    """What the header needs; a query or two for plain users, one where everybody acknowledges."""
    return {
        "incident": incident,
        "pk_text": str(incident.pk),
        "may_act": selectors.may_act_on(user, incident),
        "may_acknowledge": selectors.may_acknowledge(user, incident),
    }


def _entries(request: HttpRequest, incident: Incident) -> dict[str, Any]:
    """The newest entries, or all of them with `?timeline=all`."""
    newest = selectors.timeline_of(incident).order_by("-at", "-id")
    shows_all = request.GET.get("timeline") == "all"
    found = list(newest if shows_all else newest[: SHOWN_ENTRIES + 1])
    has_more = not shows_all and len(found) > SHOWN_ENTRIES
    return {
        "entries": [entry_view(entry) for entry in (found[:SHOWN_ENTRIES] if has_more else found)],
        "has_more_entries": has_more,
        "shows_all_entries": shows_all,
    }


def entry_view(entry: TimelineEntry) -> EntryView:
    """An entry with its icon and tone."""
    icon, tone = LOOKS.get(entry.kind, ("dot", "neutral"))
    return EntryView(entry, icon, tone, is_note=entry.kind == Kind.NOTE)


def _alert_views(alerts: list[Alert], user: User) -> list[AlertView]:
    """The alerts with their deliveries; at most two queries more."""
    ways_in = {alert.integration_id for alert in alerts if alert.delivery_id is not None}
    seen = selectors.visible_integrations(user).filter(pk__in=ways_in - {None}).values_list("pk")
    visible = {pk for (pk,) in seen} if ways_in else set()
    kept = kept_ids(a.delivery_id for a in alerts if a.integration_id in visible)
    return [
        alert_view(
            alert,
            reverse("incidents:delivery", args=[alert.integration_id, alert.delivery_id])
            if alert.delivery_id in kept
            else "",
        )
        for alert in alerts
    ]


def alert_view(alert: Alert, delivery_url: str = "") -> AlertView:
    """An alert as the page shows it; what a monitoring system sends is never trusted."""
    details = alert.details if isinstance(alert.details, dict) else {"details": alert.details}
    rows = flat_rows(details)
    shown = [(cut(name, SHOWN_NAME), cut(text, SHOWN_VALUE)) for name, text in rows[:SHOWN_ROWS]]
    if len(rows) > SHOWN_ROWS:
        shown.append(("…", f"{len(rows) - SHOWN_ROWS} more"))
    raw = json.dumps(alert.details, indent=2, ensure_ascii=False, default=str)
    return AlertView(
        alert=alert,
        rows=shown,
        links=[link for item in as_list(alert.links) if (link := safe_link(item))],
        raw=cut(raw, SHOWN_RAW),
        delivery_url=delivery_url,
    )


def cut(text: str, length: int) -> str:
    """The text, or its beginning."""
    return text if len(text) <= length else text[:length] + "…"


def flat_rows(details: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Names and values, nested objects one level deep as `labels.severity`; deeper ones as JSON."""
    rows: list[tuple[str, str]] = []
    for name, value in details.items():
        if isinstance(value, dict) and value and not prefix:
            rows += flat_rows(value, f"{name}.")
        elif value not in ("", None, [], {}):
            rows.append((f"{prefix}{name}", _text(value)))
    return rows


def _text(value: object) -> str:
    match value:
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return str(value)
        case list() if all(isinstance(item, str | int | float) for item in value):
            return ", ".join(str(item) for item in value)
    return json.dumps(value, ensure_ascii=False, default=str)


def as_list(value: object) -> list[Any]:
    """The value if it is a list, else nothing."""
    return value if isinstance(value, list) else []


def safe_link(item: object) -> tuple[str, str] | None:
    """Address and text of a link that leads to a web page; None for anything else."""
    if not isinstance(item, dict):
        return None
    href = str(item.get("href") or "").strip()
    if not href.lower().startswith(SAFE_LINKS):
        return None
    return href, str(item.get("text") or href)
