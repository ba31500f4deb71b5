"""Plays SendGrid: takes mail over the API and reports events under its signature."""

import base64
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.stand_ins.server import Reply, Request, StandIn, json_reply

API_KEY = "SG.stand-in"
RESERVED_HEADERS = frozenset({"to", "from", "subject", "content-type", "reply-to", "received"})


class SendGrid(StandIn):
    """Mail Send v3 and the signed event webhook."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[dict[str, Any]] = []
        self.key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> str:
        """As its settings page shows it."""
        der = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(der).decode()

    def answer(self, request: Request) -> Reply:
        """202 for a mail that is as documented."""
        if (request.method, request.path) != ("POST", "/v3/mail/send"):
            return _refuse(404, "not found")
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            return _refuse(401, "The provided authorization grant is invalid, expired, or revoked")
        mail = request.json
        if wrong := _what_is_wrong(mail):
            return _refuse(400, wrong)
        self.mails.append(mail)
        return Reply(202, headers={"X-Message-Id": f"sg{len(self.mails)}"})

    def event(self, mail: Mapping[str, Any], event: str, **values: Any) -> dict[str, Any]:
        """What it would report about a mail that it took."""
        person = mail["personalizations"][0]
        return {
            "email": person["to"][0]["email"],
            "timestamp": int(time.time()),
            "event": event,
            "sg_event_id": "ZGVsaXZlcmVk",
            "sg_message_id": "sg1.recvd-5645c9c9-1.0",
            **person.get("custom_args", {}),
            **values,
        }

    def signed(self, events: Sequence[Mapping[str, Any]]) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a report."""
        body, stamp = json.dumps(events).encode() + b"\r\n", str(int(time.time()))
        signature = self.key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return body, {
            "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        }


def _what_is_wrong(mail: Any) -> str:
    for name in ("personalizations", "from", "subject", "content"):
        if not mail.get(name):
            return f"The {name} is required."
    kinds = [part["type"] for part in mail["content"]]
    if kinds not in (["text/plain"], ["text/plain", "text/html"]):
        return "The text/plain part comes first."
    if any(name.lower() in RESERVED_HEADERS for name in mail.get("headers", {})):
        return "The headers contain a reserved header."
    return ""


def _refuse(status: int, message: str) -> Reply:
    return json_reply({"errors": [{"message": message, "field": None, "help": None}]}, status)
