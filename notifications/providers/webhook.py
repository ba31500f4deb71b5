"""A webhook: whoever answers at the URL is the provider."""

from uuid import UUID

from notifications.channels.base import Message
from notifications.models import Notification
from notifications.providers.answers import check_answer
from notifications.providers.base import Provider, ProviderConfig, Sent
from notifications.providers.user_urls import post_message


class WebhookProvider(Provider):
    """POST; 2xx means the other side has it: delivered."""

    kind = "webhook"
    label = "Webhook"
    channels = ("webhook",)
    is_built_in = True
    holds_addresses = True

    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: UUID
    ) -> Sent:
        """Send it; the key is a header already."""
        answer = post_message(message)
        check_answer(answer.status, answer.headers.get("retry-after", ""))
        return Sent(state=Notification.State.DELIVERED, answer=str(answer.status))
