"""Google Cloud Monitoring: the webhook channel, and the Pub/Sub channel pushed to us.

https://cloud.google.com/monitoring/support/notification-options#webhooks
https://cloud.google.com/pubsub/docs/push#receive_push
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Event,
    InvalidPayload,
    action_of,
    fit_dedup_key,
    lines,
    one_line,
    severity_of,
    slug,
)
from incidents.integrations.events_api import Link, clean_links
from incidents.integrations.reading import child, decode_object, epoch_time, text, unclear


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload."""
    data = decode_object(body)
    if not child(data, "incident") and child(data, "message"):
        data = _pushed(child(data, "message"))
    incident = child(data, "incident")
    if not incident:
        raise unclear("incident", "Send Google Cloud Monitoring's incident.")
    return [_event(incident)]


def _pushed(message: dict[str, Any]) -> dict[str, Any]:
    """What a Pub/Sub push carries: JSON in base64."""
    try:
        return decode_object(base64.b64decode(text(message, "data"), validate=True))
    except (binascii.Error, ValueError, InvalidPayload) as error:
        raise unclear("message.data", "Pub/Sub's data is no notification in base64.") from error


def _event(incident: dict[str, Any]) -> Event:
    policy = text(incident, "policy_name") or text(incident, "condition_name")
    summary = text(incident, "summary")
    key = _key(incident, policy, summary)
    if not key:
        raise unclear("incident.incident_id", "Name the incident: incident_id is missing.")
    action = action_of(text(incident, "state"), "trigger")
    moment = incident.get("ended_at" if action == "resolve" else "started_at")
    links = [Link(href=text(incident, "url"), text="Google Cloud Monitoring")]
    return Event(
        action=action,
        dedup_key=key,
        summary=one_line(": ".join(p for p in (policy, summary) if p) or key, MAX_SUMMARY),
        source=one_line(_source(incident) or policy, MAX_SOURCE),
        severity=severity_of(text(incident, "severity"), "warning"),
        description=lines(text(child(incident, "documentation"), "content")),
        details=incident,
        links=clean_links(links),
        occurred_at=epoch_time(moment) or epoch_time(incident.get("started_at")),
    )


def _key(incident: dict[str, Any], policy: str, summary: str) -> str:
    """The incident's id; without one, the policy and what it watches, else the summary."""
    if key := fit_dedup_key(text(incident, "incident_id")):
        return key
    if policy:
        return fit_dedup_key("-".join(p for p in ("gcp", policy, _source(incident)) if p))
    return f"gcp-{slug(summary)}" if summary else ""


def _source(incident: dict[str, Any]) -> str:
    """What the policy watches."""
    if name := text(incident, "resource_display_name", "resource_name", "resource_id"):
        return name
    resource = child(incident, "resource")
    labels = child(resource, "labels")
    named = [f"{label}={text(labels, label)}" for label in sorted(labels) if text(labels, label)]
    return ", ".join(named) or text(resource, "type") or text(incident, "resource")
