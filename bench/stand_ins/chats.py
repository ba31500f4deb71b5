"""Play Microsoft Teams, Google Chat and Discord: they check cards and refuse in their own words."""

import re
from typing import Any

from bench.stand_ins.server import Reply, Request, StandIn, json_reply

CARD_TYPE = "application/vnd.microsoft.card.adaptive"


class Teams(StandIn):
    """A workflow at /workflow, an old connector at /connector."""

    MAX_BYTES = 28 * 1024

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[dict[str, Any]] = []
        self.is_switched_off = False

    def answer(self, request: Request) -> Reply:
        """202; a connector says 200 to everything."""
        is_connector = request.path.startswith("/connector")
        if self.is_switched_off:
            error = {"code": "WorkflowTriggerIsNotEnabled", "message": "Could not execute …"}
            return json_reply({"error": error}, 400)
        if len(request.body) > self.MAX_BYTES:
            return self._too_large(is_connector)
        attachments = request.json.get("attachments")
        if not isinstance(attachments, list):
            return json_reply({"error": {"code": "ExpressionEvaluationFailed"}}, 400)
        for attachment in attachments:
            card = attachment["content"]
            assert attachment["contentType"] == CARD_TYPE, attachment
            assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4"), card
            self.cards.append(card)
        return Reply(200, b"1") if is_connector else Reply(202)

    def _too_large(self, is_connector: bool) -> Reply:
        if not is_connector:
            return json_reply({"error": {"code": "RequestEntityTooLarge"}}, 413)
        text = (
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned "
            "HTTP error 413 with ContextId tcid=0,server=DB5PEPF00003FC8,cv=Asz.1.0."
        )
        return Reply(200, text.encode())


class GoogleChat(StandIn):
    """One space, `/v1/spaces/AAAA/messages?key=k&token=t`."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[str, dict[str, Any]] = {}  # by requestId
        self.threads: dict[str, str] = {}

    @property
    def address(self) -> str:
        """The webhook that the space gives out."""
        return f"{self.url}/v1/spaces/AAAA/messages?key=k&token=t"

    def answer(self, request: Request) -> Reply:
        """The message's name and thread; of a repeated requestId those of the first."""
        query = {name: values[-1] for name, values in request.query.items()}
        if request.path != "/v1/spaces/AAAA/messages":
            return _google_error(404, "NOT_FOUND", "Webhook not found.")
        if query.get("token") != "t":
            return _google_error(401, "UNAUTHENTICATED", "The webhook's token is wrong.")
        body = request.json
        for card in body.get("cardsV2", []):
            if not all(section["widgets"] for section in card["card"]["sections"]):
                return _google_error(400, "INVALID_ARGUMENT", "A section has no widget.")
        known = self.messages.get(query.get("requestId", ""))
        if known is None:
            thread = self._thread_of(body, query.get("messageReplyOption", ""))
            name = f"spaces/AAAA/messages/{len(self.messages) + 1}"
            known = {"name": name, "thread": {"name": thread}, "body": body}
            self.messages[query.get("requestId", name)] = known
        return json_reply({"name": known["name"], "thread": known["thread"]})

    def _thread_of(self, body: dict[str, Any], option: str) -> str:
        key = body.get("thread", {}).get("threadKey", "")
        fresh = f"spaces/AAAA/threads/{len(self.messages) + 1}"
        if not key or option != "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD":
            return fresh
        return self.threads.setdefault(key, fresh)


def _google_error(code: int, status: str, message: str) -> Reply:
    return json_reply({"error": {"code": code, "message": message, "status": status}}, code)


class Discord(StandIn):
    """One webhook, `/api/webhooks/1/token`."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        """The webhook that the channel gives out."""
        return f"{self.url}/api/webhooks/1/token"

    def answer(self, request: Request) -> Reply:
        """The message where somebody waits for it, else 204."""
        found = re.fullmatch(r"/api/webhooks/(\d+)/(\w+)", request.path)
        if found is None or found[1] != "1":
            return json_reply({"message": "Unknown Webhook", "code": 10015}, 404)
        if found[2] != "token":
            return json_reply({"message": "Invalid Webhook Token", "code": 50027}, 401)
        body = request.json
        for embed in body["embeds"]:
            if len(embed["title"]) > 256 or len(embed.get("description", "")) > 4096:
                return json_reply({"embeds": ["0"]}, 400)
        self.messages.append(body)
        if request.query.get("wait") != ["true"]:
            return Reply(204)
        return json_reply({"id": str(1000 + len(self.messages)), "channel_id": "7"} | body)


def rate_limited(seconds: float) -> Reply:
    """What Discord says to whoever is too quick."""
    body = {"message": "You are being rate limited.", "retry_after": seconds, "global": False}
    return json_reply(body, 429, retry_after=str(int(seconds) + 1))
