"""Signed JSON to a URL of a person's own, or of a destination."""

import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from notifications.channels.base import (
    Channel,
    DeliveryError,
    Event,
    Message,
    Notice,
    Page,
    PagedIncident,
)
from notifications.channels.webhook_body import BadTemplate, render_body
from notifications.models import Notification
from notifications.models.preferences import validate_webhook_address
from opsknight.encryption import CannotDecrypt, decrypt


class WebhookChannel(Channel):
    """POST with an HMAC signature."""

    name = "webhook"
    queue = "webhook"
    phrase = "by webhook"
    parallel = 20
    gathers = False

    def render(self, pages: Sequence[Page]) -> Message:
        """Body and headers; the time stamp, and with it the signature, is that of the attempt."""
        page = pages[0]
        _check_address(page.address)
        body = _body_of(page)
        stamp = str(time.time_ns() // 1_000_000)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "OpsKnight",
            "Idempotency-Key": str(page.idempotency_key),
            "X-OpsKnight-Timestamp": stamp,
        }
        secret = _secret_of(page)
        if secret:
            headers["X-OpsKnight-Signature"] = sign(secret, stamp, body)
        return Message(address=page.address, text=body.decode(), raw=body, headers=headers)


def _body_of(page: Page) -> bytes:
    payload = payload_of(page)
    if page.event is None or not page.event.template:
        return json.dumps(payload, separators=(",", ":")).encode()
    try:
        return render_body(page.event.template, payload)
    except BadTemplate as error:
        raise DeliveryError(f"The template of the body: {error}", permanent=True) from error


def _check_address(address: str) -> None:
    try:
        validate_webhook_address(address)
    except ValidationError as error:
        raise DeliveryError(
            "The address cannot be used.", permanent=True, breaks_address=True
        ) from error


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """`sha256=` and the HMAC-SHA256 of "<timestamp>.<body>"; the timestamp is in milliseconds."""
    signed = timestamp.encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def payload_of(page: Page) -> dict[str, Any]:
    """The body: `event`, who it is for, and `incident` or `notice`; instants in ISO 8601, UTC."""
    return {
        "event": {
            "type": _type_of(page),
            "timestamp": timezone.now().astimezone(UTC).isoformat(),
            **_event(page.event),
            "reason": page.reason,
            "maybe_duplicate": page.maybe_duplicate,
        },
        "destination" if page.is_for_place else "recipient": {
            "id": page.recipient.id,
            "name": page.recipient.name,
        },
        **({"incident": _incident(page.incident)} if page.incident else {}),
        **({"notice": _notice(page.notice)} if page.notice else {}),
    }


def _event(event: Event | None) -> dict[str, Any]:
    """What happened, and when; of a page nothing more than that it is one."""
    if event is None:
        return {}
    return {
        "id": event.id,
        "type": event.type,
        "timestamp": event.at,
        "message": event.message,
        "actor": event.actor,
    }


def _type_of(page: Page) -> str:
    if page.incident is not None:
        return "page"
    return "test" if page.reason == Notification.Reason.TEST else "notice"


def _notice(notice: Notice) -> dict[str, Any]:
    words = {"subject": notice.subject, "text": notice.text, "url": notice.url or None}
    return notice.details | words


def _incident(incident: PagedIncident) -> dict[str, Any]:
    assignee = incident.assignee
    return {
        "id": incident.id,
        "title": incident.title,
        "description": incident.description,
        "status": incident.status,
        "urgency": incident.urgency,
        "url": incident.url,
        "service": {"id": incident.service_id, "name": incident.service_name},
        "assignee": assignee
        and {"id": assignee.id, "name": assignee.name, "email": assignee.email},
        "timestamps": {
            "created": _iso(incident.created_at),
            "acknowledged": _iso(incident.acknowledged_at),
            "resolved": _iso(incident.resolved_at),
        },
    }


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None


def _secret_of(page: Page) -> str:
    """Decrypted here and not by the query: one lost key must not stop the other pages."""
    try:
        return decrypt(page.secret_token) if page.secret_token else ""
    except CannotDecrypt as error:
        raise DeliveryError("The signing secret cannot be decrypted.", permanent=True) from error
