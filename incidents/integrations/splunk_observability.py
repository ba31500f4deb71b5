"""Splunk Observability Cloud (formerly SignalFx): detectors.

https://help.splunk.com/splunk-observability-cloud/create-alerts-detectors-and-service-level-objectives/send-alert-notifications-to-other-services/send-alerts-to-webhook
https://dev.splunk.com/observability/docs/integrations/webhook_integration_overview/

An alert and its clearing carry the same `incidentId`. `eventType` is a name made by the machine
and only read where there is no status.
"""

from collections.abc import Mapping
from typing import Any, Final

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    action_of,
    lines,
    one_line,
    parse_time,
    severity_of,
    slug,
)
from incidents.integrations.reading import (
    child,
    decode_object,
    epoch_ms_time,
    key_of,
    links_to,
    text,
    unclear,
)

# A detector that was stopped or changed will not clear its alert any more.
CLEARED: Final = frozenset(
    {"ok", "cleared", "stopped", "manually resolved", "auto resolved", "auto-cleared"}
)


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload for a body that names no detector."""
    alert = decode_object(body)
    detector = text(alert, "detector", "detectorName")
    moment = alert.get("timestamp")
    title = text(alert, "messageTitle", "title") or text(alert, "rule") or detector
    return [
        Event(
            action=_action(alert),
            dedup_key=_key(alert, detector or title),
            summary=one_line(title, MAX_SUMMARY) or "Alert of a detector",
            source=one_line(_source(alert) or detector, MAX_SOURCE),
            severity=severity_of(text(alert, "severity"), "warning"),
            description=lines(text(alert, "messageBody", "description", "message")),
            details={
                "detector": detector,
                "rule": text(alert, "rule"),
                "metric": text(alert, "originatingMetric"),
                "condition": text(alert, "detectOnCondition"),
                "status": text(alert, "statusExtended", "status"),
                "dimensions": child(alert, "dimensions"),
                "inputs": child(alert, "inputs"),
                "tip": text(alert, "tip"),
            },
            links=links_to(
                (text(alert, "detectorUrl", "link"), "Detector"),
                (text(alert, "runbookUrl"), "Runbook"),
                (text(alert, "imageUrl"), "Picture"),
            ),
            occurred_at=parse_time(moment) or epoch_ms_time(moment),
        )
    ]


def _action(alert: dict[str, Any]) -> Action:
    status = text(alert, "status", "statusExtended", "eventType").lower()
    return "resolve" if status in CLEARED else action_of(status, "trigger")


def _key(alert: dict[str, Any], name: str) -> str:
    incident = text(alert, "incidentId")
    if incident:
        return key_of("splunk", incident)
    detector = text(alert, "detectorId") or slug(name)
    if not detector:
        raise unclear("incidentId", "Say which alert this is: incidentId or detectorId.")
    return key_of("splunk", "detector", detector, text(alert, "rule"))


def _source(alert: dict[str, Any]) -> str:
    dimensions = child(alert, "dimensions")
    return text(dimensions, "host", "host.name", "service", "service.name", "sf_service")
