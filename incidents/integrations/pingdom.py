"""Pingdom state change webhooks, of uptime checks and transaction checks.

https://www.pingdom.com/resources/webhooks/

`current_state` decides: DOWN or FAILING opens, UP or SUCCESS resolves; a check that is paused,
unknown or not yet confirmed says nothing. `state` is read when `current_state` is absent.
"""

from collections.abc import Mapping
from typing import Any

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    Severity,
    Unsupported,
    lines,
    one_line,
)
from incidents.integrations.reading import (
    child,
    decode_form_or_json,
    epoch_time,
    key_of,
    links_to,
    text,
    unclear,
)

ACTIONS: dict[str, Action] = {
    "down": "trigger",
    "failing": "trigger",
    "up": "resolve",
    "success": "resolve",
    "ok": "resolve",
    "resolved": "resolve",
}
SAYS_NOTHING = frozenset({"paused", "unknown", "unconfirmed", "unconfirmed_down"})


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload without a check or a state that is known."""
    data = decode_form_or_json(headers, body)
    word = text(data, "current_state", "state").lower()
    if word in SAYS_NOTHING:
        raise Unsupported(f"A check that is {word} is no alert.")
    if word not in ACTIONS:
        raise unclear("current_state", "current_state must be UP, DOWN, SUCCESS or FAILING.")
    name = text(data, "check_name")
    check = text(data, "check_id") or name
    if not check:
        raise unclear("check_id", "Name the check in check_id or check_name.")
    action = ACTIONS[word]
    why = text(data, "description", "last_error", "message")
    summary = f"{name or 'Check ' + check} is {word}"
    params = child(data, "check_params")
    return [
        Event(
            action=action,
            dedup_key=key_of("pingdom", check),
            summary=one_line(f"{summary}: {why}" if why else summary, MAX_SUMMARY),
            source=one_line(text(params, "hostname", "full_url", "url") or name, MAX_SOURCE),
            severity=_severity(data, action),
            description=lines(text(data, "long_description") or why),
            details=data,
            links=links_to((text(params, "full_url"), "Monitored address")),
            occurred_at=epoch_time(data.get("state_changed_timestamp")),
        )
    ]


def _severity(data: dict[str, Any], action: Action) -> Severity:
    if action == "resolve":
        return "info"
    return "warning" if text(data, "importance_level").lower() == "low" else "critical"
