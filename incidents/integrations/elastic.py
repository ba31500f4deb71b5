"""Elastic: a rule's webhook connector, whose body its owner writes.

https://www.elastic.co/docs/explore-analyze/alerts-cases/alerts/rule-action-variables
https://www.elastic.co/docs/reference/kibana/connectors-kibana/webhook-action-type

Use this body for the rule's action, and once more for the action that runs when the alert has
recovered::

    {"rule": {"id": "{{rule.id}}", "name": "{{rule.name}}", "url": "{{rule.url}}"},
     "alert": {"id": "{{alert.id}}", "uuid": "{{alert.uuid}}",
               "actionGroup": "{{alert.actionGroup}}"},
     "context": {"reason": "{{context.reason}}", "message": "{{context.message}}"},
     "severity": "critical", "date": "{{date}}"}

Summaries (alerts.new.data, alerts.ongoing.data, alerts.recovered.data) and Kibana's own alert
documents ("kibana.alert.…") are understood as well; each alert is an event.
"""

from collections.abc import Mapping
from typing import Any, Final

from incidents.intake.events import (
    ACTION_WORDS,
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    Unsupported,
    fit_dedup_key,
    lines,
    one_line,
    parse_time,
    severity_of,
)
from incidents.integrations.events_api import Link, clean_links
from incidents.integrations.reading import child, children, decode_objects, text, unclear

ACTIONS: Final[dict[str, Action]] = {
    **ACTION_WORDS,
    **dict.fromkeys(["active", "active-instance", "new", "ongoing"], "trigger"),
    **dict.fromkeys(["recovered-instance"], "resolve"),
}
# The alert's own state comes before what the body's author wrote by hand.
STATES: Final = (
    *("alert.actionGroup", "alert.actionGroupName", "kibana.alert.action_group"),
    *("event.action", "alert.status", "kibana.alert.status", "status", "alert_status"),
)
NO_ALERT: Final = frozenset({"delayed", "untracked"})
LINKS: Final = {
    "context.alertDetailsUrl": "Alert",
    "alert.url": "Alert",
    "kibana.alert.url": "Alert",
    "context.link": "Results",
    "context.results_link": "Results",
    "rule.url": "Rule",
}


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event per alert; raises InvalidPayload, or Unsupported when none is an alert yet."""
    alerts = [alert for data in decode_objects(body) for alert in _alerts(data)]
    events = [_event(alert) for alert in alerts if _state(alert) not in NO_ALERT]
    if not events:
        raise Unsupported("No alert has fired or recovered; nothing was opened.")
    return events


def _alerts(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The alerts of a summary, with the rule they belong to; else the body itself."""
    groups = child(data, "alerts")
    if not groups:
        return [data]
    rest = {name: value for name, value in data.items() if name != "alerts"}
    return [
        {**rest, **alert, "status": "recovered" if group == "recovered" else "active"}
        for group in ("new", "ongoing", "recovered")
        for alert in children(child(groups, group), "data")
    ]


def _event(data: dict[str, Any]) -> Event:
    rule = _at(data, "rule.name", "kibana.alert.rule.name", "rule_name", "watch_id")
    reason = _at(data, "context.reason", "alert.reason", "kibana.alert.reason", "reason")
    message = _at(data, "context.message", "message", "summary")
    summary = ": ".join(p for p in (rule, reason or message) if p)
    key = _key(data, rule or summary)
    if not key:
        raise unclear("rule.id", "Send the rule's id or name, or the alert's id.")
    words = ("alert.severity", "context.severity", "kibana.alert.severity", "rule.severity")
    moment = _at(data, "date", "@timestamp", "kibana.alert.start", "timestamp")
    return Event(
        action=ACTIONS.get(_state(data), "trigger"),
        dedup_key=key,
        summary=one_line(summary or "Alert from Elastic", MAX_SUMMARY),
        source=one_line(_at(data, "host.name", "context.group", "alert.id"), MAX_SOURCE),
        severity=severity_of(_at(data, *words, "severity"), "warning"),
        description=lines(message or reason),
        details=data,
        links=clean_links([Link(href=_at(data, path), text=t) for path, t in LINKS.items()]),
        occurred_at=parse_time(moment),
    )


def _state(data: dict[str, Any]) -> str:
    """The first known word; action groups of the rule's own ("query matched") are passed over."""
    states = [_at(data, path).lower() for path in STATES]
    return next((state for state in states if state in ACTIONS or state in NO_ALERT), "")


def _key(data: dict[str, Any], name: str) -> str:
    """The rule's id and the alert's: an alert's id ("query matched", a host) is not unique."""
    rule = _at(data, "rule.id", "kibana.alert.rule.uuid", "rule_id", "ruleId", "watch_id")
    alert = _at(data, "alert.id", "kibana.alert.instance.id", "alert_id", "alertId")
    alert = alert or _at(data, "alert.uuid", "kibana.alert.uuid")
    parts = [part for part in (rule or name, alert) if part]
    return fit_dedup_key("-".join(("elastic", *parts))) if parts else ""


def _at(data: dict[str, Any], *paths: str) -> str:
    """The first text at one of these paths, nested or written with dots."""
    for path in paths:
        *parents, name = path.split(".")
        if found := text(data, path) or text(child(data, *parents), name):
            return found
    return ""
