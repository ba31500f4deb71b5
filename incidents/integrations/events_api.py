"""OpsKnight's own Events API: `POST /api/events` and `POST /api/v1/events`.

A body, or a list of up to 100 of them on `/api/v1/events`::

    {"event_action": "trigger" | "acknowledge" | "resolve",
     "dedup_key": str,                       # optional for trigger: one is made up and answered
     "payload": {"summary": str,             # required for trigger
                 "source": str, "severity": "critical" | "error" | "warning" | "info",
                 "description": str, "timestamp": ISO 8601, "custom_details": any},
     "links": [{"href": str, "text": str}]}
"""

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from incidents.intake.decoding import decode
from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    InvalidPayload,
    Severity,
    fit_dedup_key,
    lines,
    one_line,
    parse_time,
)


class Link(msgspec.Struct):
    href: str
    text: str = ""


class Payload(msgspec.Struct):
    summary: str | None = None
    source: str | None = None
    severity: Severity | None = None
    description: str | None = None
    timestamp: str | None = None
    custom_details: Any = None


class Body(msgspec.Struct):
    event_action: Action
    dedup_key: str | None = None
    payload: Payload | None = None
    links: list[Link] | None = None


_decoder = msgspec.json.Decoder(Body)


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event from one body; raises InvalidPayload."""
    return [to_event(decode(body, _decoder))]


def to_event(body: Body) -> Event:
    """Check what the types do not say, and clean the texts."""
    payload = body.payload or Payload()
    key = fit_dedup_key(body.dedup_key or "")
    source = one_line(payload.source, MAX_SOURCE)
    summary = one_line(payload.summary, MAX_SUMMARY)
    if body.event_action == "trigger":
        if body.payload is None or payload.summary is None:
            raise _required("payload.summary", "Say what is wrong in payload.summary.")
        summary = summary or f"Alert from {source or 'an unnamed source'}"
        key = key or uuid.uuid4().hex
    elif not key:
        raise _required("dedup_key", "Name the incident's dedup_key.")
    details = payload.custom_details
    return Event(
        action=body.event_action,
        dedup_key=key,
        summary=summary,
        source=source,
        severity=payload.severity or "critical",
        description=lines(payload.description),
        details=as_details(details),
        links=clean_links(body.links or []),
        occurred_at=parse_time(payload.timestamp),
    )


def as_details(details: Any) -> dict[str, Any]:
    """Custom details as a mapping, whatever was sent."""
    if isinstance(details, dict):
        return details
    return {} if details is None else {"details": details}


def clean_links(links: list[Link]) -> list[dict[str, str]]:
    """Only addresses a browser may safely open."""
    return [
        {"href": one_line(link.href, 2000), "text": one_line(link.text, 200)}
        for link in links[:20]
        if link.href.startswith(("https://", "http://"))
    ]


def _required(name: str, remedy: str) -> InvalidPayload:
    return InvalidPayload(remedy, fields={name: ["This field is required."]})
