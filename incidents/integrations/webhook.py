"""A generic webhook: any JSON object with a recognisable field or two.

summary | title | message | name · severity | level | priority · dedup_key | id | alert_id ·
source | origin | system · status | action | state · description | details

An action `ping` or `test_connection` only asks whether somebody is there; it opens nothing.
"""

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from incidents.intake.decoding import decode
from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Event,
    Unsupported,
    action_of,
    fit_dedup_key,
    lines,
    one_line,
    severity_of,
    slug,
)
from incidents.integrations.events_api import as_details

PINGS = frozenset({"ping", "test_connection"})

_decoder = msgspec.json.Decoder(dict[str, Any])


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload unless the body is an object, Unsupported for a ping."""
    data = decode(body, _decoder)
    action = _first(data, "status", "action", "state")
    if action.strip().lower() in PINGS:
        raise Unsupported("A ping is no alert; nothing was opened.")
    summary = one_line(_first(data, "summary", "title", "message", "name"), MAX_SUMMARY)
    source = one_line(_first(data, "source", "origin", "system"), MAX_SOURCE)
    key = fit_dedup_key(_first(data, "dedup_key", "id", "alert_id"))
    if not key:
        key = f"webhook-{slug(summary)}" if summary else f"webhook-{uuid.uuid4().hex}"
    description = data.get("description")
    return [
        Event(
            action=action_of(action, "trigger"),
            dedup_key=key,
            summary=summary or f"Alert from {source or 'a webhook'}",
            source=source,
            severity=severity_of(_first(data, "severity", "level", "priority"), "critical"),
            description=lines(description) if isinstance(description, str) else "",
            details=as_details(data),
        )
    ]


def _first(data: dict[str, Any], *names: str) -> str:
    """The first field that holds a text, a number or a truth value."""
    for name in names:
        value = data.get(name)
        if isinstance(value, str | int | float) and str(value).strip():
            return str(value)
    return ""
