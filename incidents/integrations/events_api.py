"""OpsKnight's own Events API: `POST /api/events` and `POST /api/v1/events`.

A body, or a list of up to 100 of them::

    {"event_action": "trigger" | "acknowledge" | "resolve",
     "dedup_key": str,                       # optional for trigger: one is made up and answered
     "payload": {"summary": str,             # required for trigger
                 "source": str, "severity": "critical" | "error" | "warning" | "info",
                 "description": str, "timestamp": ISO 8601, "custom_details": any},
     "links": [{"href": str, "text": str}]}
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any, TypeVar

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


B = TypeVar("B", bound=Body)
MAX_EVENTS = 100  # in one list

_one = msgspec.json.Decoder(Body)
_many = msgspec.json.Decoder(list[Body])


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """The events of one body; raises InvalidPayload, then none of them is taken."""
    if not is_list(body):
        return [to_event(decode(body, _one))]
    return [listed_event(each, n) for n, each in enumerate(decode_list(body, _many))]


def is_list(body: bytes) -> bool:
    """Whether the body holds a list of events."""
    return body.lstrip()[:1] == b"["


def decode_list(body: bytes, decoder: "msgspec.json.Decoder[list[B]]") -> list[B]:
    """The bodies of a list; raises InvalidPayload, whose fields begin with the place in it."""
    try:
        bodies = decode(body, decoder)
    except InvalidPayload as error:
        fields = {_dotted(name): reasons for name, reasons in error.fields.items()}
        raise InvalidPayload(_dotted(error.message), fields=fields) from error
    if not 1 <= len(bodies) <= MAX_EVENTS:
        reason = f"Send 1 to {MAX_EVENTS} events at once."
        raise InvalidPayload(reason, fields={"body": [reason]})
    return bodies


def listed_event(body: Body, place: int) -> Event:
    """The event as it is understood; its errors name its place in the list."""
    try:
        return to_event(body)
    except InvalidPayload as error:
        fields = {f"{place}.{name}": reasons for name, reasons in error.fields.items()}
        raise InvalidPayload(f"{place}: {error.message}", fields=fields) from error


def _dotted(path: str) -> str:
    """`[3].payload.summary` as every other endpoint writes it: `3.payload.summary`."""
    return re.sub(r"^\[(\d+)\]", r"\1", path)


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
