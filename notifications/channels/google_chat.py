"""Google Chat: a card (v2) in a space, one thread per incident.

https://developers.google.com/workspace/chat/quickstart/webhooks
"""

from collections.abc import Sequence
from html import escape
from typing import Any

from notifications.channels.base import Page
from notifications.channels.chat_hooks import ChatHookChannel
from notifications.channels.words import Words

CARD_ID = "opsknight"


class GoogleChatChannel(ChatHookChannel):
    """One card. Its texts are a little HTML, so what comes from outside is escaped."""

    name = "google_chat"
    queue = "google_chat"
    phrase = "in Google Chat"

    def body(self, words: Words, pages: Sequence[Page]) -> dict[str, Any]:
        """`fallbackText` is what telephones show in their list of notifications."""
        card = {
            "header": {"title": words.title, "subtitle": "OpsKnight"},
            "sections": [{"widgets": _widgets(words)}],
        }
        body: dict[str, Any] = {
            "fallbackText": words.title,
            "cardsV2": [{"cardId": CARD_ID, "card": card}],
        }
        if len(words.incidents) == 1:
            body["thread"] = {"threadKey": f"opsknight-incident-{words.incidents[0].id}"}
        return body


def _widgets(words: Words) -> list[dict[str, Any]]:
    widgets: list[dict[str, Any]] = []
    if words.text:
        widgets.append({"textParagraph": {"text": escape(words.text).replace("\n", "<br>")}})
    for label, value in words.facts:
        shown = escape(value)
        if label == "Status":
            shown = f'<font color="{words.hex_colour}">{shown}</font>'
        widgets.append({"decoratedText": {"topLabel": label, "text": shown}})
    if words.url:
        button = {"text": words.link, "onClick": {"openLink": {"url": words.url}}}
        widgets.append({"buttonList": {"buttons": [button]}})
    # A card without a widget is refused.
    return widgets or [{"textParagraph": {"text": escape(words.title)}}]
