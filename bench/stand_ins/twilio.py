"""Twilio: it takes orders for messages and calls, and plays the telephone at the other end.

It checks what Twilio checks, and speaks its errors: https://www.twilio.com/docs/usage/api. What it
tells the application is signed; by default it is sent over HTTP, a test may take it there itself.
"""

import base64
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias
from urllib.parse import unquote
from xml.etree import ElementTree

import httpx
from twilio.request_validator import RequestValidator

from bench.stand_ins.server import Reply, Request, StandIn, json_reply

ACCOUNT_SID = "AC" + "0" * 32
AUTH_TOKEN = "the-token-of-the-stand-in"
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
MAX_BODY = 1600
MAX_TWIML = 4000
BREAKS = re.compile(r"\s{5,}|[\n\t]")  # what WhatsApp refuses in the values of templates

# Address, form, headers → status, body.
Post: TypeAlias = Callable[[str, dict[str, str], dict[str, str]], tuple[int, str]]


@dataclass
class Message:
    """A message that was ordered."""

    sid: str
    form: dict[str, str]
    status: str = "queued"
    error_code: int | None = None

    @property
    def to(self) -> str:
        """The telephone, with the prefix of its channel."""
        return self.form["To"]

    @property
    def sender(self) -> str:
        """What the telephone shows."""
        return self.form.get("From") or self.form["MessagingServiceSid"]

    @property
    def body(self) -> str:
        """What the telephone shows below it."""
        return self.form.get("Body", "")


@dataclass
class Call:
    """A call that was ordered; once it is taken, what was said and which keys it waits for."""

    sid: str
    form: dict[str, str]
    status: str = "queued"
    error_code: int | None = None
    twiml: str = ""
    said: list[str] = field(default_factory=list)
    action: str = ""  # where the next key goes; empty: it waits for none

    @property
    def to(self) -> str:
        """The telephone."""
        return self.form["To"]


def post_over_http(url: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, str]:
    """Take it to the application as Twilio does."""
    answer = httpx.post(url, data=form, headers=headers, timeout=15)
    return answer.status_code, answer.text


class Twilio(StandIn):
    """One account, and all telephones of the world."""

    def __init__(self, post: Post = post_over_http) -> None:
        super().__init__()
        self.account_sid = ACCOUNT_SID
        self.auth_token = AUTH_TOKEN
        self.messages: list[Message] = []
        self.calls: list[Call] = []
        self.refused: dict[str, int] = {}  # telephone → the code with which orders are refused
        self.carriers: dict[str, tuple[str, str]] = {}  # telephone → network code, name
        self.lookups: list[str] = []
        self.post = post  # how it reaches us
        self._lock = threading.Lock()
        self._numbers = count(1)

    # --- The API ----------------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        """Take an order, say what became of one, or look a number up."""
        if request.headers.get("authorization") != self._credentials():
            return _error(401, 20003, "Authenticate")
        if request.path.startswith("/v2/PhoneNumbers/"):
            return self._look_up(unquote(request.path.rsplit("/", 1)[1]))
        base = f"/2010-04-01/Accounts/{self.account_sid}/"
        if not request.path.startswith(base):
            return _error(404, 20404, f"The requested resource {request.path} was not found")
        resource = request.path.removeprefix(base).removesuffix(".json")
        if request.method == "GET":
            return self._tell(resource.rsplit("/", 1)[1])
        form = {name: values[0] for name, values in request.form.items()}
        return self._call(form) if resource == "Calls" else self._message(form)

    def _credentials(self) -> str:
        pair = f"{self.account_sid}:{self.auth_token}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def _message(self, form: dict[str, str]) -> Reply:
        is_whatsapp = form.get("To", "").startswith("whatsapp:")
        number = form.get("To", "").removeprefix("whatsapp:")
        if not E164.fullmatch(number):
            return _error(400, 21211, f"The 'To' number {number} is not a valid phone number.")
        if not form.get("From") and not form.get("MessagingServiceSid"):
            return _error(400, 21603, "A 'From' phone number is required.")
        if is_whatsapp and not form.get("ContentSid"):
            return _error(400, 63016, "Failed to send freeform message outside the window.")
        if is_whatsapp and not all(map(_is_fit, _values(form))):
            return _error(400, 21656, "The ContentVariables Parameter is invalid.")
        if not is_whatsapp and not form.get("Body"):
            return _error(400, 21602, "Message body is required.")
        if len(form.get("Body", "")) > MAX_BODY:
            return _error(400, 21617, "The concatenated message body exceeds the 1600 limit.")
        if code := self.refused.get(number):
            return _error(400, code, f"The number {number} was refused.")
        with self._lock:
            message = Message(f"SM{next(self._numbers):032x}", form)
            self.messages.append(message)
        return self._told(message)

    def _call(self, form: dict[str, str]) -> Reply:
        number = form.get("To", "")
        if not E164.fullmatch(number):
            return _error(400, 21217, f"Phone number {number} does not appear to be valid.")
        if not E164.fullmatch(form.get("From", "")):
            return _error(400, 21212, "The source phone number is not valid.")
        if not form.get("Twiml") or len(form["Twiml"]) > MAX_TWIML:
            return _error(400, 21205, "The Twiml is missing or too long.")
        if code := self.refused.get(number):
            return _error(400, code, f"The number {number} was refused.")
        with self._lock:
            call = Call(f"CA{next(self._numbers):032x}", form)
            self.calls.append(call)
        return self._told(call)

    def _tell(self, sid: str) -> Reply:
        orders: list[Message | Call] = [*self.messages, *self.calls]
        found = next((order for order in orders if order.sid == sid), None)
        if found is None:
            return _error(404, 20404, f"The requested resource {sid} was not found")
        return self._told(found, status=200)

    def _told(self, order: Message | Call, status: int = 201) -> Reply:
        return json_reply(
            {
                "sid": order.sid,
                "account_sid": self.account_sid,
                "to": order.to,
                "status": order.status,
                "error_code": order.error_code,
            },
            status,
        )

    def _look_up(self, number: str) -> Reply:
        self.lookups.append(number)
        code, name = self.carriers.get(number, ("", ""))
        line = {
            "mobile_country_code": code[:3] or None,
            "mobile_network_code": code[3:] or None,
            "carrier_name": name or None,
            "type": "mobile",
            "error_code": None,
        }
        return json_reply({"phone_number": number, "line_type_intelligence": line})

    # --- The telephone ----------------------------------------------------------------------------

    def report(self, order: Message | Call, status: str, error_code: int | None = None) -> int:
        """Say what became of an order; returns the status with which the application answers."""
        order.status, order.error_code = status, error_code
        form = {"AccountSid": self.account_sid, "To": order.to}
        if isinstance(order, Call):
            form |= {"CallSid": order.sid, "CallStatus": status}
        else:
            form |= {"MessageSid": order.sid, "MessageStatus": status, "SmsSid": order.sid}
        if error_code is not None:
            form["ErrorCode"] = str(error_code)
        return self.tell(order.form["StatusCallback"], form)[0]

    def reply(
        self, url: str, sender: str, text: str, message_id: str = "", **extra: str
    ) -> list[str]:
        """Somebody writes to one of our numbers; returns what is written back."""
        sid = message_id or f"SM{next(self._numbers):032x}"
        form = {"AccountSid": self.account_sid, "MessageSid": sid, "From": sender, "Body": text}
        status, body = self.tell(url, form | {"To": "+15550100"} | extra)
        if status != 200:
            raise ValueError(f"The application answered {status}: {body}")
        return [element.text or "" for element in _parse(body).iter("Message")]

    def take_call(self, call: Call) -> str:
        """Somebody takes the call; returns what it says."""
        call.status = "in-progress"
        return self._play(call, call.form["Twiml"])

    def press(self, call: Call, key: str) -> str:
        """They press a key; returns what is said then."""
        if not call.action:
            raise ValueError("The call waits for no key.")
        form = {"AccountSid": self.account_sid, "CallSid": call.sid, "To": call.to, "Digits": key}
        status, body = self.tell(call.action, form)
        if status != 200:
            raise ValueError(f"The application answered {status}: {body}")
        return self._play(call, body)

    def tell(self, url: str, form: dict[str, str]) -> tuple[int, str]:
        """Post a signed form to the application."""
        signature = RequestValidator(self.auth_token).compute_signature(url, form)
        return self.post(url, form, {"X-Twilio-Signature": signature})

    def _play(self, call: Call, twiml: str) -> str:
        root = _parse(twiml)
        gather = root.find("Gather")
        call.twiml = twiml
        call.action = gather.attrib["action"] if gather is not None else ""
        part = gather if gather is not None else root
        words = " ".join(element.text or "" for element in part.iter("Say"))
        call.said.append(words)
        return words


def _values(form: dict[str, str]) -> list[str]:
    variables: dict[str, str] = json.loads(form.get("ContentVariables") or "{}")
    return list(variables.values())


def _is_fit(value: str) -> bool:
    return bool(value) and BREAKS.search(value) is None


def _parse(text: str) -> ElementTree.Element:
    """TwiML of our own application."""
    return ElementTree.fromstring(text)  # noqa: S314


def _error(status: int, code: int, message: str) -> Reply:
    more = f"https://www.twilio.com/docs/errors/{code}"
    body = {"code": code, "message": message, "more_info": more, "status": status}
    return json_reply(body, status)
