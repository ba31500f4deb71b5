"""What the door says, in our shape, PagerDuty's or Opsgenie's."""

from dataclasses import dataclass
from typing import Any, assert_never
from uuid import UUID

import msgspec
from django.conf import settings

from incidents.intake import opsgenie_answers
from incidents.intake.reception import Reception
from incidents.intake.routes import Route
from incidents.services.intake import Outcome
from opsknight.errors import OpsKnightError, error_body

Header = tuple[bytes, bytes]
RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers beyond the usual ones, and a JSON body."""

    status: int
    body: bytes
    headers: tuple[Header, ...] = ()


def success(route: Route, reception: Reception) -> Answer:
    """202: everything is stored."""
    match route.dialect:
        case "pagerduty":
            body = _processed(reception)
        case "opsgenie":
            body = opsgenie_answers.accepted(reception.delivery_id)
        case "heartbeat":
            return _heard(reception)
        case "opsknight":
            results = [result_of(outcome) for outcome in reception.outcomes]
            body = {
                "status": "success",
                "delivery": str(reception.delivery_id),
                "result": results[0],
                "results": results,
            }
        case _:
            assert_never(route.dialect)
    return Answer(202, msgspec.json.encode(body))


def _heard(reception: Reception) -> Answer:
    """200: for tools that take any other status for a failure."""
    body = {
        "status": "success",
        "delivery": str(reception.delivery_id),
        "result": result_of(reception.outcomes[0]),
    }
    return Answer(200, msgspec.json.encode(body))


def _processed(reception: Reception) -> dict[str, Any]:
    if not reception.outcomes:
        return {"status": "success", "message": "Change event processed"}
    key = reception.outcomes[0].dedup_key
    return {"status": "success", "message": "Event processed", "dedup_key": key}


def result_of(outcome: Outcome) -> dict[str, Any]:
    """One event's result: `{"action", "dedup_key", "incident" | "reason"}`."""
    result: dict[str, Any] = {"action": outcome.result, "dedup_key": outcome.dedup_key}
    if outcome.reason:
        result["reason"] = outcome.reason
    if outcome.track is not None:
        track = outcome.track
        result["incident"] = {
            "id": track.id,
            "title": track.title,
            "status": outcome.status,
            "urgency": track.urgency,
            "dedup_key": track.dedup_key or None,  # a storm has none
            "service": track.service_id,
            "url": f"{settings.PUBLIC_URL}/incidents/{track.id}/",
        }
        if track.is_private:  # whoever sends events need not be in its team
            del result["incident"]["title"]
    return result


def ignored(route: Route, reception: Reception) -> Answer:
    """200: genuine, but no alert."""
    reason = reception.reason
    if route.dialect == "pagerduty":
        return Answer(200, msgspec.json.encode({"status": "success", "message": reason}))
    body = {
        "status": "ignored",
        "delivery": str(reception.delivery_id),
        "result": {"action": "ignored", "reason": reason},
    }
    return Answer(200, msgspec.json.encode(body))


def failure(route: Route | None, error: OpsKnightError, delivery_id: UUID | None = None) -> Answer:
    """Not stored, and what to do about it; with the delivery, where it is recorded."""
    headers: tuple[Header, ...] = ()
    if error.status in (429, 503):
        seconds = getattr(error, "retry_after_seconds", RETRY_SECONDS)
        headers = ((b"retry-after", str(seconds).encode()),)
    if error.status == 401:
        headers = ((b"www-authenticate", b"Token"),)
    if route is not None and route.dialect == "opsgenie":
        status = opsgenie_answers.status_of(error.code, error.status, error.fields)
        body = opsgenie_answers.refusal(error.message, error.fields, delivery_id)
        return Answer(status, msgspec.json.encode(body), headers)
    return _refusal(route, error.status, error.code, error.message, error.fields, headers)


def not_found(path: str) -> Answer:
    """There is no such door."""
    message = "There is no such integration. Copy the address from the service's page."
    return _refusal(None, 404, "not_found", message)


def method_not_allowed(route: Route) -> Answer:
    """Mostly, only POST comes through here."""
    allowed = ", ".join(route.methods)
    message = f"Send events with {allowed}."
    headers = ((b"allow", allowed.encode()),)
    return _refusal(route, 405, "method_not_allowed", message, headers=headers)


def server_error(route: Route | None) -> Answer:
    """Our fault."""
    message = "Something broke on our side. It was logged; send the event again."
    return _refusal(route, 500, "server_error", message)


def _refusal(
    route: Route | None,
    status: int,
    code: str,
    message: str,
    fields: dict[str, list[str]] | None = None,
    headers: tuple[Header, ...] = (),
) -> Answer:
    body: dict[str, Any] = error_body(code, message, fields)
    if route is not None and route.dialect == "opsgenie":
        body = opsgenie_answers.refusal(message, fields or {}, None)
    elif route is not None and route.dialect == "pagerduty":
        reasons = [reason for texts in (fields or {}).values() for reason in texts] or [message]
        kind = "invalid event" if status < 500 else "error"
        body = {"status": kind, "message": message, "errors": reasons}
    return Answer(status, msgspec.json.encode(body), headers)
