"""In the app: the bell and the page of notices. The row itself is the message."""

from collections.abc import Sequence

from notifications.channels.base import Channel, Message, Page


class InAppChannel(Channel):
    """Delivered as soon as it is recorded; open pages are told after that."""

    name = "in_app"
    queue = "default"
    phrase = "in the app"
    parallel = 50
    gathers = False

    def render(self, pages: Sequence[Page]) -> Message:
        """The notice's title; its page shows more."""
        return Message(address="", text=pages[0].title)
