"""Discord's webhooks. https://discord.com/developers/docs/resources/webhook#execute-webhook"""

from dataclasses import replace
from datetime import timedelta
from math import isfinite
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from notifications.channels.base import DeliveryError, Message
from notifications.outgoing_http import Answer
from notifications.providers.answers import MAX_PATIENCE
from notifications.providers.chat_hooks import ChatHookProvider, check_hook, document_of

INVALID_TOKEN = 50027  # of the address: it was deleted, or never was


class DiscordProvider(ChatHookProvider):
    """Asks to wait until the message is stored: without that, a lost one would look taken."""

    kind = "discord"
    label = "Discord"
    channels = ("discord",)

    def addressed(self, message: Message, idempotency_key: UUID) -> Message:
        """With `wait=true`, beside a `thread_id` that somebody may have put there."""
        parts = urlsplit(message.address)
        kept = [pair for pair in parts.query.split("&") if pair and not pair.startswith("wait=")]
        query = "&".join([*kept, "wait=true"])
        return replace(message, address=urlunsplit(parts._replace(query=query, fragment="")))

    def check(self, answer: Answer) -> str:
        """A stored message has an id. How long to wait after a 429 is said in several places.

        The number in the body was one of milliseconds before version 8 of the API, which an address
        may name or not; the header is always in seconds.
        """
        document = document_of(answer)
        if answer.status == 429:
            wait = _wait_of(_number(answer.headers.get("x-ratelimit-reset-after", "")))
            wait = _wait_of(document.get("retry_after")) if wait is None else wait
            if wait is not None:
                raise DeliveryError("Answered 429.", retry_after=wait)
        if document.get("code") == INVALID_TOKEN:
            raise DeliveryError(
                "Discord knows no such webhook.", permanent=True, breaks_address=True
            )
        check_hook(answer)
        if "id" not in document:
            raise DeliveryError("Discord answered without a message.", may_have_arrived=True)
        return str(document["id"])


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _wait_of(seconds: object) -> timedelta | None:
    """The number that Discord gave, never longer than MAX_PATIENCE; None for what is none."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not isfinite(seconds):
        return None
    return timedelta(seconds=min(max(seconds, 0), MAX_PATIENCE.total_seconds()))
