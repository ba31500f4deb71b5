"""Chats that give out an address to post to: whoever knows it writes into the channel."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError

from notifications.channels.base import Channel, DeliveryError, Message, Page
from notifications.channels.words import Words, words_of
from notifications.models.preferences import validate_webhook_address

HEADERS = {"Content-Type": "application/json", "User-Agent": "OpsKnight"}


class ChatHookChannel(Channel):
    """One JSON document per message; `body` is what a chat understands."""

    parallel = 20

    @abstractmethod
    def body(self, words: Words, pages: Sequence[Page]) -> Mapping[str, Any]:
        """What the chat shows."""

    def render(self, pages: Sequence[Page]) -> Message:
        """The request's body. `data`: `incident`, the id that a thread may be about, or None."""
        address = pages[0].address
        try:
            validate_webhook_address(address)
        except ValidationError as error:
            raise DeliveryError(
                "The address cannot be used.", permanent=True, breaks_address=True
            ) from error
        words = words_of(pages)
        only = words.incidents[0].id if len(words.incidents) == 1 else None
        return Message(
            address=address,
            subject=words.title,
            text=words.plain,
            raw=json.dumps(
                self.body(words, pages), ensure_ascii=False, separators=(",", ":")
            ).encode(),  # Teams takes 28 KB, and an escaped letter has up to twelve bytes
            headers=dict(HEADERS),
            data={"incident": only},
        )
