"""Better Stack Uptime (Better Uptime), incident webhooks.

https://betterstack.com/docs/uptime/webhooks/

The incident is under `data`: `{"id", "type": "incident", "attributes": {…}}`, and `event` says
what happened to it. `{"incident": {"id", "name", "status", …}}` is read as well. Webhooks about
monitors, on-call changes, comments and status pages are no alerts.
"""

from collections.abc import Mapping
from typing import Any

from incidents.intake.events import (
    ACTION_WORDS,
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    Unsupported,
    lines,
    one_line,
    parse_time,
    severity_of,
)
from incidents.integrations.reading import child, decode_object, key_of, links_to, text, unclear

ACTIONS: dict[str, Action] = {**ACTION_WORDS, "started": "trigger", "reopened": "trigger"}
NO_ALERTS = frozenset({"comment", "commented"})


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload without an incident, Unsupported for other webhooks."""
    data = decode_object(body)
    event = text(data, "event").lower()
    subject = text(child(data, "data"), "type").lower()
    if event in NO_ALERTS or subject not in ("", "incident") or "page" in data:
        raise Unsupported("Only webhooks about incidents are alerts.")
    incident = _incident(data)
    name = text(incident, "name") or text(data, "name")
    url = text(incident, "url")
    identity = text(incident, "id") or name
    if not identity:
        raise unclear("data.id", "Name the incident in data.id.")
    cause = text(incident, "cause")
    summary = f"{name}: {cause}" if name and cause else name or cause or f"Incident {identity}"
    action = _action(incident, event or text(data, "status").lower())
    word = "resolved_at" if action == "resolve" else "started_at"
    severity = text(incident, "severity") or text(data, "severity")
    return [
        Event(
            action=action,
            dedup_key=key_of("better-uptime", identity),
            summary=one_line(summary, MAX_SUMMARY),
            source=one_line(url or name, MAX_SOURCE),
            severity=severity_of(severity, "warning"),
            description=lines(cause),
            details=data,
            links=_links(incident, url),
            occurred_at=parse_time(incident.get(word)),
        )
    ]


def _incident(data: dict[str, Any]) -> dict[str, Any]:
    """The incident's fields with its id, from either shape."""
    envelope = child(data, "data")
    if envelope:
        return {**child(envelope, "attributes"), "id": envelope.get("id")}
    return child(data, "incident")


def _action(incident: dict[str, Any], event: str) -> Action:
    """The event, unless the incident is over: late messages open nothing."""
    if text(incident, "resolved_at") and event != "reopened":
        return "resolve"
    for word in (event, text(incident, "status").lower()):
        if word in ACTIONS:
            return ACTIONS[word]
    return "acknowledge" if text(incident, "acknowledged_at") else "trigger"


def _links(incident: dict[str, Any], url: str) -> list[dict[str, str]]:
    return links_to(
        (text(incident, "origin_url"), "Better Stack"),
        (url, "Monitored address"),
        (text(incident, "screenshot_url"), "Screenshot"),
    )
