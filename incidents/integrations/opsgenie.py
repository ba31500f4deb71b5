"""Opsgenie Alert API, so that its clients work by changing only the address.

https://docs.opsgenie.com/docs/alert-api

What its addresses say stands in the query: `action` (create, close, acknowledge or delete; create
when there is none) and `identifier`, the alert's alias. The alias is the dedup key.
"""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    fit_dedup_key,
    lines,
    one_line,
    severity_of,
)
from incidents.integrations.reading import child, decode_object, links_to, text, unclear

ACTIONS: Final[dict[str, Action]] = {
    "create": "trigger",
    "acknowledge": "acknowledge",
    "close": "resolve",
    "delete": "resolve",  # nothing is deleted: the history of an incident stays
}
PRIORITIES: Final = frozenset({"P1", "P2", "P3", "P4", "P5"})
KEPT: Final = ("entity", "tags", "details", "responders", "visibleTo", "actions", "priority")
WHO_AND_WHY: Final = ("user", "note")


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload."""
    action = query.get("action") or "create"
    if action not in ACTIONS:
        raise unclear("action", f"“{action[:50]}” is none of {', '.join(ACTIONS)}.")
    if action == "create":
        return [_created(decode_object(body))]
    return [_changed(action, query, body)]


def alias_of(query: Mapping[str, str]) -> str:
    """The dedup key of the alert that a request names by its alias; "" when it names none."""
    return fit_dedup_key(query.get("identifier", ""))


def _created(alert: dict[str, Any]) -> Event:
    summary = one_line(text(alert, "message"), MAX_SUMMARY)
    if not summary:
        # Opsgenie's own words, which its clients show to people.
        raise unclear("message", "Message can not be empty.")
    source = text(alert, "source")
    priority = text(alert, "priority").upper()
    stated = severity_of(text(child(alert, "details"), "severity"), "warning")
    return Event(
        action="trigger",
        dedup_key=fit_dedup_key(text(alert, "alias")) or uuid.uuid4().hex,
        summary=summary,
        source=one_line(text(alert, "entity") or source, MAX_SOURCE),
        severity=severity_of(priority, stated) if priority in PRIORITIES else stated,
        priority=priority if priority in PRIORITIES else "",
        description=lines(text(alert, "description")),
        details=_kept(alert, (*KEPT, "source", *WHO_AND_WHY)),
        links=links_to((source, "Source")),
    )


def _changed(action: str, query: Mapping[str, str], body: bytes) -> Event:
    alias = alias_of(query)
    if not alias:
        raise unclear("identifier", "Name the alert by its alias.")
    if query.get("identifierType", "alias").lower() != "alias":
        raise unclear("identifierType", "Only an alert that is named by its alias is found here.")
    # Clients send no body at all, or what DELETE says in the query.
    said = decode_object(body) if body.strip() else dict(query)
    who, why = (text(said, name) for name in WHO_AND_WHY)
    return Event(
        action=ACTIONS[action],
        dedup_key=alias,
        summary=one_line(f"{why} ({who})" if who and why else why or who, MAX_SUMMARY),
        source=one_line(text(said, "source"), MAX_SOURCE),
        severity="info",
        details=_kept(said, ("source", *WHO_AND_WHY)),
    )


def _kept(data: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: data[name] for name in names if data.get(name) not in (None, "", [], {})}
