"""Sentry: integration platform webhooks, and the older plugin's webhook.

https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
https://docs.sentry.io/integrations/integration-platform/webhooks/metric-alerts/

The object is under `data` (`issue`, `error`, `event`, `metric_alert`) and the header
Sentry-Hook-Resource says which; bodies with `issue` or `event` at the top are taken as well.
Errors and events carry their issue's number, so that resolving the issue closes what they opened.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    Severity,
    Unsupported,
    lines,
    one_line,
    parse_time,
    severity_of,
)
from incidents.integrations.reading import (
    child,
    decode_object,
    epoch_time,
    key_of,
    links_to,
    text,
    unclear,
)

# The resource of the header, and the name of its object. Most particular first.
OBJECTS: Final = {
    "metric_alert": "metric_alert",
    "issue": "issue",
    "error": "error",
    "event_alert": "event",
}
OTHER_OBJECTS: Final = ("installation", "comment")
ACTIONS: Final[dict[str, Action]] = {
    "created": "trigger",
    "triggered": "trigger",
    "unresolved": "trigger",
    "resolved": "resolve",
    "assigned": "acknowledge",
    "ignored": "acknowledge",
    "archived": "acknowledge",
}
METRIC_ACTIONS: Final[dict[str, tuple[Action, Severity]]] = {
    "critical": ("trigger", "critical"),
    "warning": ("trigger", "warning"),
    "triggered": ("trigger", "error"),
    "resolved": ("resolve", "info"),
}
_PROJECT_URL = re.compile(r"/api/0/projects/[^/]{1,100}/([^/]{1,100})/")
_ISSUE_URL = re.compile(r"/issues/(\d{1,40})(?:/|$|\?)")


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload, Unsupported for comments, installations and the like."""
    message = decode_object(body)
    data = child(message, "data") or message
    resource = headers.get("sentry-hook-resource", "").strip().lower()
    if resource and resource not in OBJECTS:
        raise Unsupported("This resource of Sentry is no alert; nothing was opened.")
    names = [OBJECTS[resource]] if resource else []
    name = next((n for n in (*names, *OBJECTS.values()) if child(data, n)), "")
    found = child(data, name) if name else {}
    if not found and any(data.get(other) for other in OTHER_OBJECTS):
        raise Unsupported("This resource of Sentry is no alert; nothing was opened.")
    if not found and not _is_plugin_body(message):
        wanted = OBJECTS.get(resource, "issue")
        raise unclear(f"data.{wanted}", f"Send data.{wanted}, as Sentry's webhooks do.")
    if name == "metric_alert":
        return [_metric_event(message, data, found)]
    if name == "issue":
        return [_issue_event(message, data, found)]
    return [_error_event(message, data, found)]


def _is_plugin_body(message: dict[str, Any]) -> bool:
    """The plugin writes the issue's fields at the top."""
    return bool(text(message, "id") and text(message, "project_slug", "project_name", "project"))


def _issue_event(message: dict[str, Any], data: dict[str, Any], issue: dict[str, Any]) -> Event:
    number = text(issue, "id", "shortId")
    title = text(issue, "title") or _exception(issue) or text(issue, "culprit")
    if not number:
        raise unclear("data.issue.id", "Say which issue this is: id.")
    action = _action(message, text(issue, "status"))
    return Event(
        action=action,
        dedup_key=key_of("sentry", number),
        summary=one_line(title, MAX_SUMMARY) or f"Sentry issue {one_line(number, 100)}",
        source=one_line(_project(issue) or _project(data), MAX_SOURCE),
        severity=severity_of(text(issue, "level"), "error"),
        description=lines(text(issue, "culprit")),
        details={
            "issue": text(issue, "shortId"),
            "culprit": text(issue, "culprit"),
            "platform": text(issue, "platform"),
            "times seen": text(issue, "count"),
            "users": text(issue, "userCount"),
            "metadata": child(issue, "metadata"),
        },
        links=links_to((text(issue, "web_url", "permalink", "url"), "Issue")),
        occurred_at=parse_time(issue.get("lastSeen" if action == "trigger" else "")),
    )


def _error_event(message: dict[str, Any], data: dict[str, Any], error: dict[str, Any]) -> Event:
    """An error, the event of an issue alert, or the plugin's body around its event."""
    number = _issue_number(error) or text(data, "id") or _own_identity(error)
    if not number:
        raise unclear("data.event.issue_id", "Say which issue this belongs to: issue_id.")
    title = text(error, "title") or text(error, "message") or text(data, "message")
    title = title or _exception(error) or text(error, "culprit") or text(data, "culprit")
    when = error.get("datetime") or error.get("timestamp")
    return Event(
        action=_action(message, ""),
        dedup_key=key_of("sentry", number),
        summary=one_line(title, MAX_SUMMARY) or f"Sentry issue {one_line(number, 100)}",
        source=one_line(_project(data) or _project(error), MAX_SOURCE),
        severity=severity_of(text(error, "level") or text(data, "level"), "error"),
        description=lines(text(error, "culprit") or text(data, "culprit")),
        details={
            "rule": text(data, "triggered_rule"),
            "environment": text(error, "environment"),
            "release": text(error, "release"),
            "platform": text(error, "platform"),
            "metadata": child(error, "metadata"),
            "tags": error.get("tags"),
        },
        links=links_to((text(error, "web_url") or text(data, "url"), "Event")),
        occurred_at=parse_time(when) or epoch_time(when),
    )


def _metric_event(message: dict[str, Any], data: dict[str, Any], alert: dict[str, Any]) -> Event:
    word = text(message, "action").lower()
    if not word:
        raise unclear("action", "Say what happened: critical, warning or resolved.")
    if word not in METRIC_ACTIONS:
        raise Unsupported("This change of a metric alert is no alert; nothing was opened.")
    action, severity = METRIC_ACTIONS[word]
    rule = child(alert, "alert_rule")
    number = text(alert, "id", "identifier")
    key = key_of("sentry", "metric", number) if number else ""
    if not key and text(rule, "id", "name"):
        key = key_of("sentry", "rule", text(rule, "id", "name"))
    if not key:
        raise unclear("data.metric_alert.id", "Say which alert this is: id.")
    title = text(data, "description_title") or text(alert, "title") or text(rule, "name")
    return Event(
        action=action,
        dedup_key=key,
        summary=one_line(title, MAX_SUMMARY) or "Sentry metric alert",
        source=one_line(_first_text(alert.get("projects")) or text(rule, "name"), MAX_SOURCE),
        severity=severity,
        description=lines(text(data, "description_text")),
        details={
            k: rule.get(k) for k in ("name", "aggregate", "query", "time_window") if k in rule
        },
        links=links_to((text(data, "web_url"), "Alert")),
        occurred_at=parse_time(
            alert.get("date_closed" if action == "resolve" else "date_detected")
        ),
    )


def _action(message: dict[str, Any], status: str) -> Action:
    """What is to be done; an assignment or archiving counts only when a person made it."""
    word = text(message, "action").lower() or status.lower() or "triggered"
    if word not in ACTIONS:
        raise Unsupported("This change of an issue is no alert; nothing was opened.")
    action = ACTIONS[word]
    by_machine = text(child(message, "actor"), "type").lower() == "application"
    if action == "acknowledge" and by_machine:
        raise Unsupported("Sentry assigned or archived this by itself; nobody has taken it.")
    return action


def _issue_number(error: dict[str, Any]) -> str:
    match = _ISSUE_URL.search(text(error, "issue_url"))
    return text(error, "issue_id", "group_id", "groupID") or (match[1] if match else "")


def _own_identity(error: dict[str, Any]) -> str:
    """The fingerprint, unless it is Sentry's “{{ default }}”, which all errors share."""
    fingerprint = _first_text(error.get("fingerprint"))
    if fingerprint.startswith("{{"):
        fingerprint = ""
    return fingerprint or _first_text(error.get("hashes")) or text(error, "event_id", "id")


def _exception(thing: dict[str, Any]) -> str:
    metadata = child(thing, "metadata")
    parts = (text(metadata, "type"), text(metadata, "value") or text(metadata, "title"))
    return ": ".join(part for part in parts if part)


def _project(thing: dict[str, Any]) -> str:
    """The project's name; an event has only its number, and the name in its address."""
    named = text(child(thing, "project"), "slug", "name")
    match = _PROJECT_URL.search(text(thing, "url"))
    named = named or text(thing, "project_slug", "project_name") or (match[1] if match else "")
    return named or text(thing, "project")


def _first_text(value: object) -> str:
    return text({"first": value[0]}, "first") if isinstance(value, list) and value else ""
