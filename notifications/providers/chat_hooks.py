"""What the providers have in common that carry messages to the address of a chat."""

import json
from typing import Any
from uuid import UUID

from notifications.channels.base import Message
from notifications.outgoing_http import Answer
from notifications.providers.answers import check_answer
from notifications.providers.base import Provider, ProviderConfig, Sent
from notifications.providers.user_urls import post_message

MAX_ANSWER_BYTES = 64 * 1024
# The vendor itself answers: it says 404 of addresses that it has deleted.
UNKNOWN_HOOK = frozenset({404, 410})


class ChatHookProvider(Provider):
    """POST the rendered document; a chat says in its own words what is wrong with it."""

    is_built_in = True
    holds_addresses = True

    def addressed(self, message: Message, idempotency_key: UUID) -> Message:
        """The message with the address that it is really posted to."""
        return message

    def check(self, answer: Answer) -> str:
        """The chat's id of the message, or nothing; raises DeliveryError for a refusal."""
        check_hook(answer)
        return ""

    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: UUID
    ) -> Sent:
        """Post it. Taken is all that a chat says: it stays `sent`."""
        answer = post_message(self.addressed(message, idempotency_key), read_bytes=MAX_ANSWER_BYTES)
        return Sent(message_id=self.check(answer)[:200], answer=str(answer.status))


def check_hook(answer: Answer) -> None:
    """Raise DeliveryError for what is no success; an unknown address breaks it."""
    check_answer(answer.status, answer.headers.get("retry-after", ""), gone=UNKNOWN_HOOK)


def document_of(answer: Answer) -> dict[str, Any]:
    """The answer's JSON object; empty where it is none."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
