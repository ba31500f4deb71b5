"""Plays Resend: takes mail over the API, drops repetitions, and reports events as Svix signs."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from bench.stand_ins.server import Reply, Request, StandIn, json_reply

API_KEY = "re_stand_in"
SECRET = "whsec_" + base64.b64encode(b"a secret of the stand-in").decode()


class Resend(StandIn):
    """POST and GET /emails, with idempotency keys."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: dict[str, dict[str, Any]] = {}  # number → mail
        self.last_events: dict[str, str] = {}  # number → event
        self._by_key: dict[str, str] = {}  # idempotency key → number

    def answer(self, request: Request) -> Reply:
        """200 with the number of a mail that is as documented."""
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            return _refuse(403, "invalid_api_key", "API key is invalid")
        if request.method == "GET" and request.path.startswith("/emails/"):
            return self._tell(request.path.removeprefix("/emails/"))
        if (request.method, request.path) != ("POST", "/emails"):
            return _refuse(404, "not_found", "The requested endpoint does not exist")
        return self._take(request)

    def _tell(self, number: str) -> Reply:
        if number not in self.mails:
            return _refuse(404, "not_found", "Email not found")
        event = self.last_events.get(number, "sent")
        return json_reply({"object": "email", "id": number, "last_event": event})

    def _take(self, request: Request) -> Reply:
        mail, key = request.json, request.headers.get("idempotency-key", "")
        missing = [name for name in ("from", "to", "subject") if not mail.get(name)]
        if missing:
            return _refuse(422, "missing_required_field", f"Missing `{missing[0]}` field.")
        if known := self._by_key.get(key):
            if self.mails[known] == mail:
                return json_reply({"id": known})
            return _refuse(409, "invalid_idempotent_request", "Same key, different payload")
        number = str(uuid4())
        self.mails[number] = mail
        if key:
            self._by_key[key] = number
        return json_reply({"id": number})

    def signed(
        self, event: Mapping[str, Any], *, at: float | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a report."""
        body, number = json.dumps(event).encode(), "msg_1"
        stamp = str(int(time.time() if at is None else at))
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        digest = hmac.digest(key, f"{number}.{stamp}.".encode() + body, hashlib.sha256)
        signature = "v1," + base64.b64encode(digest).decode()
        return body, {"svix-id": number, "svix-timestamp": stamp, "svix-signature": signature}


def _refuse(status: int, name: str, message: str) -> Reply:
    return json_reply({"statusCode": status, "name": name, "message": message}, status)
