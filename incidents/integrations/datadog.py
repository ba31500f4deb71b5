"""Datadog's webhooks: the payload is a template, which their owner writes.

https://docs.datadoghq.com/integrations/webhooks/

Any subset of Datadog's variables works, under any spelling (ALERT_ID, alert_id, alertId), as JSON
or "encoded as form"; so does the template that Datadog proposes. This one says most::

    {"alert_transition": "$ALERT_TRANSITION", "alert_type": "$ALERT_TYPE",
     "alert_priority": "$ALERT_PRIORITY", "title": "$EVENT_TITLE", "text": "$TEXT_ONLY_MSG",
     "alert_cycle_key": "$ALERT_CYCLE_KEY", "aggregation_key": "$AGGREG_KEY",
     "alert_id": "$ALERT_ID", "alert_scope": "$ALERT_SCOPE", "host": "$HOSTNAME",
     "tags": "$TAGS", "link": "$LINK", "last_updated": "$LAST_UPDATED"}
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from incidents.intake.events import (
    ACTION_WORDS,
    MAX_SOURCE,
    MAX_SUMMARY,
    SEVERITY_WORDS,
    Action,
    Event,
    Severity,
    fit_dedup_key,
    lines,
    one_line,
    parse_time,
)
from incidents.integrations.events_api import Link, clean_links
from incidents.integrations.reading import (
    child,
    decode_form_or_json,
    decode_objects,
    digest,
    epoch_ms_time,
    filled,
    folded,
    text,
    unclear,
)

# What $ALERT_TRANSITION may say, the statuses of monitors, and the types of events.
ACTIONS: Final[dict[str, Action]] = {
    **ACTION_WORDS,
    **dict.fromkeys(["re-triggered", "renotify", "no data", "re-no data"], "trigger"),
    **dict.fromkeys(["warn", "re-warn", "warning"], "trigger"),
    "success": "resolve",
}
WARNINGS: Final = frozenset({"warn", "re-warn", "warning"})
# "[P2] [Triggered on {host:web-1}] CPU is high", as Datadog writes its own titles.
_TITLE: Final = re.compile(
    r"(?:\[P[1-5]\]\s*)?\[([A-Za-z -]{2,20}?)(?: on \{([^{}]*)\})?\]\s*(.*)", re.DOTALL
)


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event per object; raises InvalidPayload."""
    if body.lstrip()[:1] == b"[":
        return [_event(item) for item in decode_objects(body)]
    return [_event(decode_form_or_json(headers, body))]


def _event(data: dict[str, Any]) -> Event:
    fields = folded(data)
    alert, monitor = folded(child(fields, "alert")), folded(child(fields, "monitor"))
    title = filled(fields, "title", "eventtitle", "alerttitle")
    title = title or text(alert, "title") or text(monitor, "name")
    state, scope, plain = _read_title(title)
    scope = filled(fields, "alertscope", "scope") or scope
    key = _key(fields, alert, monitor, f"{scope}\x1f{plain}" if plain else "")
    if not key:
        raise unclear("title", "Send at least a title, an alert_id or an aggregation_key.")
    states = [filled(fields, "alerttransition", "transition"), text(monitor, "status")]
    states += [text(alert, "status"), text(fields, "status", "alertstatus")]
    states += [filled(fields, "alerttype"), state]
    link = filled(fields, "link", "alerturl", "url")
    message = filled(fields, "textonlymsg", "text", "body", "eventmsg", "message")
    return Event(
        action=_action(states),
        dedup_key=key,
        summary=one_line(plain or "Alert from Datadog", MAX_SUMMARY),
        source=one_line(filled(fields, "host", "hostname") or scope, MAX_SOURCE),
        severity=_severity(fields, alert, states),
        description=lines(message or text(alert, "message") or text(monitor, "message")),
        details=data,
        links=clean_links([Link(href=link, text="Datadog")]),
        occurred_at=_time(fields.get("lastupdated")) or _time(fields.get("date")),
    )


def _read_title(title: str) -> tuple[str, str, str]:
    """The state and the scope that a title begins with, and the rest, which never changes."""
    match = _TITLE.fullmatch(title[: MAX_SUMMARY * 4])
    if match is None or match[1].strip().lower() not in ACTIONS or not match[3]:
        return "", "", title
    return match[1].strip(), match[2] or "", match[3]


def _action(states: list[str]) -> Action:
    """What the first field that says anything known says."""
    words = (state.lower() for state in states)
    return next((ACTIONS[word] for word in words if word in ACTIONS), "trigger")


def _severity(fields: dict[str, Any], alert: dict[str, Any], states: list[str]) -> Severity:
    if states[0].lower() in WARNINGS or states[-1].lower() in WARNINGS:
        return "warning"
    words = [text(fields, "severity"), text(alert, "severity"), text(fields, "alertpriority")]
    # "normal" and "low" are how loud Datadog's list of events shows an event.
    words += [w for w in (text(fields, "priority"),) if w.lower() not in ("normal", "low")]
    words += [text(fields, "alerttype")]
    known = (SEVERITY_WORDS.get(word.lower()) for word in words)
    return next((severity for severity in known if severity), "warning")


def _key(fields: dict[str, Any], alert: dict[str, Any], monitor: dict[str, Any], title: str) -> str:
    """One key from trigger to recovery; a field called id is another one each time."""
    keys = [filled(fields, "alertcyclekey"), filled(fields, "aggregationkey", "aggregkey")]
    keys += [filled(fields, "dedupkey", "deduplicationkey")]
    whole = [key for key in keys if key and not key.startswith("$")]
    if whole and (key := fit_dedup_key(whole[0])):
        return key
    scope = text(fields, "alertscope", "scope")
    for kind, number in (
        ("alert", text(alert, "id") or text(fields, "alertid")),
        ("monitor", text(monitor, "id") or text(fields, "monitorid")),
    ):
        if number:
            return fit_dedup_key("-".join(p for p in ("datadog", kind, number, scope) if p))
    return f"datadog-{digest(title)}" if title else ""


def _time(value: object) -> datetime | None:
    return parse_time(value) or epoch_ms_time(value)
