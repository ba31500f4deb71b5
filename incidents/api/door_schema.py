"""The door in the OpenAPI document. It is plain ASGI, so nothing finds it by itself."""

from __future__ import annotations

from typing import Any

from incidents.api.alert_api_schema import SCHEME, SECURITY_SCHEME, alert_api_paths
from incidents.api.event_schema import (
    CHANGE,
    CHANGED,
    ENQUEUE,
    ENQUEUE_REFUSED,
    ENQUEUED,
    EVENT,
    STORED,
)
from incidents.models import Integration
from opsknight.api.schema import error_response

Document = dict[str, Any]

TAG = "door"
# Kinds whose address names them; the two event APIs have addresses of their own as well.
KINDS = [str(kind) for kind in Integration.Kind.values]


def with_door(result: Document, **kwargs: Any) -> Document:
    """Add the addresses of the machine intake."""
    result["paths"] |= {
        "/api/events": {"post": _events()},
        "/v2/enqueue": {"post": _enqueue()},
        "/v2/change/enqueue": {"post": _change()},
        **alert_api_paths(),
        "/api/integrations/{kind}/{key}": {"post": _integration()},
        "/api/heartbeats/{key}": {"get": _beat("get"), "post": _beat("post")},
        "/api/heartbeats/{key}/fail": {"post": _failure()},
    }
    result["components"]["securitySchemes"][SCHEME] = SECURITY_SCHEME
    return result


def _events() -> Document:
    return {
        "operationId": "door_events",
        "summary": "Send an event (OpsKnight Events API)",
        "description": "Trigger, acknowledge or resolve. 202 is said after the event is stored.",
        "tags": [TAG],
        "security": [{"integrationKey": []}],
        "requestBody": _json(EVENT),
        "responses": {"202": _answer("Stored.", STORED), **_errors()},
    }


def _enqueue() -> Document:
    return {
        "operationId": "door_enqueue",
        "summary": "Send an event (PagerDuty Events API v2)",
        "description": "For clients of PagerDuty: change the address, keep the rest.",
        "tags": [TAG],
        "security": [{}],
        "requestBody": _json(ENQUEUE),
        "responses": {
            "202": _answer("Stored.", ENQUEUED),
            **{status: _answer(text, ENQUEUE_REFUSED) for status, text in ERRORS.items()},
        },
    }


def _change() -> Document:
    answers = {"202": _answer("Kept on the service; it opens nothing.", CHANGED)}
    return {
        **_enqueue(),
        "operationId": "door_change",
        "summary": "Report a change (PagerDuty change events)",
        "requestBody": _json(CHANGE),
        "responses": {**_enqueue()["responses"], **answers},
    }


def _integration() -> Document:
    return {
        "operationId": "door_integration",
        "summary": "Send what a monitoring system sends",
        "description": "The body is the vendor's own. A message that is no alert answers 200.",
        "tags": [TAG],
        "security": [{}],
        "parameters": [_parameter("kind", KINDS), _parameter("key")],
        "requestBody": _json({}),
        "responses": {
            "200": {"description": "Understood, but no alert: ignored."},
            "202": _answer("Stored.", STORED),
            **_errors(),
        },
    }


def _beat(method: str) -> Document:
    return {
        "operationId": f"door_beat_{method}",
        "summary": "Send a beat",
        "description": "All is well. GET, HEAD or POST; a body is kept with the delivery.",
        "tags": [TAG],
        "security": [{}],
        "parameters": [_parameter("key")],
        "responses": {"200": {"description": "Stored."}, **_errors()},
    }


def _failure() -> Document:
    return {
        **_beat("post"),
        "operationId": "door_failure",
        "summary": "Report a failure of what sends beats",
        "description": "Opens an incident at once; the next beat resolves it.",
        "requestBody": {"content": {"text/plain": {"schema": {"type": "string"}}}},
    }


ERRORS = {
    "400": "The body cannot be understood; `fields` names what is wrong with it.",
    "401": "No key.",
    "403": "The key is unknown, disabled, or of another kind.",
    "413": "The body is larger than 1 MiB.",
    "503": "Nothing was stored; wait for `Retry-After` seconds and send it again.",
}


def _errors() -> Document:
    return {status: error_response(text) for status, text in ERRORS.items()}


def _parameter(name: str, words: list[str] | None = None) -> Document:
    schema: Document = {"type": "string"}
    if words:
        schema["enum"] = words
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _json(schema: Document) -> Document:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _answer(text: str, schema: Document) -> Document:
    return {"description": text, "content": {"application/json": {"schema": schema}}}
