"""AppDynamics: an HTTP request template, which its owner writes.

https://help.splunk.com/en/appdynamics-saas (Alert and Respond, HTTP Request Actions and Templates)
https://docs.appdynamics.com/appd/22.x/22.9/en/appdynamics-essentials/alert-and-respond/actions/predefined-templating-variables

Any of these fields works, under any spelling, on top or inside "details". This template, used
for the opening and the closing events alike, says most::

    {"eventType": "${latestEvent.eventType}", "severity": "${latestEvent.severity}",
     "incidentId": "${latestEvent.incident.id}", "healthRule": "${latestEvent.healthRule.name}",
     "affectedEntity": "${latestEvent.affectedEntities.get(0).name}",
     "application": "${latestEvent.application.name}", "node": "${latestEvent.node.name}",
     "summary": "${latestEvent.displayName}", "eventMessage": "${latestEvent.summaryMessage}",
     "eventTime": "${latestEvent.eventTime}", "link": "${latestEvent.deepLink}"}
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
    action_of,
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
    folded,
    text,
    unclear,
)

# The words of POLICY_CLOSE_CRITICAL, HEALTH_RULE_CANCELED_WARNING, ANOMALY_CLOSE_CRITICAL, …
OVER: Final = frozenset({"close", "closed", "canceled", "cancelled", "ended"})


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event per object; raises InvalidPayload."""
    return [_event(data) for data in decode_objects(body)]


def _event(data: dict[str, Any]) -> Event:
    fields = folded(data)
    details = folded(child(fields, "details"))
    types = [text(part, "eventtype", "eventtypekey") for part in (fields, details)]
    fields = {**details, **fields}  # what is on top was put there on purpose
    summary = filled(fields, "summary", "description", "eventname", "eventmessage", "message")
    key = _key(fields, summary)
    if not key:
        raise unclear("summary", "Send at least a summary, an incidentId or a health rule.")
    links = [Link(href=filled(fields, "link", "deeplink"), text="AppDynamics")]
    links += [Link(href=text(c, "href"), text=text(c, "text")) for c in children(data, "contexts")]
    links.append(Link(href=filled(fields, "clienturl"), text="Controller"))
    moment = fields.get("eventtime")
    return Event(
        action=_action(types),
        dedup_key=key,
        summary=one_line(summary or f"Alert from {_source(fields) or key}", MAX_SUMMARY),
        source=one_line(_source(fields), MAX_SOURCE),
        severity=_severity(fields, types),
        description=lines(filled(fields, "eventmessage", "message", "summary")),
        details=data,
        links=clean_links(links),
        occurred_at=parse_time(moment) or epoch_ms_time(moment),
    )


def _words(event_type: str) -> set[str]:
    return set(re.split(r"[^a-z]+", event_type[:200].lower()))


def _action(types: list[str]) -> Action:
    """A closing event closes, also in a template that always says "trigger"."""
    actions = {action_of(event_type, "trigger") for event_type in types}
    if "resolve" in actions or any(_words(event_type) & OVER for event_type in types):
        return "resolve"
    return "acknowledge" if "acknowledge" in actions else "trigger"


def _severity(fields: dict[str, Any], types: list[str]) -> Severity:
    """The health rule's own level, else the event's, which knows only INFO, WARN and ERROR."""
    words = set().union(*(_words(event_type) for event_type in types))
    if "critical" in words:
        return "critical"
    if "warning" in words:
        return "warning"
    return severity_of(filled(fields, "severity", "eventseverity"), "warning")


def _key(fields: dict[str, Any], summary: str) -> str:
    """An id of the violation, else its rule and entity: an event's id is new each time."""
    if key := fit_dedup_key(filled(fields, "incidentkey", "incidentid", "dedupkey")):
        return key
    if rule := filled(fields, "healthrule", "healthrulename", "policyname", "policy"):
        return f"appdynamics-{digest(rule, _application(fields), _source(fields))}"
    if key := fit_dedup_key(filled(fields, "eventid")):
        return key
    application = _application(fields)
    return f"appdynamics-{digest(application, summary)}" if application or summary else ""


def _application(fields: dict[str, Any]) -> str:
    return filled(fields, "application", "applicationname")


def _source(fields: dict[str, Any]) -> str:
    named = filled(fields, "affectedentity", "affectedentityname", "node", "nodename", "tier")
    return named or _application(fields)
