"""Twilio SendGrid: mail over its API, and the events that it reports.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

import time
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parseaddr
from typing import Any
from uuid import UUID

from notifications.channels.base import DeliveryError, Message
from notifications.channels.email import ascii_domain
from notifications.providers.answers import MAX_PATIENCE
from notifications.providers.api_errors import check_api_answer, plain_reason, unclear_answer
from notifications.providers.base import Field, Provider, ProviderConfig, Receipt, Sent
from notifications.providers.http import ApiAnswer, call

WHO = "SendGrid"
# Ours, and given back with every event: SendGrid's own number looks different there.
OUR_ID = "opsknight_id"
# Why a bounce is the address's fault; "" where an account's events do not say it.
DEAD_CLASSES = frozenset({"Invalid Address", ""})
# SendGrid will never try these again, until somebody takes them off its suppression list.
SUPPRESSED = ("bounced address", "invalid", "spam reporting address", "unsubscribed address")


class SendGridProvider(Provider):
    """Mail is built anew from its parts: SendGrid takes no finished mail."""

    kind = "sendgrid"
    label = "SendGrid"
    channels = ("email",)
    reports_to = "/api/providers/sendgrid/"
    fields = (
        Field("api_key", "API key", is_secret=True, help_text="With the permission “Mail Send”."),
        Field(
            "webhook_public_key",
            "Verification key of the event webhook",
            is_required=False,
            help_text="Without it SendGrid's reports of bounces are refused.",
        ),
        Field(
            "api_url",
            "Address of the API",
            is_required=False,
            default="https://api.sendgrid.com",
            help_text="https://api.eu.sendgrid.com in the European region.",
        ),
    )

    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: UUID
    ) -> Sent:
        """Hand it over. SendGrid drops no repetitions; the Message-ID lets mail programs do so."""
        answer = call(
            "POST",
            f"{config['api_url'].rstrip('/')}/v3/mail/send",
            who=WHO,
            headers={"Authorization": f"Bearer {config['api_key']}"},
            json_body=_mail(message, idempotency_key),
        )
        said = answer.json if isinstance(answer.json, dict) else {}
        try:
            check_api_answer(answer, who=WHO, reason=_reason(said))
        except DeliveryError as error:
            error.retry_after = error.retry_after or _reset_of(answer)
            raise
        if said.get("errors"):
            raise DeliveryError(f"{WHO} refuses the mail: {_reason(said)}", provider_is_down=True)
        if answer.status != 202:
            raise unclear_answer(answer, who=WHO)
        return Sent(idempotency_key.hex, answer=_accepted(answer))


def _mail(message: Message, key: UUID) -> dict[str, Any]:
    name, sender = parseaddr(message.data["from"])
    return {
        "personalizations": [
            {"to": [{"email": ascii_domain(message.address)}], "custom_args": {OUR_ID: key.hex}}
        ],
        "from": {"email": sender} | ({"name": name} if name else {}),
        "subject": message.subject,
        "content": [
            {"type": "text/plain", "value": message.text},
            *([{"type": "text/html", "value": message.html}] if message.html else []),
        ],
        "headers": dict(message.headers),
        # Links in pages are signed and used once: nobody else opens them on the reader's behalf.
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
        },
    }


def _reason(said: Mapping[str, Any]) -> str:
    errors = said.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else errors
    return plain_reason(first.get("message") if isinstance(first, dict) else first)


def _reset_of(answer: ApiAnswer) -> timedelta | None:
    """SendGrid says when its minute ends, in seconds of the epoch, and not how long to wait."""
    at = answer.headers.get("x-ratelimit-reset", "")
    if answer.status != 429 or not at.isascii() or not at.isdigit():
        return None
    left = timedelta(seconds=int(at[:12]) - time.time())
    return min(max(left, timedelta(seconds=1)), MAX_PATIENCE)


def _accepted(answer: ApiAnswer) -> str:
    number = plain_reason(answer.headers.get("x-message-id", ""))
    return f"{answer.status} {number}".strip()


def read_event(event: Mapping[str, Any]) -> Receipt | None:
    """What one event of the webhook says; None for mail that is not ours, and for other news."""
    number = event.get(OUR_ID)
    if not isinstance(number, str):
        return None
    reason = plain_reason(event.get("reason") or event.get("response"))
    match event.get("event"):
        case "delivered":
            return Receipt(number, True)
        case "bounce":
            is_dead = (
                event.get("type") != "blocked"
                and str(event.get("bounce_classification") or "") in DEAD_CLASSES
            )
            return Receipt(number, False, f"The mail came back: {reason}", is_dead)
        case "dropped":
            is_dead = reason.lower().startswith(SUPPRESSED)
            return Receipt(number, False, f"{WHO} did not send it: {reason}", is_dead)
        case "deferred" | "processed":
            return Receipt(number, None, reason)
    return None
