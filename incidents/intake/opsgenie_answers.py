"""Answers in the shapes of Opsgenie's Alert API; what its clients read of them.

https://docs.opsgenie.com/docs/alert-api and https://docs.opsgenie.com/docs/response
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from incidents.models import Alert, Delivery, Incident
from incidents.models.delivery import new_delivery_id

# How Opsgenie calls what was asked for.
ACTIONS: Final = {
    "create": "Create",
    "acknowledge": "Acknowledge",
    "unacknowledge": "UnAcknowledge",
    "close": "Close",
    "delete": "Delete",
    "notes": "AddNote",
}
STATUS_OF_RESULT: Final = {
    "triggered": "Created alert",
    "deduplicated": "Deduplicated alert",
    "folded": "Created alert, as one of many in a storm",
    "acknowledged": "Acknowledged alert",
    "unacknowledged": "Unacknowledged alert",
    "resolved": "Closed alert",
    "noted": "Added note",
}
NO_ALERT: Final = "Alert does not exist"
PRIORITY_OF_URGENCY: Final = {"high": "P1", "medium": "P3", "low": "P5"}


def accepted(request_id: UUID) -> dict[str, Any]:
    """202: it is stored, and `requests/<id>` tells what became of it."""
    return {"result": "Request will be processed", **_meta(request_id)}


def found(data: object, **more: object) -> dict[str, Any]:
    """200 of everything that is read."""
    return {"data": data, **more, **_meta(new_delivery_id())}


def refusal(
    message: str, fields: Mapping[str, Sequence[str]], request_id: UUID | None
) -> dict[str, Any]:
    """Everything that is not 2xx."""
    errors = {name: " ".join(reasons) for name, reasons in fields.items()}
    body: dict[str, Any] = {"message": message}
    if errors:
        body["errors"] = errors
    return body | _meta(request_id or new_delivery_id())


def status_of(code: str, status: int, fields: Mapping[str, Sequence[str]]) -> int:
    """The HTTP status: 400 is a body that cannot be read, 422 one that makes no sense."""
    is_understood = bool(fields) and "body" not in fields
    return 422 if code in ("invalid", "invalid_payload") and is_understood else status


def request_status(delivery: Delivery) -> dict[str, Any]:
    """What became of a request."""
    result = delivery.results[0] if delivery.results else {}
    status = STATUS_OF_RESULT.get(result.get("action", ""), "")
    has_alert = result.get("incident") is not None
    failure = result.get("reason", "") if has_alert or not result else NO_ALERT
    return {
        "success": bool(status),
        "isSuccess": bool(status),
        "action": ACTIONS.get(delivery.query.get("action", "create"), ""),
        "status": status or failure or delivery.reason or NO_ALERT,
        "processedAt": instant(delivery.received_at),
        "integrationId": str(delivery.integration_id),
        "alertId": str(result["incident"]) if has_alert else "",
        "alias": result.get("dedup_key", "") if has_alert else "",
    }


def summary_of(incident: Incident) -> dict[str, Any]:
    """An alert as lists have it. A private one is without its title."""
    shown: dict[str, Any] = {
        "id": str(incident.pk),
        "tinyId": str(incident.pk),
        "alias": incident.dedup_key or str(incident.pk),
        "message": incident.title,
        "status": "open" if incident.is_open else "closed",
        "acknowledged": incident.acknowledged_at is not None,
        "isSeen": incident.acknowledged_at is not None,
        "snoozed": incident.status == Incident.Status.SNOOZED,
        "count": max(incident.alert_count, 1),
        "lastOccurredAt": instant(incident.last_alert_at or incident.created_at),
        "createdAt": instant(incident.created_at),
        "updatedAt": instant(incident.updated_at),
        "priority": incident.priority or PRIORITY_OF_URGENCY[incident.urgency],
        "report": _report(incident),
    }
    if incident.snoozed_until is not None:
        shown["snoozedUntil"] = instant(incident.snoozed_until)
    if is_private(incident):
        del shown["message"]
    return shown


def alert_of(incident: Incident, last: Alert | None) -> dict[str, Any]:
    """An alert with everything; `last` is the newest that triggered it."""
    shown = summary_of(incident)
    if is_private(incident):
        return shown
    said = last.details if last is not None and isinstance(last.details, dict) else {}
    shown |= {
        "description": incident.description,
        "source": _text(said.get("source")) or (last.source if last is not None else ""),
        "entity": _text(said.get("entity")),
        "tags": _texts(said.get("tags")),
        "actions": _texts(said.get("actions")),
        "details": _pairs(said.get("details")),
        "responders": _responders(said.get("responders")),
        "owner": str(incident.assignee) if incident.assignee else "",
    }
    if last is not None and last.integration is not None:
        sender = last.integration
        shown["integration"] = {"id": str(sender.pk), "name": sender.name, "type": "API"}
    return shown


def is_private(incident: Incident) -> bool:
    """Whoever has a key of the service need not be in its team."""
    return incident.visibility == Incident.Visibility.PRIVATE


def instant(moment: datetime) -> str:
    """An instant as Opsgenie writes it: UTC, with milliseconds."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _report(incident: Incident) -> dict[str, int]:
    """Milliseconds from the alert to its acknowledgement and its end."""
    marks = {"ackTime": incident.acknowledged_at, "closeTime": incident.resolved_at}
    began = incident.created_at
    return {
        name: int((moment - began).total_seconds() * 1000)
        for name, moment in marks.items()
        if moment is not None
    }


def _meta(request_id: UUID) -> dict[str, Any]:
    """`took` in seconds: an id of a delivery holds the millisecond at which it arrived."""
    began = (request_id.int >> 80) / 1000
    return {"took": round(max(time.time() - began, 0.001), 3), "requestId": str(request_id)}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _responders(value: object) -> list[dict[str, Any]]:
    """As they were named; clients refuse one without `id` and `type`."""
    named = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
    return [
        {"id": str(item.get("name") or item.get("username") or ""), "type": "team"} | item
        for item in named
    ]


def _pairs(value: object) -> dict[str, str]:
    return {k: str(v) for k, v in value.items()} if isinstance(value, dict) else {}
