"""Push: a notification of a browser, with buttons that answer at one press."""

import json
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError

from notifications.bundling import bundle_id
from notifications.channels.base import Channel, DeliveryError, Message, Page
from notifications.channels.words import Words, words_of
from notifications.links import LinkAction, answer_url
from notifications.models import Notification
from notifications.models.preferences import validate_webhook_address
from notifications.push_receipts import receipt_url
from opsknight.encryption import CannotDecrypt, decrypt

# A browser that is off gets it later, but not so late that the page is history.
TTL_SECONDS = {"high": 4 * 3600, "medium": 12 * 3600, "low": 24 * 3600}
# RFC 8030, section 5.3: what a telephone on battery is woken up for.
URGENCIES = {"high": "high", "medium": "normal", "low": "low"}
# Push services take 4 KiB of cipher text; 300 letters are 1,200 bytes at most.
MAX_BODY_LENGTH = 300
MAX_TITLE_LENGTH = 120
BUTTONS: tuple[tuple[LinkAction, str], ...] = (
    ("acknowledge", "Acknowledge"),
    ("resolve", "Resolve"),
)
# What can still be done in each state.
OPEN_ACTIONS = {"triggered": ("acknowledge", "resolve"), "acknowledged": ("resolve",)}


class PushChannel(Channel):
    """What the service worker shows (see notifications/templates/notifications/sw.js)."""

    name = "push"
    queue = "push"
    phrase = "by push"
    parallel = 20

    def render(self, pages: Sequence[Page]) -> Message:
        """`raw`: the JSON that the service worker reads, not encrypted yet.

        `secret`: the keys of the browser as JSON. `data`: `ttl` in seconds, `urgency` and `topic`
        for the push service; of one topic it keeps only the newest message.
        """
        page = pages[0]
        _check_address(page.address)
        words = words_of(pages)
        urgency = _urgency_of(pages)
        return Message(
            address=page.address,
            subject=words.title,
            text=words.plain,
            raw=json.dumps(payload_of(pages, words), ensure_ascii=False).encode(),
            data={
                "ttl": TTL_SECONDS[urgency],
                "urgency": URGENCIES[urgency],
                "topic": _tag_of(pages, words),
            },
            secret=_keys_of(page),
        )


def payload_of(pages: Sequence[Page], words: Words) -> dict[str, Any]:
    """`title`, `body`, `url` that a press opens, `tag`, `urgent`, `actions` (each with the `url`
    that is posted to; one without opens `url`), and `receipt`, by which the browser says that it
    has shown it.
    """
    facts = " · ".join(value for _, value in words.facts)
    body = "\n".join(part for part in (facts, words.text) if part)
    return {
        "title": words.title[:MAX_TITLE_LENGTH],
        "body": body[:MAX_BODY_LENGTH],
        "url": words.url,
        "tag": _tag_of(pages, words),
        "urgent": _urgency_of(pages) == "high",
        "actions": _actions_of(pages, words),
        "receipt": receipt_url(pages[0].idempotency_key),
    }


def _actions_of(pages: Sequence[Page], words: Words) -> list[dict[str, str]]:
    """What can be done at one press: of several incidents to acknowledge all, or to open them."""
    if len(pages) > 1:
        return _actions_of_several(pages, words)
    possible = OPEN_ACTIONS.get(words.status, ())
    return [
        {"action": action, "title": title, "url": url}
        for action, title in BUTTONS
        if action in possible and (url := answer_url(pages[0], action))
    ]


def _actions_of_several(pages: Sequence[Page], words: Words) -> list[dict[str, str]]:
    actions = [{"action": "open", "title": "Open"}]
    paged = next((page for page in pages if page.incident is not None), None)
    if paged is not None and words.status == "triggered":
        url = answer_url(paged, "acknowledge_all")
        everything = {"action": "acknowledge_all", "title": "Acknowledge all", "url": url}
        return [everything, *actions] if url else actions
    return actions


def _tag_of(pages: Sequence[Page], words: Words) -> str:
    """At most 32 letters of the URL-safe alphabet (RFC 8030, section 5.4).

    A later message about an incident replaces the earlier one. One about several replaces only its
    own repetition: others of the service tell of other incidents.
    """
    if len(words.incidents) == 1:
        return f"incident-{words.incidents[0].id}"
    return bundle_id(pages).hex


def _urgency_of(pages: Sequence[Page]) -> str:
    """The highest of them; a code or a test is waited for, other notices are not urgent."""
    found = {page.incident.urgency for page in pages if page.incident is not None}
    if found:
        return min(found, key=list(TTL_SECONDS).index)
    awaited = (Notification.Reason.TEST, Notification.Reason.VERIFICATION)
    return "high" if pages[0].reason in awaited else "medium"


def _check_address(address: str) -> None:
    try:
        validate_webhook_address(address)
    except ValidationError as error:
        raise DeliveryError(
            "The browser's address cannot be used.", permanent=True, breaks_address=True
        ) from error


def _keys_of(page: Page) -> str:
    """Decrypted here and not by the query: one lost key must not stop the other pages."""
    try:
        return decrypt(page.secret_token) if page.secret_token else ""
    except CannotDecrypt as error:
        raise DeliveryError("The browser's keys cannot be decrypted.", permanent=True) from error
