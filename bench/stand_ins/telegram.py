"""Plays Telegram's Bot API, and the people who write to the bot and press its buttons."""

import json
import urllib.request
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from bench.stand_ins.server import Reply, Request, StandIn, json_reply

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
ALLOWED_TAGS = {"b", "strong", "i", "em", "u", "s", "a", "code", "pre", "blockquote", "tg-spoiler"}
MAX_TEXT_LENGTH = 4096


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.unknown = ""
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ALLOWED_TAGS:
            self.unknown = tag

    def handle_data(self, data: str) -> None:
        self.text += data


class Telegram(StandIn):
    """One bot. Chats that nobody has begun do not exist."""

    def __init__(self) -> None:
        super().__init__()
        self.chats: set[str] = set()
        self.blocked: set[str] = set()
        self.moved: dict[str, str] = {}  # groups that became supergroups
        self.messages: dict[tuple[str, int], dict[str, Any]] = {}  # as they are shown now
        self.answers: list[dict[str, Any]] = []  # to presses
        self.webhook: dict[str, Any] = {}
        self._updates = 0

    def answer(self, request: Request) -> Reply:
        """The result of a method, or what is wrong."""
        _, bot, method = request.path.split("/", 2)
        if bot != f"bot{TOKEN}":
            return _refusal(401, "Unauthorized")
        values = request.json
        match method:
            case "sendMessage":
                return self._send(values)
            case "editMessageText":
                return self._edit(values)
            case "answerCallbackQuery":
                self.answers.append(values)
                return _result(True)
            case "setWebhook":
                self.webhook = values
                return _result(True)
            case _:
                return _refusal(404, "Not Found: method not found")

    def _send(self, values: dict[str, Any]) -> Reply:
        chat = str(values["chat_id"])
        if chat in self.moved:
            text = "Bad Request: group chat was upgraded to a supergroup chat"
            return _refusal(400, text, migrate_to_chat_id=int(self.moved[chat]))
        if chat in self.blocked:
            return _refusal(403, "Forbidden: bot was blocked by the user")
        if chat not in self.chats:
            return _refusal(400, "Bad Request: chat not found")
        problem = _problem_of(values)
        if problem:
            return _refusal(400, f"Bad Request: {problem}")
        number = len(self.messages) + 1
        self.messages[chat, number] = values
        return _result({"message_id": number, "chat": {"id": int(chat)}})

    def _edit(self, values: dict[str, Any]) -> Reply:
        place = str(values["chat_id"]), int(values["message_id"])
        if place not in self.messages:
            return _refusal(400, "Bad Request: message to edit not found")
        problem = _problem_of(values)
        if problem:
            return _refusal(400, f"Bad Request: {problem}")
        shown = self.messages[place]
        if all(shown.get(name) == values.get(name) for name in ("text", "reply_markup")):
            return _refusal(400, "Bad Request: message is not modified: specified new message …")
        self.messages[place] = shown | values
        return _result({"message_id": place[1], "chat": {"id": int(place[0])}})

    def write(self, text: str, *, sender: int, chat: int | None = None) -> dict[str, Any]:
        """The update about somebody who wrote to the bot; the chat exists from then on."""
        place = sender if chat is None else chat
        self.chats.add(str(place))
        message = {"message_id": 10_000 + self._updates, "text": text}
        return self._update("message", message | _who(sender, place))

    def press(self, label: str, *, sender: int, chat: int, number: int) -> dict[str, Any]:
        """The update about somebody who pressed a button; KeyError where there is none."""
        rows = self.messages[str(chat), number]["reply_markup"]["inline_keyboard"]
        buttons = {button["text"]: button for row in rows for button in row}
        press = {
            "id": str(9_000 + self._updates),
            "from": _who(sender, chat)["from"],
            "message": {"message_id": number} | _who(sender, chat),
            "data": buttons[label]["callback_data"],
        }
        return self._update("callback_query", press)

    def leave(self, *, sender: int) -> dict[str, Any]:
        """The update about somebody who blocked the bot."""
        self.blocked.add(str(sender))
        member = {"new_chat_member": {"status": "kicked"}}
        return self._update("my_chat_member", member | _who(sender, sender))

    def deliver(self, update: dict[str, Any]) -> int:
        """Tell the webhook that was set; returns the status of its answer."""
        call = urllib.request.Request(  # noqa: S310 — the address that the bot has set
            self.webhook["url"],
            json.dumps(update).encode(),
            {
                "Content-Type": "application/json",
                "X-Telegram-Bot-Api-Secret-Token": self.webhook["secret_token"],
            },
        )
        with urllib.request.urlopen(call, timeout=20) as answer:  # noqa: S310
            return int(answer.status)

    def _update(self, kind: str, value: dict[str, Any]) -> dict[str, Any]:
        self._updates += 1
        return {"update_id": 700_000 + self._updates, kind: value}


def _who(sender: int, chat: int) -> dict[str, Any]:
    kind = "private" if chat > 0 else "group"
    return {
        "from": {"id": sender, "is_bot": False, "first_name": "Somebody"},
        "chat": {"id": chat, "type": kind},
    }


def _problem_of(values: dict[str, Any]) -> str:
    """Why Telegram would not show this."""
    tags = _Tags()
    tags.feed(values["text"])
    tags.close()
    if tags.unknown:
        return f'can\'t parse entities: Unsupported start tag "{tags.unknown}"'
    if not tags.text.strip():
        return "message text is empty"
    if len(tags.text) > MAX_TEXT_LENGTH:
        return "message is too long"
    rows = values.get("reply_markup", {}).get("inline_keyboard", [])
    for button in (button for row in rows for button in row):
        if len(button.get("callback_data", "").encode()) > 64:
            return "BUTTON_DATA_INVALID"
        if "url" in button and "." not in (urlsplit(button["url"]).hostname or ""):
            return "Wrong HTTP URL"
    return ""


def _result(value: Any) -> Reply:
    return json_reply({"ok": True, "result": value})


def _refusal(code: int, description: str, **parameters: int) -> Reply:
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    if parameters:
        body["parameters"] = parameters
    return json_reply(body, code)
