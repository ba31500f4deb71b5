"""Events as the OpenAPI document describes them: over REST, and at the door."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

Document = dict[str, Any]

EVENT: Document = {
    "type": "object",
    "required": ["event_action"],
    "properties": {
        "event_action": {"type": "string", "enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {
            "type": "string",
            "description": "Events with one key are one incident. Required unless triggering.",
        },
        "payload": {
            "type": "object",
            "description": "Required when triggering.",
            "properties": {
                "summary": {"type": "string", "example": "Disk full on db-1"},
                "source": {"type": "string", "example": "db-1"},
                "severity": {
                    "type": "string",
                    "enum": ["critical", "error", "warning", "info"],
                    "default": "critical",
                },
                "description": {"type": "string"},
                "timestamp": {"type": "string", "format": "date-time"},
                "custom_details": {},
            },
        },
        "links": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["href"],
                "properties": {
                    "href": {"type": "string", "format": "uri"},
                    "text": {"type": "string"},
                },
            },
        },
    },
}
REST_EVENT: Document = {
    **EVENT,
    "properties": {
        **EVENT["properties"],
        "service_id": {
            "type": "integer",
            "description": "Required with an API key; the key of an integration implies it.",
        },
    },
}
EVENT_REQUEST: Document = {
    "application/json": {
        "oneOf": [
            REST_EVENT,
            {"type": "array", "minItems": 1, "maxItems": 100, "items": REST_EVENT},
        ]
    }
}
RESULT: Document = {
    "type": "object",
    "required": ["action", "dedup_key"],
    "properties": {
        "action": {
            "type": "string",
            "enum": ["triggered", "folded", "deduplicated", "acknowledged", "resolved", "ignored"],
        },
        "dedup_key": {"type": "string"},
        "reason": {"type": "string"},
        "incident": {
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "title": {"type": "string", "description": "Left out of a private incident."},
                "status": {"type": "string"},
                "urgency": {"type": "string"},
                "dedup_key": {"type": "string", "nullable": True},
                "service": {"type": "integer"},
                "url": {"type": "string", "format": "uri"},
            },
        },
    },
}
STORED: Document = {
    "type": "object",
    "description": "Everything is stored.",
    "required": ["status", "result", "results"],
    "properties": {
        "status": {"type": "string", "enum": ["success"]},
        "result": RESULT,
        "results": {"type": "array", "items": RESULT},
    },
}
EVENT_RESPONSES: dict[int, Document] = {202: STORED}

ENQUEUE: Document = {
    **EVENT,
    "required": ["routing_key", "event_action"],
    "properties": {"routing_key": {"type": "string"}, **EVENT["properties"]},
}
ENQUEUED: Document = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": ["success"]},
        "message": {"type": "string"},
        "dedup_key": {"type": "string"},
    },
}
CHANGE: Document = {
    "type": "object",
    "required": ["routing_key", "payload"],
    "properties": {
        "routing_key": {"type": "string"},
        "payload": {
            "type": "object",
            "required": ["summary"],
            "properties": {
                "summary": {"type": "string", "example": "Shop 4.2.0 was deployed"},
                "source": {"type": "string", "example": "ci.example.com"},
                "timestamp": {"type": "string", "format": "date-time"},
                "custom_details": {},
            },
        },
        "links": EVENT["properties"]["links"],
    },
}
CHANGED: Document = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": ["success"]},
        "message": {"type": "string", "example": "Change event processed"},
    },
}
ENQUEUE_REFUSED: Document = {
    "type": "object",
    "description": "Not stored, in the shape of PagerDuty's Events API.",
    "properties": {
        "status": {"type": "string", "enum": ["invalid event", "error"]},
        "message": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "string"}},
    },
}


class IntegrationKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the key of an integration is sent."""

    target_class = "incidents.api.events.IntegrationKeyAuthentication"
    name = "integrationKey"

    def get_security_definition(self, auto_schema: Any) -> Document:
        """A header of its own form."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "The key of an integration: `Token token=…`.",
        }
