"""New Relic: the body of a workflow's webhook (an issue), and the older incident's body.

https://docs.newrelic.com/docs/alerts/get-notified/notification-integrations/#webhook
https://docs.newrelic.com/docs/alerts/get-notified/alert-event-workflows
https://docs.newrelic.com/docs/alerts/get-notified/custom-variables-alert-event-workflows
https://docs.newrelic.com/docs/alerts-applied-intelligence/new-relic-alerts/advanced-alerts/advanced-techniques/use-webhooks-legacy-alerts-channels

An issue holds several incidents: a message that one of them was closed (trigger INCIDENT_CLOSED)
while the issue stays ACTIVATED resolves nothing.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    fit_dedup_key,
    lines,
    one_line,
    parse_time,
    severity_of,
)
from incidents.integrations.events_api import Link, clean_links
from incidents.integrations.reading import (
    child,
    children,
    decode_objects,
    digest,
    epoch_ms_time,
    filled,
    text,
    unclear,
)

STATES: Final[dict[str, Action]] = {
    **dict.fromkeys(["open", "opened", "created", "activated", "incident_open"], "trigger"),
    # Somebody investigates only what somebody has acknowledged.
    **dict.fromkeys(["acknowledged", "incident_acknowledged", "investigating"], "acknowledge"),
    **dict.fromkeys(["closed", "close", "resolved", "deactivated"], "resolve"),
    **dict.fromkeys(["incident_resolved", "incident_closed", "issue_closed"], "resolve"),
}
ACKNOWLEDGED: Final = frozenset({"acknowledged", "issue_acknowledged", "acknowledge"})
LINKS: Final = {
    "issueUrl": "Issue",
    "issuePageUrl": "Issue",
    "incident_url": "Incident",
    "url": "New Relic",
    "violation_chart_url": "Chart",
    "runbook_url": "Runbook",
}


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event per issue or incident; raises InvalidPayload."""
    return [_event(data) for data in decode_objects(body)]


def _event(data: dict[str, Any]) -> Event:
    # The fields of the issue itself come first: those around it are about its account.
    inner = child(data, "issue") or child(data, "incident") or child(data, "alert")
    fields = {**data, **inner}
    condition = filled(fields, "condition_name", "alert_condition_name", "conditionName")
    condition = condition or _first(fields, "alertConditionNames")
    title = filled(fields, "title", "issueTitle", "alertTitle", "name") or _first(fields, "title")
    summary = title or filled(fields, "details", "description") or condition
    key = _key(fields, condition, title)
    if not key:
        raise unclear("id", "Send the issue's id, or the incident's incident_id.")
    words = ("severity", "priority", "alertSeverity")
    return Event(
        action=_action(fields),
        dedup_key=key,
        summary=one_line(summary or "Alert from New Relic", MAX_SUMMARY),
        source=one_line(_source(fields), MAX_SOURCE),
        severity=severity_of(filled(fields, *words), "warning"),
        description=lines(filled(fields, "details", "description", "message")),
        details=data,
        links=clean_links([Link(href=text(fields, n), text=t) for n, t in LINKS.items()]),
        occurred_at=_time(fields, "timestamp", "updatedAt", "createdAt"),
    )


def _action(fields: dict[str, Any]) -> Action:
    """What the first state that is known says; how it was triggered only acknowledges."""
    for name in ("state", "current_state", "event_type", "status"):
        if action := STATES.get(text(fields, name).lower()):
            if action == "trigger" and text(fields, "trigger").lower() in ACKNOWLEDGED:
                return "acknowledge"
            return action
    kind = set(re.split(r"[^a-z]+", text(fields, "alertType").lower()[:200]))
    return "resolve" if kind & {"resolved", "closed"} else "trigger"


def _key(fields: dict[str, Any], condition: str, title: str) -> str:
    """The id of the issue or incident; without one, whatever stays the same about it."""
    if number := filled(fields, "id", "issueId", "issue_id", "incident_id", "incidentId"):
        return fit_dedup_key(f"newrelic-{number}")
    about = condition or title
    policy = filled(fields, "policy_name") or _first(fields, "alertPolicyNames")
    return f"newrelic-{digest(policy, about, _source(fields))}" if about else ""


def _source(fields: dict[str, Any]) -> str:
    targets = [filled(target, "name") for target in children(fields, "targets")]
    named = ", ".join(name for name in targets if name)
    entity = named or _first(fields, "impactedEntities") or filled(fields, "entity", "host")
    return entity or filled(fields, "account_name")


def _first(fields: dict[str, Any], name: str) -> str:
    """The first text in a list."""
    value = fields.get(name)
    texts = [v for v in value if isinstance(v, str)] if isinstance(value, list) else []
    return next((v.strip() for v in texts if v.strip()), "")


def _time(fields: dict[str, Any], *names: str) -> datetime | None:
    moments = (epoch_ms_time(fields.get(n)) or parse_time(fields.get(n)) for n in names)
    return next((moment for moment in moments if moment), None)
