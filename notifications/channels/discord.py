"""Discord: an embed in a channel. https://discord.com/developers/docs/resources/webhook"""

import re
from collections.abc import Sequence
from typing import Any

from notifications.channels.base import Page
from notifications.channels.chat_hooks import ChatHookChannel
from notifications.channels.words import Words

MAX_TITLE_LENGTH = 256
MAX_TEXT_LENGTH = 4096
MAX_VALUE_LENGTH = 1024
_MARKS = re.compile(r"([\\`*_~|>#\[\]()<@:-])")


class DiscordChannel(ChatHookChannel):
    """One embed in the colour of the status."""

    name = "discord"
    queue = "discord"
    phrase = "in Discord"

    def body(self, words: Words, pages: Sequence[Page]) -> dict[str, Any]:
        """Nothing in a title can mention anybody, whatever it says."""
        embed: dict[str, Any] = {
            "title": plain(words.title)[:MAX_TITLE_LENGTH],
            "color": words.colour,
            "fields": [
                {"name": label, "value": plain(value)[:MAX_VALUE_LENGTH], "inline": True}
                for label, value in words.facts
            ],
        }
        if words.text:
            embed["description"] = plain(words.text)[:MAX_TEXT_LENGTH]
        if words.url:
            embed["url"] = words.url
        return {"username": "OpsKnight", "embeds": [embed], "allowed_mentions": {"parse": []}}


def plain(text: str) -> str:
    """The text with Discord's marks taken literally."""
    return _MARKS.sub(r"\\\1", text)
