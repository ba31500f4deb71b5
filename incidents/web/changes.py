"""Panels that show what was changed on a service."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from incidents import changes as selectors
from incidents.models import Change, Incident, Service
from incidents.web.answers import signed_in

SHOWN_CHANGES = 10
SHOWN_DETAILS = 6
SHOWN_LENGTH = 100  # of the text of one detail
SHOWN_LINKS = 3


@dataclass(frozen=True)
class ChangeView:
    """A change, readable; what a sender says is never trusted."""

    change: Change
    at: datetime
    parts: list[str]  # where it came from, and the short ones of its details
    links: list[tuple[str, str]]  # address, text


def changes_panel(request: HttpRequest, service: Service) -> dict[str, Any]:
    """The newest changes of a service; None to whoever may not see them."""
    if not selectors.may_see_changes(signed_in(request), service):
        return {"changes": None}
    return {"changes": views_of(service.changes.all()[:SHOWN_CHANGES])}


def changes_before_panel(incident: Incident) -> dict[str, Any]:
    """What was changed on the service in the day before the incident."""
    return {"changes": views_of(selectors.changes_before(incident)[:SHOWN_CHANGES])}


def views_of(changes: Iterable[Change]) -> list[ChangeView]:
    """Changes as panels show them."""
    return [
        ChangeView(
            change=change,
            at=change.occurred_at or change.received_at,
            parts=[change.source] * bool(change.source) + _details(change.details),
            links=_links(change.links),
        )
        for change in changes
    ]


def _details(details: object) -> list[str]:
    """What fits into a line each; objects, lists and long texts are for the API."""
    rows = details.items() if isinstance(details, dict) else []
    short = [
        (str(name), str(value))
        for name, value in rows
        if isinstance(value, str | int | float) and value != "" and len(str(value)) <= SHOWN_LENGTH
    ]
    shown = [f"{name}: {value}" for name, value in short if len(name) <= SHOWN_LENGTH]
    return shown[:SHOWN_DETAILS]


def _links(links: object) -> list[tuple[str, str]]:
    """Only addresses a browser may safely open, whatever is stored."""
    rows = [link for link in links if isinstance(link, dict)] if isinstance(links, list) else []
    return [
        (str(link["href"]), str(link.get("text") or link["href"]))
        for link in rows[:SHOWN_LINKS]
        if str(link.get("href")).startswith(("https://", "http://"))
    ]
