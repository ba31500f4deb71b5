"""Opsgenie's Alert API in the OpenAPI document: what of it is taken, in its own shapes."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

TAG = "door"
SCHEME = "genieKey"
SECURITY_SCHEME: Document = {
    "type": "apiKey",
    "in": "header",
    "name": "Authorization",
    "description": "The key of an integration of the kind opsgenie: `GenieKey …`.",
}


def _text(description: str = "", **more: object) -> Document:
    shown = {"description": description} if description else {}
    return {"type": "string", **shown, **more}


def _object(**properties: Document) -> Document:
    return {"type": "object", "properties": properties}


_META: Document = {
    "took": {"type": "number", "description": "Seconds."},
    "requestId": _text(format="uuid"),
}
_WHO: Document = {"user": _text(), "source": _text(), "note": _text()}
CREATE: Document = {
    **_object(
        message=_text("What is wrong.", example="Disk full on db-1"),
        alias=_text("Alerts with one alias are one incident.", example="disk-db-1"),
        description=_text(),
        priority=_text(enum=["P1", "P2", "P3", "P4", "P5"], default="P3"),
        entity=_text(example="db-1"),
        tags={"type": "array", "items": _text()},
        details={"type": "object", "additionalProperties": _text()},
        responders={"type": "array", "items": {"type": "object"}},
        **_WHO,
    ),
    "required": ["message"],
    "description": "Texts that are too long are shortened. Responders are kept, not paged.",
}
ACCEPTED: Document = _object(result=_text(example="Request will be processed"), **_META)
REFUSED: Document = _object(
    message=_text(), errors={"type": "object", "additionalProperties": _text()}, **_META
)
ALERT: Document = _object(
    id=_text("The number of its incident."),
    tinyId=_text("The same."),
    alias=_text(),
    message=_text("Left out of a private incident."),
    status=_text(enum=["open", "closed"]),
    acknowledged={"type": "boolean"},
    snoozed={"type": "boolean"},
    count={"type": "integer"},
    priority=_text(),
    createdAt=_text(format="date-time"),
    updatedAt=_text(format="date-time"),
    lastOccurredAt=_text(format="date-time"),
)
REQUEST: Document = _object(
    isSuccess={"type": "boolean"},
    status=_text("What was done, or why nothing was.", example="Created alert"),
    action=_text(),
    alertId=_text(),
    alias=_text(),
    integrationId=_text(),
    processedAt=_text(format="date-time"),
)
ERRORS = {
    "400": "The body is no JSON object.",
    "401": "No key.",
    "403": "The key is unknown, disabled, or of another kind.",
    "422": "A field cannot be used, or OpsKnight does not do this.",
    "429": "Too much in this minute; wait for `Retry-After` seconds.",
    "503": "The database does not answer, and this needs it.",
}
_ACTIONS = {
    "acknowledge": "Acknowledge an alert",
    "unacknowledge": "Give an acknowledged alert back",
    "close": "Close an alert",
    "notes": "Write a note about an alert",
}


def alert_api_paths() -> Document:
    """The addresses of the Alert API; each also below `/api/integrations/opsgenie`."""
    one = "/v2/alerts/{identifier}"
    return {
        "/v2/alerts": {
            "post": _operation("create", "Create an alert", _taken(), body=CREATE),
            "get": _operation("list", "List alerts", _read(_list_of(ALERT)), _LISTED),
        },
        "/v2/alerts/count": {
            "get": _operation(
                "count", "Count alerts", _read(_object(count={"type": "integer"})), _LISTED[:1]
            )
        },
        "/v2/alerts/requests/{id}": {
            "get": _operation(
                "request",
                "Ask what became of a request",
                _read(REQUEST) | _missing(),
                [_parameter("id", "path", "The `requestId` of a 202.")],
            )
        },
        one: {
            "get": _operation("get", "Get an alert", _read(ALERT) | _missing(), _NAMED),
            "delete": _operation(
                "delete", "Close an alert; its history stays", _taken() | _missing(), _NAMED
            ),
        },
        **{
            f"{one}/{word}": {
                "post": _operation(word, text, _taken() | _missing(), _NAMED, _object(**_WHO))
            }
            for word, text in _ACTIONS.items()
        },
    }


def _operation(
    name: str,
    summary: str,
    responses: Document,
    parameters: list[Document] | None = None,
    body: Document | None = None,
) -> Document:
    operation: Document = {
        "operationId": f"door_alerts_{name}",
        "summary": f"{summary} (Opsgenie Alert API)",
        "description": "For clients of Opsgenie: change the address, keep the rest.",
        "tags": [TAG],
        "security": [{SCHEME: []}],
        "parameters": parameters or [],
        "responses": responses | {code: _answer(text, REFUSED) for code, text in ERRORS.items()},
    }
    if body is not None:
        is_required = "required" in body
        operation["requestBody"] = {"required": is_required, "content": _json(body)}
    return operation


def _parameter(name: str, place: str, text: str, words: list[str] | None = None) -> Document:
    schema = _text(enum=words) if words else _text()
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": text,
        "schema": schema,
    }


_NAMED = [
    _parameter("identifier", "path", "The alert's id, tinyId or alias."),
    _parameter("identifierType", "query", "What it is; id if left out.", ["id", "tiny", "alias"]),
]
_LISTED = [
    _parameter("query", "query", "`status:open`, `status:closed`, `alias:…`, joined by AND."),
    _parameter("limit", "query", "1 to 100; 20 if left out."),
    _parameter("offset", "query", "How many to skip."),
    _parameter("sort", "query", "createdAt if left out.", ["createdAt", "updatedAt"]),
    _parameter("order", "query", "desc if left out.", ["asc", "desc"]),
]


def _taken() -> Document:
    return {"202": _answer("Stored; by an alias, also while the database is away.", ACCEPTED)}


def _missing() -> Document:
    return {"404": _answer("This key sees no such thing.", REFUSED)}


def _read(schema: Document) -> Document:
    return {"200": _answer("Found.", _object(data=schema, **_META))}


def _list_of(schema: Document) -> Document:
    return {"type": "array", "items": schema}


def _answer(text: str, schema: Document) -> Document:
    return {"description": text, "content": _json(schema)}


def _json(schema: Document) -> Document:
    return {"application/json": {"schema": schema}}
