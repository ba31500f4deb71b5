"""Uptime Kuma webhooks, as JSON, as the form Kuma calls "form-data", and in PagerTree's shape.

https://github.com/louislam/uptime-kuma/wiki/Notification-Methods
https://github.com/louislam/uptime-kuma/blob/master/server/notification-providers/webhook.js
https://github.com/louislam/uptime-kuma/blob/master/server/notification-providers/pagertree.js

`heartbeat.status` is 0 for down, 1 for up, 2 for pending (not yet sure) and 3 for maintenance;
the last two page nobody. A message without heartbeat and monitor is a test, or a certificate
that expires soon: a warning with a key of its own, because Kuma does not tell of its renewal.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Event,
    Unsupported,
    lines,
    one_line,
    parse_time,
)
from incidents.integrations.reading import (
    child,
    decode_form_or_json,
    decode_object,
    key_of,
    links_to,
    text,
    unclear,
)

State = Literal["down", "up", "pending", "maintenance"]

STATES: dict[str, State] = {
    **{"0": "down", "down": "down", "create": "down", "trigger": "down"},
    **{"1": "up", "up": "up", "resolve": "up", "resolved": "up"},
    **{"2": "pending", "pending": "pending", "3": "maintenance", "maintenance": "maintenance"},
}
BOUNDARY = re.compile(r'multipart/form-data\b.*;\s*boundary="?([^";,\s]+)', re.IGNORECASE)
MAX_PARTS = 20
EXPIRY = re.compile(r"(.{1,1000}) will (?:be expired|expire) in -?\d{1,6} days?")


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload, and Unsupported for pending, maintenance and tests."""
    data = _fields(headers, body)
    heartbeat, monitor = child(data, "heartbeat"), child(data, "monitor")
    message = text(heartbeat, "msg") or text(data, "msg")
    if not heartbeat and not monitor and not text(data, "status", "event_type"):
        return [_expiry(data, message)]
    state = _state(data, heartbeat)
    if state in ("pending", "maintenance"):
        raise Unsupported(f"A monitor that is in state {state} pages nobody.")
    name = text(monitor, "name", "pathName") or text(data, "name")
    identity = text(heartbeat, "monitorID", "monitor_id") or text(monitor, "id") or name
    if not identity:
        raise unclear("monitor.id", "Name the monitor in heartbeat.monitorID or monitor.id.")
    url = text(monitor, "url")
    summary = f"{name or 'Monitor ' + identity} is {state}"
    time = text(heartbeat, "time")
    return [
        Event(
            action="resolve" if state == "up" else "trigger",
            dedup_key=key_of("uptime-kuma", identity),
            summary=one_line(f"{summary}: {message}" if message else summary, MAX_SUMMARY),
            source=one_line(text(monitor, "hostname") or _address(url) or name, MAX_SOURCE),
            severity="info" if state == "up" else "critical",
            description=lines(message),
            details=data,
            links=links_to((_address(url), "Monitored address")),
            # Kuma writes UTC without saying so.
            occurred_at=parse_time(time) or parse_time(f"{time}+00:00"),
        )
    ]


def _fields(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The JSON object, which Kuma's "form-data" puts into a field named data."""
    boundary = BOUNDARY.match(headers.get("content-type", ""))
    if boundary:
        for part in body.split(b"--" + boundary[1].encode("latin-1", "replace"))[:MAX_PARTS]:
            head, _, content = part.partition(b"\r\n\r\n")
            if b'name="data"' in head:
                return decode_object(content)
    data = decode_form_or_json(headers, body)
    wrapped = data.get("data")
    if len(data) == 1 and isinstance(wrapped, str):
        return decode_object(wrapped.encode())
    return data


def _state(data: dict[str, Any], heartbeat: dict[str, Any]) -> State:
    """PagerTree's `event_type` may only close: its heartbeat can be an old one."""
    if STATES.get(_word(data, "event_type")) == "up":
        return "up"
    for source, name in ((heartbeat, "status"), (data, "status"), (data, "event_type")):
        word = _word(source, name)
        if word in STATES:
            return STATES[word]
    raise unclear("heartbeat.status", "heartbeat.status must be 0, 1, 2 or 3.")


def _word(data: dict[str, Any], name: str) -> str:
    """A word without the sign that Kuma's templates put before it, as in "✅ Up"."""
    return re.sub(r"[^\w ]", "", text(data, name)[:50]).strip().lower()


def _address(url: str) -> str:
    # A monitor without an address has Kuma's placeholder.
    return "" if url in ("http://", "https://") else url


def _expiry(data: dict[str, Any], message: str) -> Event:
    match = EXPIRY.fullmatch(one_line(message, 2000))
    if match is None:
        raise Unsupported("A message about no monitor is a test; nothing was opened.")
    return Event(
        action="trigger",
        dedup_key=key_of("uptime-kuma", "expiry", match[1]),
        summary=one_line(message, MAX_SUMMARY),
        severity="warning",
        details=data,
    )
