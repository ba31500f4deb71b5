"""What Telegram tells us: messages to the bot, presses of its buttons, and that it was blocked.

JSON, with the secret that the bot was given in a header. The answer to it may be one call of the
Bot API. https://core.telegram.org/bots/api#making-requests-when-getting-updates
"""

import json
import logging
from collections.abc import Mapping
from typing import Any, cast, get_args

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from notifications.services.accounts import accounts_of_kind
from notifications.services.answers import Action
from notifications.services.telegram_accounts import Member, note_blocked
from notifications.services.telegram_updates import (
    Press,
    answer_group,
    answer_press,
    answer_private,
)

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 256 * 1024
# Of the text that is shown to whoever pressed.
MAX_ANSWER_LENGTH = 200
MAX_TEXT_LENGTH = 500
LARGEST_ID = 2**63


@csrf_exempt
@require_POST
def updates(request: HttpRequest) -> HttpResponse:
    """Do what somebody wrote or pressed; 403 without the secret of one of our bots.

    Everything else is answered 200: Telegram would repeat it for a day.
    """
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
        return HttpResponse("Too large.", status=413)
    if not _is_from_telegram(request):
        logger.warning("Refused an update for a Telegram bot without its secret.")
        return HttpResponse("The secret is missing or wrong.", status=403)
    try:
        call = _answer(json.loads(request.body))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        logger.warning("An update for the Telegram bot could not be read: %r", error)
        return HttpResponse()
    return JsonResponse(call) if call else HttpResponse()


def _is_from_telegram(request: HttpRequest) -> bool:
    given = request.headers.get("X-Telegram-Bot-Api-Secret-Token", "").encode()
    secrets = [account["webhook_secret"].encode() for account in accounts_of_kind("telegram")]
    return any(secret and constant_time_compare(given, secret) for secret in secrets)


def _answer(update: Mapping[str, Any]) -> dict[str, Any] | None:
    """One call of the Bot API; None: there is nothing to say."""
    if pressed := update.get("callback_query"):
        return _answer_press(pressed)
    if moved := update.get("my_chat_member"):
        _note_member(moved)
    if message := update.get("message"):
        return _answer_message(message)
    return None


def _answer_press(pressed: Mapping[str, Any]) -> dict[str, Any]:
    press = read_press(pressed)
    text = answer_press(press=press, now=timezone.now()) if press else "This button is too old."
    shown = text if len(text) <= MAX_ANSWER_LENGTH else text[: MAX_ANSWER_LENGTH - 1] + "…"
    return {
        "method": "answerCallbackQuery",
        "callback_query_id": str(pressed["id"]),
        "text": shown,
        # One line passes by; more is to be read.
        "show_alert": "\n" in text or len(text) > 60,
    }


def read_press(pressed: Mapping[str, Any]) -> Press | None:
    """What was pressed; None for a button that is none of ours."""
    action, _, ids = str(pressed.get("data", "")).partition(":")
    parts = ids.split(",")
    if action not in get_args(Action):
        return None
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        return None
    numbers = tuple(dict.fromkeys(int(part) for part in parts))
    return Press(_member(pressed["from"]), cast(Action, action), numbers)


def _answer_message(message: Mapping[str, Any]) -> dict[str, Any] | None:
    chat, sender = message["chat"], message.get("from") or {}
    text = str(message.get("text", ""))[:MAX_TEXT_LENGTH].replace("\x00", "")
    if sender.get("is_bot") or not text:
        return None
    if chat["type"] == "private":
        number = f"{chat['id']}/{message['message_id']}"
        said = answer_private(
            member=_member(sender), text=text, message_id=number, now=timezone.now()
        )
    else:
        said = answer_group(chat_id=_id(chat["id"]), text=text)
    return {"method": "sendMessage", "chat_id": chat["id"], "text": said} if said else None


def _note_member(moved: Mapping[str, Any]) -> None:
    is_private = moved["chat"]["type"] == "private"
    if is_private and moved["new_chat_member"]["status"] == "kicked":
        note_blocked(member_id=_id(moved["chat"]["id"]))


def _member(sender: Mapping[str, Any]) -> Member:
    name = sender.get("username") or sender.get("first_name") or sender["id"]
    return Member(_id(sender["id"]), str(name).replace("\x00", ""))


def _id(value: Any) -> int:
    """A number of somebody or of a chat; raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= LARGEST_ID:
        raise ValueError("no number of a chat")
    return value


telegram_patterns: list[URLPattern] = [path("telegram/", updates, name="telegram-updates")]
