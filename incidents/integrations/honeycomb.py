"""Honeycomb: triggers and burn alerts.

https://docs.honeycomb.io/notify/webhooks/

`id`, `name` and `status` as Honeycomb sends them, or `alert_id`, `alert_name`, `alert_severity`
and `event_type` as a template may name them. The body holds the webhook's secret: it is not kept.
"""

from collections.abc import Mapping
from typing import Any, Final

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Event,
    action_of,
    lines,
    one_line,
    parse_time,
    severity_of,
    slug,
)
from incidents.integrations.reading import decode_object, key_of, links_to, text, unclear

KEPT: Final = (
    "dataset",
    "environment",
    "operator",
    "threshold",
    "result_groups",
    "result_groups_triggered",
    "trigger_reason",
)


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload for a body that names no trigger."""
    alert = decode_object(body)
    name = text(alert, "name", "alert_name")
    identity = text(alert, "id", "alert_id", "trigger_id") or slug(name)
    if not identity:
        raise unclear("id", "Say which trigger this is: id or name.")
    status = text(alert, "status", "event_type")
    summary = name or text(alert, "summary", "trigger_reason")
    return [
        Event(
            action=action_of(status, "trigger"),
            dedup_key=key_of("honeycomb", identity),
            summary=one_line(summary, MAX_SUMMARY) or "Honeycomb trigger",
            source=one_line(text(alert, "dataset", "dataset_name") or name, MAX_SOURCE),
            severity=severity_of(text(alert, "alert_severity", "severity"), "warning"),
            description=lines(_description(alert)),
            details={field: alert[field] for field in KEPT if alert.get(field) is not None},
            links=links_to(
                (text(alert, "result_url"), "Result"),
                (text(alert, "trigger_url"), "Trigger"),
            ),
            occurred_at=parse_time(alert.get("timestamp")),
        )
    ]


def _description(alert: dict[str, Any]) -> str:
    return text(alert, "description", "trigger_description", "trigger_reason", "summary")
