"""Telegram's Bot API. https://core.telegram.org/bots/api"""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from notifications.channels.base import SEND_SECONDS, DeliveryError, Message, Posted
from notifications.providers.answers import MAX_PATIENCE, TRANSIENT_STATUSES
from notifications.providers.base import Field, Provider, ProviderConfig, Sent
from notifications.providers.http import ApiAnswer, call

API_URL = "https://api.telegram.org"
# Beginnings of what Telegram says of a chat that will never take a message again.
DEAD_CHATS = (
    "bad request: chat not found",
    "bad request: user not found",
    "bad request: peer_id_invalid",
    "bad request: not enough rights",
    "bad request: need administrator rights",
    "forbidden:",
)
# An edit that comes twice, or of what somebody deleted: there is nothing left to do.
EDITED_ENOUGH = (
    "bad request: message is not modified",
    "bad request: message to edit not found",
    "bad request: message can't be edited",
)


class ChatMoved(Exception):
    """A group became a supergroup and has another id."""

    def __init__(self, chat: str) -> None:
        super().__init__(chat)
        self.chat = chat


class TelegramProvider(Provider):
    """One bot."""

    kind = "telegram"
    label = "Telegram"
    channels = ("telegram",)
    edits = True
    only_one = True
    holds_addresses = True  # as a rule it is one chat that hears too much
    fields = (
        Field("bot_token", "Bot token", is_secret=True, help_text="As @BotFather gave it."),
        Field("bot_name", "Name of the bot", is_required=False, help_text="Without the @."),
        Field(
            "webhook_secret",
            "Webhook secret",
            is_secret=True,
            is_required=False,
            help_text="Letters, digits, _ and -. Without it nobody can answer.",
        ),
        Field("api_url", "Address of the API", is_required=False, default=API_URL),
    )

    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: UUID
    ) -> Sent:
        """Send it; a group that moved is followed once, both within SEND_SECONDS."""
        started = time.monotonic()
        values = _content(message) | {"chat_id": message.address}
        if reply_to := message.data["reply_to"]:
            values["reply_parameters"] = {
                "message_id": int(reply_to.message_id),
                "chat_id": reply_to.place,
                "allow_sending_without_reply": True,
            }
        try:
            result = ask_bot(config, "sendMessage", values)
        except ChatMoved as moved:
            values.pop("reply_parameters", None)
            left = max(SEND_SECONDS - (time.monotonic() - started), 1.0)
            result = _follow(config, values | {"chat_id": moved.chat}, left)
        posted = _posted(config, result)
        return Sent(message_id=f"{posted.place}/{posted.message_id}", posted=posted)

    def edit(self, message: Message, *, config: ProviderConfig, posted: Posted) -> None:
        """Say something else where the message stands; raises DeliveryError."""
        values = _content(message) | {
            "chat_id": posted.place,
            "message_id": int(posted.message_id),
        }
        try:
            ask_bot(config, "editMessageText", values)
        except ChatMoved as moved:
            raise DeliveryError("The group has moved.", permanent=True) from moved


def ask_bot(
    config: ProviderConfig,
    method: str,
    values: Mapping[str, Any],
    *,
    seconds: float = SEND_SECONDS,
) -> Any:
    """Call a method of the API; returns its result. Raises DeliveryError and ChatMoved.

    The token is a part of the address, so nothing of the address is ever said.
    """
    base = config["api_url"] or API_URL
    answer = call(
        "POST",
        f"{base.rstrip('/')}/bot{config['bot_token']}/{method}",
        who="Telegram",
        json_body=dict(values),
        seconds=seconds,
    )
    document = answer.json
    if not isinstance(document, dict):
        document = {}
    if answer.status == 200 and document.get("ok") is True:
        return document.get("result")
    description = str(document.get("description", ""))
    if description.lower().startswith(EDITED_ENOUGH):
        return None
    raise _failure(answer, document, description)


def _follow(config: ProviderConfig, values: Mapping[str, Any], seconds: float) -> Any:
    try:
        return ask_bot(config, "sendMessage", values, seconds=seconds)
    except ChatMoved as moved:
        raise DeliveryError("The group moved again and again.") from moved


def _posted(config: ProviderConfig, result: Any) -> Posted:
    """Where the message stands; raises DeliveryError for an answer that names none."""
    try:
        return Posted(config.key, str(result["chat"]["id"]), str(result["message_id"]))
    except (KeyError, TypeError) as error:
        raise DeliveryError(
            "Telegram answered without a message.", may_have_arrived=True, provider_is_down=True
        ) from error


def _content(message: Message) -> dict[str, Any]:
    return {
        "text": message.html,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "reply_markup": {"inline_keyboard": message.data["buttons"]},
    }


def _failure(answer: ApiAnswer, document: Mapping[str, Any], description: str) -> Exception:
    """What a refusal means; Telegram's own words are shortened and never hold the token."""
    raw = document.get("parameters")
    parameters: Mapping[str, Any] = raw if isinstance(raw, dict) else {}
    if (chat := parameters.get("migrate_to_chat_id")) is not None:
        return ChatMoved(str(chat))
    code = document.get("error_code")
    status = code if isinstance(code, int) else answer.status
    text = f"Telegram: {description[:200] or f'answered {status}'}"
    if status in (401, 404):
        # The token is wrong or was revoked: no chat is to blame.
        return DeliveryError(f"{text}. Check the bot's token.", provider_is_down=True)
    if status >= 500 or status < 400:
        is_unclear = status < 400 and document.get("ok") is not False
        return DeliveryError(text, may_have_arrived=is_unclear, provider_is_down=True)
    if status in TRANSIENT_STATUSES:
        # Of this chat, as a rule: a bot may write more to all chats than to one.
        return DeliveryError(text, retry_after=_patience(parameters.get("retry_after")))
    return DeliveryError(
        text, permanent=True, breaks_address=description.lower().startswith(DEAD_CHATS)
    )


def _patience(seconds: object) -> timedelta | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 0:
        return None
    return min(timedelta(seconds=min(seconds, 10**6)), MAX_PATIENCE)
