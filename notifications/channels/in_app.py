"""In the app: the bell and the page of notices. The row itself is the message."""

from uuid import UUID

from notifications.channels.base import Channel, Message, Page
from notifications.models import Notification


class InAppChannel(Channel):
    """Delivered as soon as it is recorded; open pages are told after that."""

    name = "in_app"
    queue = "default"
    phrase = "in the app"
    parallel = 50
    success = Notification.State.DELIVERED

    def render(self, page: Page) -> Message:
        """The notice's title; its page shows more."""
        return Message(address="", text=page.title)

    def send(self, message: Message, idempotency_key: UUID) -> None:
        """Nothing to do: the notice is there once the row says delivered."""
