"""UptimeRobot webhooks: a monitor that went down, came up, or whose certificate expires.

https://help.uptimerobot.com/en/articles/14498593-webhook-integration

JSON, a form, or variables in the address, as the account's owner chose. `alertType` is 1 for
down, 2 for up, 3 for a certificate that is about to expire; other types are warnings of their
own. A certificate is renewed by a person, and UptimeRobot does not tell of it: those warnings
have a key of their own, so that a monitor coming up does not close them.
"""

from collections.abc import Mapping
from typing import Any

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Event,
    Severity,
    Unsupported,
    lines,
    one_line,
    slug,
)
from incidents.integrations.reading import (
    decode_form_or_json,
    epoch_time,
    key_of,
    links_to,
    text,
    unclear,
)

IN_ADDRESS = frozenset({
    "monitorID", "monitorURL", "monitorFriendlyName", "alertType", "alertTypeFriendlyName",
    "alertDetails", "alertDateTime", "alertDuration", "alertID", "sslExpiryDate",
    "sslExpiryDaysLeft",
})  # fmt: skip
SEVERITIES: dict[str, Severity] = {"down": "critical", "up": "info"}
TYPES = {"1": "down", "2": "up", "3": "certificate", "98": "started", "99": "paused"}


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload without a monitor or a type."""
    data = _fields(headers, query, body)
    type_ = _type(data)
    if type_ in ("started", "paused"):
        raise Unsupported("A monitor that was started or paused is no alert.")
    name = text(data, "monitorFriendlyName", "monitorURL")
    monitor = text(data, "monitorID") or name
    title = name or f"Monitor {monitor}"
    if not monitor:
        raise unclear("monitorID", "Send *monitorID* or *monitorFriendlyName*.")
    about_state = type_ in ("down", "up")
    key = ("uptimerobot", monitor) if about_state else ("uptimerobot", monitor, type_)
    details = text(data, "alertDetails")
    said = text(data, "alertTypeFriendlyName") or type_
    summary = f"{title} is {type_}" if about_state else f"{title}: {said}"
    url = text(data, "monitorURL")
    return [
        Event(
            action="resolve" if type_ == "up" else "trigger",
            dedup_key=key_of(*key),
            summary=one_line(f"{summary}: {details}" if details else summary, MAX_SUMMARY),
            source=one_line(url or name, MAX_SOURCE),
            severity=SEVERITIES.get(type_, "warning"),
            description=lines(details),
            details=data,
            links=links_to((url, "Monitored address")),
            occurred_at=epoch_time(data.get("alertDateTime")),
        )
    ]


def _fields(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The body, or the variables in the address; never the address's key."""
    if body.strip():
        return decode_form_or_json(headers, body)
    return {name: value for name, value in query.items() if name in IN_ADDRESS}


def _type(data: dict[str, Any]) -> str:
    """`down`, `up`, `certificate`, `started`, `paused`, or another type's own name."""
    named = slug(text(data, "alertTypeFriendlyName"))
    number = text(data, "alertType").lower()
    if number in TYPES:
        return TYPES[number]
    if number in ("down", "up") or not named:
        named = slug(number)
    if not named:
        raise unclear("alertType", "Send *alertType*: 1 for down, 2 for up.")
    return {"resolved": "up", "ssl-expiry": "certificate"}.get(named, named)
