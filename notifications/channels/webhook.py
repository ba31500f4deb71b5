"""Signed JSON to a URL of a person's own, or of a destination."""

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

import httpcore
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from notifications.channels.base import (
    SEND_SECONDS,
    Channel,
    DeliveryError,
    Message,
    Notice,
    Page,
    PagedIncident,
)
from notifications.channels.outgoing_http import PrivateAddress, post
from notifications.models import Notification
from notifications.models.preferences import validate_webhook_address
from opsknight.encryption import CannotDecrypt, decrypt

# "Try again": everything else from 300 to 499 will not become better by itself.
TRANSIENT_STATUSES = frozenset({408, 425, 429})
# Refused because of what was sent; the address may be fine for the next page.
CONTENT_STATUSES = frozenset({400, 413, 415, 422})
MAX_PATIENCE = timedelta(minutes=15)


class WebhookChannel(Channel):
    """POST with an HMAC signature. 2xx means the other side has it: delivered."""

    name = "webhook"
    queue = "webhook"
    phrase = "by webhook"
    parallel = 20
    success = Notification.State.DELIVERED

    def render(self, page: Page) -> Message:
        """Body and headers; the time stamp, and with it the signature, is that of the attempt."""
        _check_address(page.address)
        body = json.dumps(payload_of(page), separators=(",", ":")).encode()
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

    def send(self, message: Message, idempotency_key: UUID) -> None:
        """Send it; the key is a header already."""
        try:
            answer = post(
                message.address,
                body=message.raw,
                headers=message.headers,
                seconds=SEND_SECONDS,
                allow_private=settings.WEBHOOK_ALLOW_PRIVATE,
            )
        except PrivateAddress as error:
            raise DeliveryError(
                "The address leads into a private network.", permanent=True, breaks_address=True
            ) from error
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise DeliveryError(f"No connection: {error or 'it took too long'}.") from error
        except (
            httpcore.TimeoutException,
            httpcore.NetworkError,
            httpcore.RemoteProtocolError,
        ) as error:
            raise DeliveryError("The other side fell silent.", may_have_arrived=True) from error
        check_answer(answer.status, answer.headers.get("retry-after", ""))


def _check_address(address: str) -> None:
    try:
        validate_webhook_address(address)
    except ValidationError as error:
        raise DeliveryError(
            "The address cannot be used.", permanent=True, breaks_address=True
        ) from error


def check_answer(status: int, retry_after: str) -> None:
    """Raise DeliveryError unless the status is 2xx. The answer's text is never shown to anybody."""
    if 200 <= status < 300:
        return
    if status >= 500 or status in TRANSIENT_STATUSES:
        raise DeliveryError(f"Answered {status}.", retry_after=patience(retry_after))
    hint = " Redirects are not followed: enter the final address." if status < 400 else ""
    raise DeliveryError(
        f"Answered {status}.{hint}",
        permanent=True,
        breaks_address=status not in CONTENT_STATUSES,
    )


def patience(retry_after: str) -> timedelta | None:
    """Read Retry-After, seconds or a date; None when it is missing or nonsense.

    Never longer than MAX_PATIENCE: a page that comes later than that is of no use.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), MAX_PATIENCE)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    left = (at if at.tzinfo else at.replace(tzinfo=UTC)) - timezone.now()
    return min(max(left, timedelta()), MAX_PATIENCE)


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
