"""The alerts that a storm holds, on its page: searchable, in pages, live."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.views.decorators.http import require_safe

from incidents import selectors
from incidents.filters import MAX_TEXT, read_id
from incidents.models import Incident, StormMember
from incidents.web.answers import signed_in

PAGE_SIZE = 50


@dataclass(frozen=True)
class Wanted:
    """Which of the alerts: read from the address, where nothing can fail."""

    only_firing: bool = False
    text: str = ""
    before: int | None = None  # id of the last alert on the page before

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "Wanted":
        """Read an address."""
        return cls(
            only_firing=query.get("alerts") == "firing",
            text=query.get("q", "").replace("\x00", "").strip()[:MAX_TEXT],
            before=read_id(query.get("before", "")),
        )

    def query(self, **changes: str) -> str:
        """The address of this choice, or of this choice with other values."""
        values = {
            "alerts": "firing" if self.only_firing else "",
            "q": self.text,
            "before": str(self.before or ""),
        }
        return urlencode({name: value for name, value in (values | changes).items() if value})


@login_required
@require_safe
def storm_alerts(request: HttpRequest, pk: int) -> HttpResponse:
    """The list alone, for the open page."""
    incident = selectors.get_incident_for(signed_in(request), pk)
    context = {"incident": incident} | storm_context(request.GET, incident)
    return render(request, "incidents/panels/storm_list.html", context)


def storm_context(query: Mapping[str, str], incident: Incident) -> dict[str, Any]:
    """One page of the alerts of a storm; nothing for an incident that is none. 1 query."""
    if not incident.is_storm:
        return {}
    wanted = Wanted.parse(query)
    found = list(_members(incident, wanted)[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    older = wanted.query(before=str(shown[-1].pk)) if len(found) > PAGE_SIZE else ""
    return {
        "storm": {
            "members": shown,
            "wanted": wanted,
            "query": wanted.query(),
            "all_query": wanted.query(alerts="", before=""),
            "firing_query": wanted.query(alerts="firing", before=""),
            "first": f"?{wanted.query(before='')}" if wanted.before else "",
            "older": f"?{older}" if older else "",
        }
    }


def _members(incident: Incident, wanted: Wanted) -> QuerySet[StormMember]:
    """Newest first. The search reads the alerts of this storm one by one; no index could help."""
    members = StormMember.objects.filter(incident=incident).order_by("-id")
    if wanted.only_firing:
        members = members.filter(resolved_at=None)
    if wanted.before is not None:
        members = members.filter(pk__lt=wanted.before)
    if wanted.text:
        text = wanted.text
        members = members.filter(
            Q(title__icontains=text) | Q(dedup_key__icontains=text) | Q(source__icontains=text)
        )
    return members


storm_patterns: list[URLPattern] = [
    path("incidents/<int:pk>/alerts/", storm_alerts, name="storm_alerts"),
]
