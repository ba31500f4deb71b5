"""Telegram: a message of a bot, with buttons. https://core.telegram.org/bots/api#sendmessage"""

import ipaddress
from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import urlsplit

from notifications.channels.base import (
    CardChannel,
    DeliveryError,
    Message,
    Page,
    PagedIncident,
    Posted,
)
from notifications.channels.email import one_line
from notifications.channels.words import Words, words_of, words_of_incident
from notifications.models import Notification
from notifications.models.preferences import is_telegram_chat

# What a press of a button brings back: "<action>:<incidents>", at most 64 bytes.
MAX_PRESS_BYTES = 64
# What can still be done in each state.
ACTIONS = {"triggered": ("acknowledge", "resolve"), "acknowledged": ("resolve",)}
LABELS = {"acknowledge": "Acknowledge", "resolve": "Resolve"}


class TelegramChannel(CardChannel):
    """Later messages about an incident answer the first one, which is edited as it moves on."""

    name = "telegram"
    queue = "telegram"
    phrase = "by Telegram"
    parallel = 20

    def render(self, pages: Sequence[Page]) -> Message:
        """`html`: the text in Telegram's HTML.

        `data`: `buttons`, rows of buttons as Telegram wants them; `reply_to`, the Posted message
        that this one answers, or None.
        """
        address = pages[0].address
        if not is_telegram_chat(address):
            raise DeliveryError(
                "The address is no chat in Telegram.", permanent=True, breaks_address=True
            )
        words = words_of(pages)
        posted = pages[0].posted if len(pages) == 1 else None
        return _message(address, words, posted, asks=all(_asks(page) for page in pages))

    def render_card(
        self, incident: PagedIncident, *, address: str, shown: str, said: str
    ) -> Message:
        """The message as it is to be now, with the buttons that are left."""
        words = words_of_incident(incident, news=one_line(said))
        return _message(address, words, None, asks=True)


def _message(address: str, words: Words, posted: Posted | None, *, asks: bool) -> Message:
    answers = _answers(words) if asks else []
    return Message(
        address=address,
        subject=words.title,
        text=words.plain,
        html=_html(words),
        data={"buttons": _buttons(words, answers), "reply_to": posted},
    )


def _asks(page: Page) -> bool:
    """Whether somebody is to answer, which news are not for."""
    return page.event is None and page.reason != Notification.Reason.STATUS


def _html(words: Words) -> str:
    """The title in bold. Of HTML Telegram knows little, and line breaks are line breaks."""
    facts = [f"{escape(label)}: {escape(value)}" for label, value in words.facts]
    parts = [f"<b>{escape(words.title)}</b>", escape(words.text), "\n".join(facts)]
    if words.url and not _is_open_to_telegram(words.url):
        parts.append(escape(words.url))
    return "\n\n".join(part for part in parts if part)


def _buttons(words: Words, answers: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """What can be done, in one row, and the link below it."""
    rows = [answers] if answers else []
    if words.url and _is_open_to_telegram(words.url):
        rows.append([{"text": words.link, "url": words.url}])
    return rows


def _answers(words: Words) -> list[dict[str, Any]]:
    """The buttons that act; none where their incidents do not fit into one press."""
    ids = ",".join(str(incident.id) for incident in words.incidents)
    every = "" if len(words.incidents) == 1 else " all"
    return [
        {"text": LABELS[action] + every, "callback_data": press}
        for action in ACTIONS.get(words.status, ())
        if ids and len(press := f"{action}:{ids}") <= MAX_PRESS_BYTES
    ]


def _is_open_to_telegram(url: str) -> bool:
    """Telegram refuses a whole message for one button that leads to a name without a dot."""
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "." in host
