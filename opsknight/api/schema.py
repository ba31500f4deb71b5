"""What the OpenAPI document says beyond what it reads from the views."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

Endpoint = tuple[str, str, str, Any]  # path, its regular expression, method, view
Document = dict[str, Any]

ERROR: Document = {
    "type": "object",
    "description": "Why the request was not served, and what to do.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "fields"],
            "properties": {
                "code": {"type": "string", "example": "invalid"},
                "message": {"type": "string", "example": "name: This field is required."},
                "fields": {
                    "type": "object",
                    "description": "Reasons by the name of the field, nested ones with dots.",
                    "additionalProperties": {"type": "array", "items": {"type": "string"}},
                    "example": {"layers.0.members": ["This field is required."]},
                },
            },
        }
    },
}
COMMON_ERRORS = {
    "400": "A value cannot be used; `fields` names it.",
    "401": "No key, or one that is not valid.",
    "403": "The key lacks the scope, or its owner may not do this.",
    "404": "There is no such thing, or it is out of your sight.",
    "413": "The body is too large.",
    "429": "Too many requests; wait for `Retry-After` seconds.",
}


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How an API key is sent."""

    target_class = "opsknight.api.authentication.ApiKeyAuthentication"
    name = ["apiKey", "apiKeyHeader"]  # noqa: RUF012 — as its base class has it

    def get_security_definition(self, auto_schema: Any) -> list[Document]:
        """One scheme for each header."""
        return [
            {"type": "http", "scheme": "bearer", "description": "An API key: `ok_…`."},
            {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        ]

    def get_security_requirement(self, auto_schema: Any) -> list[Document]:
        """Either of the two."""
        return [{"apiKey": []}, {"apiKeyHeader": []}]


def without_trailing_slash(endpoints: Iterable[Endpoint], **kwargs: Any) -> list[Endpoint]:
    """Show the short form of addresses that are taken with and without a slash at the end."""
    return [(path.rstrip("/"), regex, method, view) for path, regex, method, view in endpoints]


def with_errors(result: Document, **kwargs: Any) -> Document:
    """Say of every operation which errors it answers, and that ids are numbers."""
    result["components"]["schemas"]["Error"] = ERROR
    for operations in result["paths"].values():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and parameter["name"] == "id":
                    parameter["schema"] = {"type": "integer", "minimum": 1}
            for status, text in COMMON_ERRORS.items():
                if is_possible(status, method, operation):
                    operation["responses"].setdefault(status, error_response(text))
    return result


def is_possible(status: str, method: str, operation: Document) -> bool:
    """Whether an operation can answer with this error."""
    has_id = any(p["in"] == "path" for p in operation.get("parameters", []))
    match status:
        case "404":
            return has_id
        case "413":
            return "requestBody" in operation
        case _:
            return True


def error_response(text: str) -> Document:
    """One error of an operation."""
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}
