"""In the app."""

from uuid import UUID

from notifications.channels.base import Message
from notifications.models import Notification
from notifications.providers.base import Provider, ProviderConfig, Sent


class InAppProvider(Provider):
    """Nothing to do: the notice is there once the row says delivered."""

    kind = "in_app"
    label = "OpsKnight"
    channels = ("in_app",)
    is_built_in = True

    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: UUID
    ) -> Sent:
        """Delivered."""
        return Sent(state=Notification.State.DELIVERED)
