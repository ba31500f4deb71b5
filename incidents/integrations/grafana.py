"""Grafana: unified alerting (an event per alert), and the legacy alerting of versions below 9.

https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
https://grafana.com/docs/grafana/v7.5/alerting/notifications/#webhook

A unified body carries `title` and `state` as well, which describe the whole group: where there
are `alerts`, they alone count.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    Severity,
    Unsupported,
    action_of,
    lines,
    one_line,
    parse_time,
    severity_of,
)
from incidents.integrations.reading import (
    child,
    children,
    decode_object,
    digest,
    key_of,
    links_to,
    text,
    unclear,
)

# More than genuine alerts fit into the largest body; a body of empty ones would be 300,000 rows.
MAX_ALERTS: Final = 5_000
LEGACY_STATES: Final[dict[str, tuple[Action, Severity]]] = {
    "alerting": ("trigger", "critical"),
    "no_data": ("trigger", "warning"),
    "ok": ("resolve", "info"),
}
LEGACY_QUIET_STATES: Final = frozenset({"pending", "paused", "unknown"})
_STATE_PREFIX = re.compile(r"\[(alerting|ok|no data|pending|paused|unknown)\]\s*", re.IGNORECASE)


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event per alert; raises InvalidPayload, Unsupported for a state that is no alarm."""
    group = decode_object(body)
    if group.get("alerts") is None:
        return [_legacy_event(group)]
    alerts = children(group, "alerts")
    if not alerts:
        raise unclear("alerts", "Send at least one alert.")
    if len(alerts) > MAX_ALERTS:
        raise unclear("alerts", f"Send at most {MAX_ALERTS} alerts at once.")
    # One that cannot be told from others must not lose its neighbours.
    events = [_event(alert, group) for alert in alerts if _key(alert)]
    if not events:
        raise unclear("alerts.fingerprint", "Say which alert this is: fingerprint or labels.")
    return events


def _event(alert: dict[str, Any], group: dict[str, Any]) -> Event:
    labels = _texts(alert, "labels")
    notes = _texts(alert, "annotations")
    name = labels.get("alertname", "")
    summary = notes.get("summary") or notes.get("description") or name or text(group, "title")
    status = text(alert, "status") or text(group, "status", "state")
    resolved = action_of(status, "trigger") == "resolve"
    return Event(
        action="resolve" if resolved else "trigger",
        dedup_key=_key(alert),
        summary=one_line(summary, MAX_SUMMARY) or "Alert without a name",
        source=one_line(labels.get("instance") or labels.get("job") or name, MAX_SOURCE),
        severity=severity_of(labels.get("severity", ""), "critical"),
        description=lines(notes.get("description", "")),
        details={
            "labels": labels,
            "annotations": notes,
            "values": alert.get("values"),
            "value": text(alert, "valueString"),
        },
        links=links_to(
            (text(alert, "generatorURL"), "Rule"),
            (text(alert, "dashboardURL"), "Dashboard"),
            (text(alert, "panelURL"), "Panel"),
            (text(alert, "silenceURL"), "Silence"),
            (text(alert, "imageURL"), "Picture"),
            (notes.get("runbook_url", ""), "Runbook"),
            (text(group, "externalURL"), "Grafana"),
        ),
        occurred_at=parse_time(alert.get("endsAt" if resolved else "startsAt")),
    )


def _texts(alert: dict[str, Any], name: str) -> dict[str, str]:
    values = child(alert, name)
    return {key: found for key in values if (found := text(values, key))}


def _key(alert: dict[str, Any]) -> str:
    """The fingerprint, else a hash of the labels; "" where there is neither.

    Both stay the same when the text changes.
    """
    fingerprint = text(alert, "fingerprint")
    if fingerprint:
        return key_of("grafana", fingerprint)
    labels = _texts(alert, "labels")
    pairs = [f"{name}={labels[name]}" for name in sorted(labels)]
    return key_of("grafana", "labels", digest(*pairs)) if pairs else ""


def _legacy_event(body: dict[str, Any]) -> Event:
    state = text(body, "state").lower()
    if state in LEGACY_QUIET_STATES:
        raise Unsupported(f"A rule that is {state} is no alert; nothing was opened.")
    if state not in LEGACY_STATES:
        raise unclear("state", "Send alerts (unified alerting), or a state (legacy alerting).")
    action, severity = LEGACY_STATES[state]
    name = text(body, "ruleName") or _STATE_PREFIX.sub("", text(body, "title"), count=1)
    rule = text(body, "ruleId")
    if not rule and not name:
        raise unclear("ruleId", "Say which rule this is: ruleId, ruleName or title.")
    tags = _texts(body, "tags")
    message = text(body, "message")
    return Event(
        action=action,
        dedup_key=key_of("grafana", "rule", rule) if rule else key_of("grafana", "name", name),
        summary=one_line(name or message, MAX_SUMMARY) or f"Rule {one_line(rule, 100)}",
        source=one_line(name, MAX_SOURCE),
        severity=severity_of(tags.get("severity", ""), severity),
        description=lines(message),
        details={"state": state, "tags": tags, "matches": children(body, "evalMatches")},
        links=links_to((text(body, "ruleUrl"), "Rule"), (text(body, "imageUrl"), "Picture")),
    )
