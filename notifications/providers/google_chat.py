"""Google Chat's webhooks.

https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages/create
"""

from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from notifications.channels.base import DeliveryError, Message
from notifications.outgoing_http import Answer
from notifications.providers.chat_hooks import ChatHookProvider, check_hook, document_of

OURS = ("messageReplyOption=", "requestId=")


class GoogleChatProvider(ChatHookProvider):
    """Answers in the thread of the incident where there is one already."""

    kind = "google_chat"
    label = "Google Chat"
    channels = ("google_chat",)

    def addressed(self, message: Message, idempotency_key: UUID) -> Message:
        """A repetition with the same `requestId` makes no second message."""
        parts = urlsplit(message.address)
        query = [pair for pair in parts.query.split("&") if pair and not pair.startswith(OURS)]
        query.append(f"requestId={idempotency_key}")
        if message.data["incident"] is not None:
            query.append("messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD")
        fresh = urlunsplit(parts._replace(query="&".join(query), fragment=""))
        return replace(message, address=fresh)

    def check(self, answer: Answer) -> str:
        """The message's name, such as `spaces/AAAA/messages/BBBB`."""
        check_hook(answer)
        document = document_of(answer)
        if "error" in document:
            raise DeliveryError("Google Chat answered with an error.")
        if "name" not in document:
            raise DeliveryError("Google Chat answered without a message.", may_have_arrived=True)
        return str(document["name"])
