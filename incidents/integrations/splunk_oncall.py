"""Splunk On-Call (VictorOps), generic REST endpoint: one alert per message.

https://help.splunk.com/splunk-observability-cloud/splunk-on-call/integrations-with-splunk-on-call/rest-endpoint-integration-for-splunk-on-call

`message_type` says what to do: CRITICAL and WARNING open, ACKNOWLEDGEMENT acknowledges,
RECOVERY resolves, and INFO is a remark on the timeline that opens nothing. `entity_id` is what
the alert is about. `incident_id`, `alert.id`, `state`, `status` and `severity` are read when
those are absent.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

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
from incidents.integrations.reading import child, decode_object, epoch_time, links_to, text, unclear

ACTIONS: dict[str, Action] = {
    **ACTION_WORDS,
    "warning": "trigger",
    "acknowledgement": "acknowledge",
}


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload when nothing is named, Unsupported for INFO."""
    data = decode_object(body)
    kind = text(data, "message_type").lower()
    if kind == "info":
        raise Unsupported("An INFO message is a remark; nothing was opened.")
    title = text(data, "entity_display_name", "state_message")
    key = text(data, "entity_id", "incident_id") or text(child(data, "alert"), "id") or title
    if not key:
        raise unclear("entity_id", "Name what the alert is about in entity_id.")
    state = text(data, "state_message")
    return [
        Event(
            action=_action(data, kind),
            dedup_key=fit_dedup_key(key),
            summary=one_line(title or key, MAX_SUMMARY),
            source=one_line(text(data, "host_name", "monitoring_tool"), MAX_SOURCE),
            severity=severity_of(text(data, "severity") or kind, "warning"),
            description=lines(state),
            details=data,
            links=links_to((text(data, "alert_url"), "Alert")),
            occurred_at=_moment(data),
        )
    ]


def _action(data: dict[str, Any], kind: str) -> Action:
    """From the first word known: an alert of an unknown type is still an alert."""
    for word in (kind, text(data, "status").lower(), text(data, "state").lower()):
        if word in ACTIONS:
            return ACTIONS[word]
    return "trigger"


def _moment(data: dict[str, Any]) -> datetime | None:
    for name in ("state_start_time", "timestamp"):
        moment = epoch_time(data.get(name)) or parse_time(data.get(name))
        if moment:
            return moment
    return None
