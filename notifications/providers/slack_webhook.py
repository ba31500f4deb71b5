"""Slack by an incoming webhook: one channel, no buttons, nothing to edit.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/
"""

import json
from dataclasses import replace
from uuid import UUID

from notifications.channels.base import DeliveryError, Message
from notifications.channels.slack import without_buttons
from notifications.models import Notification
from notifications.providers.answers import check_answer
from notifications.providers.base import Provider, ProviderConfig, Sent
from notifications.providers.slack_api import DEAD, error_of
from notifications.providers.user_urls import post_message

READ_BYTES = 200


class SlackWebhookProvider(Provider):
    """POST to the address that Slack made up; "ok" means that it is in the channel."""

    kind = "slack_webhook"
    label = "Slack webhook"
    channels = ("slack",)
    is_built_in = True
    holds_addresses = True

    def takes(self, config: ProviderConfig, message: Message) -> bool:
        """Addresses of webhooks only."""
        return message.address.startswith("http")

    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: UUID
    ) -> Sent:
        """Post it."""
        body = {"text": message.text, "attachments": without_buttons(message.data["attachments"])}
        ready = replace(
            message,
            raw=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "OpsKnight"},
        )
        answer = post_message(ready, read_bytes=READ_BYTES)
        said = answer.body.decode(errors="replace").strip()
        if said in DEAD:
            raise error_of(said)
        check_answer(answer.status, answer.headers.get("retry-after", ""))
        if said != "ok":
            raise DeliveryError("The webhook answered something else than ok.", permanent=True)
        return Sent(state=Notification.State.DELIVERED, answer="ok")
