"""Plays Amazon SES and SNS: checks signatures of version 4 by its own reading of the standard."""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import quote

from bench.stand_ins.server import Reply, Request, StandIn, json_reply

ACCESS_KEY_ID = "AKIASTANDIN"
SECRET_ACCESS_KEY = "stand-in/secret"
REGION = "eu-central-1"


class Amazon(StandIn):
    """What both services share."""

    service = ""

    def is_signed(self, request: Request) -> bool:
        """Whether the signature covers this request, under our key, region and service."""
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
        stamp = request.headers.get("x-amz-date", "")
        scope = f"{stamp[:8]}/{REGION}/{self.service}/aws4_request"
        if scheme != "AWS4-HMAC-SHA256" or parts.get("Credential") != f"{ACCESS_KEY_ID}/{scope}":
            return False
        names = parts["SignedHeaders"].split(";")
        canonical = _canonical(request, names)
        text = f"{scheme}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(_signing_key(scope), text.encode(), hashlib.sha256).hexdigest()
        return "host" in names and hmac.compare_digest(signature, parts.get("Signature", ""))


def _canonical(request: Request, names: list[str]) -> str:
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names)
    digest = hashlib.sha256(request.body).hexdigest()
    path = quote(request.path, safe="/-_.~")
    return f"{request.method}\n{path}\n\n{headers}\n{';'.join(names)}\n{digest}"


def _signing_key(scope: str) -> bytes:
    key = b"AWS4" + SECRET_ACCESS_KEY.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key


class Ses(Amazon):
    """SendEmail and GetMessageInsights of API version 2."""

    service = "ses"

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[bytes] = []
        self.insights: dict[str, list[dict[str, Any]]] = {}  # number → events

    def answer(self, request: Request) -> Reply:
        """200 with the number of a mail that is signed and as documented."""
        if not self.is_signed(request):
            return self.refuse(403, "SignatureDoesNotMatch", "The request signature is wrong.")
        if request.path.startswith("/v2/email/insights/"):
            number = request.path.split("/")[4]
            if number not in self.insights:
                return self.refuse(404, "NotFoundException", "There is no such message.")
            events = {"Destination": "x@example.com", "Events": self.insights[number]}
            return json_reply({"MessageId": number, "Insights": [events]})
        if (request.method, request.path) != ("POST", "/v2/email/outbound-emails"):
            return self.refuse(404, "UnknownOperationException", "Unknown operation")
        mail = request.json
        if not mail.get("FromEmailAddress") or not mail["Destination"]["ToAddresses"]:
            return self.refuse(400, "BadRequestException", "Source and destination are required.")
        self.mails.append(base64.b64decode(mail["Content"]["Raw"]["Data"], validate=True))
        return json_reply({"MessageId": f"0107-{len(self.mails)}"})

    def refuse(self, status: int, name: str, message: str) -> Reply:
        """An error as the service words it."""
        return json_reply({"message": message}, status, x_amzn_ErrorType=name)


class Sns(Amazon):
    """Publish to a telephone number."""

    service = "sns"

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[dict[str, str]] = []

    def answer(self, request: Request) -> Reply:
        """200 with the number of a text that is signed and as documented."""
        if not self.is_signed(request):
            return self.refuse(403, "SignatureDoesNotMatch", "The request signature is wrong.")
        form = {name: values[0] for name, values in request.form.items()}
        if form.get("Action") != "Publish" or form.get("Version") != "2010-03-31":
            return self.refuse(400, "InvalidAction", "Could not find the operation")
        if not form.get("PhoneNumber", "").startswith("+"):
            return self.refuse(
                400, "InvalidParameter", "Invalid parameter: PhoneNumber Reason: not valid"
            )
        self.texts.append(form)
        body = (
            '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>'
            f"<MessageId>sns-{len(self.texts)}</MessageId></PublishResult></PublishResponse>"
        )
        return Reply(200, body.encode(), {"Content-Type": "text/xml"})

    def refuse(self, status: int, code: str, message: str) -> Reply:
        """An error as the service words it."""
        body = (
            '<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error>'
            f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            "<RequestId>1</RequestId></ErrorResponse>"
        )
        return Reply(status, body.encode(), {"Content-Type": "text/xml"})
