"""Events and the ways to send them."""

from typing import Any

from django.test import Client

from incidents.models import Integration, Service


def trigger(service: Service | None = None, **changes: Any) -> dict[str, Any]:
    """A trigger of the service."""
    body = {
        "event_action": "trigger",
        "dedup_key": "disk",
        "payload": {"summary": "Disk full", "source": "db-1", "severity": "critical"},
        **changes,
    }
    return body if service is None else {"service_id": service.pk, **body}


def with_key(integration: Integration, body: Any, key: str = "") -> Any:
    """POST with the key of an integration."""
    return Client().post(
        "/api/v1/events",
        body,
        content_type="application/json",
        headers={"Authorization": f"Token token={key or integration.key}"},
    )
