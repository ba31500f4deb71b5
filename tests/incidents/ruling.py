"""Words for tests of rules: one event through them."""

import json
from typing import Any

from incidents.intake.events import Event
from incidents.intake.rules import RouteText, Routing, RuleTexts, apply_rules

EVENT = Event(
    action="trigger",
    dedup_key="disk",
    summary="Disk full",
    description="97 % used",
    severity="error",
    source="db-1",
    details={"labels": {"team": "database", "tier": "1"}, "tags": ["prod", "eu"]},
)
PAYLOAD = {
    "title": "Disk",
    "host": {"name": "db-1", "items": 3, "_id": "x7"},
    "value": 97.5,
    "count": "12",
    "tags": ["prod", "eu"],
    "ok": False,
    "nothing": None,
    "dotted.name": "yes",
    "event": "shadowed",
}


def rule(
    texts: RuleTexts, event: Event = EVENT, body: Any = PAYLOAD, **sent: Any
) -> tuple[Event, Routing | None, list[str]]:
    """One event through the rules: the event, its routing, the warnings."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"headers": {}, "query": {}} | sent
    ruled = apply_rules(texts, [event], body=raw, **sent)
    [(result, routing)] = ruled.events
    return result, routing, list(ruled.warnings)


def route(name: str, condition: str, **effects: Any) -> RouteText:
    values = {"policy_id": None, "urgency": "", "priority": "", "is_suppressed": False} | effects
    return RouteText(name, condition, **values)
