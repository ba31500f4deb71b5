"""Microsoft Teams: an Adaptive Card 1.4, posted to the address of a workflow.

https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
"""

from collections.abc import Sequence
from typing import Any

from notifications.channels.base import Page
from notifications.channels.chat_hooks import ChatHookChannel
from notifications.channels.words import Words

CARD_TYPE = "application/vnd.microsoft.card.adaptive"
SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
VERSION = "1.4"
COLOURS = {"triggered": "Attention", "acknowledged": "Warning", "resolved": "Good"}


class TeamsChannel(ChatHookChannel):
    """One card."""

    name = "teams"
    queue = "teams"
    phrase = "in Microsoft Teams"

    def body(self, words: Words, pages: Sequence[Page]) -> dict[str, Any]:
        """Text runs, because a TextBlock would take a title for Markdown, links and all."""
        colour = COLOURS.get(words.status, "Default")
        items: list[dict[str, Any]] = [
            _run(words.title, weight="Bolder", size="Medium", color=colour)
        ]
        if words.text:
            items.append(_run(words.text))
        if words.facts:
            facts = [{"title": label, "value": value} for label, value in words.facts]
            items.append({"type": "FactSet", "facts": facts})
        card: dict[str, Any] = {
            "$schema": SCHEMA,
            "type": "AdaptiveCard",
            "version": VERSION,
            "fallbackText": words.title,
            "msteams": {"width": "Full"},
            "body": items,
        }
        if words.url:
            card["actions"] = [{"type": "Action.OpenUrl", "title": words.link, "url": words.url}]
        attachment = {"contentType": CARD_TYPE, "contentUrl": None, "content": card}
        return {"type": "message", "attachments": [attachment]}


def _run(text: str, **style: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}
