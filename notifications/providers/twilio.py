"""SMS, calls and WhatsApp through Twilio: https://www.twilio.com/docs/usage/api."""

import ipaddress
import json
from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

from notifications.channels.base import SEND_SECONDS, DeliveryError, Message
from notifications.models.preferences import E164
from notifications.providers.api_errors import unclear_answer
from notifications.providers.base import Field, Provider, ProviderConfig, Receipt, Sent
from notifications.providers.http import ApiAnswer, call
from notifications.providers.twilio_errors import (
    WHO,
    call_receipt,
    error_of,
    lying_answer,
    message_receipt,
)
from notifications.providers.twilio_senders import (
    LOOKUP_SECONDS,
    has_sender,
    problem_of_pairs,
    sms_sender,
    takes_answers,
)
from notifications.providers.twilio_voice import sign_call, twiml

API_VERSION = "2010-04-01"
# What Twilio calls; see notifications.links.PATH.
STATUS_PATH = "/api/providers/twilio/status/"
CALL_PATH = "/api/providers/twilio/calls/{}/"
# A telephone that rings longer is not taken any more, or its mailbox takes the call.
RING_SECONDS = 25
PAIR_FIELDS = ("senders", "carrier_senders")
NUMBER_FIELDS = ("voice_from", "whatsapp_from")
SENDER_FIELDS = ("from", "messaging_service_sid", "senders", "voice_from", "whatsapp_from")
REFUSED_STATUSES = ("failed", "undelivered", "canceled")


class TwilioProvider(Provider):
    """One account. Twilio takes no idempotency key: what may have arrived twice says so."""

    kind = "twilio"
    label = "Twilio"
    channels = ("sms", "voice", "whatsapp")
    reports_to = "/api/providers/twilio/messages/"  # what people reply; orders name the rest
    fields: ClassVar[tuple[Field, ...]] = (
        Field("account_sid", "Account SID"),
        Field("auth_token", "Auth token", is_secret=True),
        Field("from", "SMS sender", is_required=False, help_text="A number or a name."),
        Field("messaging_service_sid", "Messaging service SID", is_required=False),
        Field(
            "senders",
            "Senders by country",
            is_required=False,
            help_text="+49=+4915112345678, +91=OPSKNT; the longest prefix wins.",
        ),
        Field(
            "carrier_senders",
            "Senders by carrier",
            is_required=False,
            help_text="T-Mobile=+15550100: part of its name, or its network code. "
            "Asks Twilio Lookup, which costs.",
        ),
        Field("voice_from", "Number that calls", is_required=False),
        Field("language", "Language of calls", default="en-US", is_required=False),
        Field("whatsapp_from", "WhatsApp number", is_required=False),
        Field("whatsapp_content_sid", "WhatsApp template of pages", is_required=False),
        Field("whatsapp_code_content_sid", "WhatsApp template of codes", is_required=False),
        Field("api_url", "Address of the API", default="https://api.twilio.com"),
        Field("lookup_url", "Address of Lookup", default="https://lookups.twilio.com"),
    )

    def problems(self, values: Mapping[str, str]) -> dict[str, str]:
        """Numbers must have their country, lists must be pairs, WhatsApp needs a template."""
        found = {name: problem_of_pairs(values.get(name, "")) for name in PAIR_FIELDS}
        for name in NUMBER_FIELDS:
            number = values.get(name, "").removeprefix("whatsapp:")
            if number and not E164.fullmatch(number):
                found[name] = "Write the number with its country, such as +4915112345678."
        if values.get("whatsapp_from") and not values.get("whatsapp_content_sid"):
            found["whatsapp_content_sid"] = "WhatsApp delivers only templates: enter its SID."
        if not any(values.get(name) for name in SENDER_FIELDS):
            found["from"] = "Enter at least one sender, number or messaging service."
        return {name: problem for name, problem in found.items() if problem}

    def serves(self, config: ProviderConfig, channel: str) -> bool:
        """Whether it has a sender for the channel."""
        match channel:
            case "sms":
                return bool(config["from"] or config["messaging_service_sid"] or config["senders"])
            case "voice":
                return bool(_caller(config))
            case "whatsapp":
                return bool(config["whatsapp_from"] and config["whatsapp_content_sid"])
            case _:
                return False

    def takes(self, config: ProviderConfig, message: Message) -> bool:
        """Whether it has a sender for the number's country."""
        return message.data.get("form") != "sms" or has_sender(config, message.address)

    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: UUID
    ) -> Sent:
        """Order a message or a call."""
        form = order_form(message, config=config, channel=channel)
        resource = "Calls" if channel == "voice" else "Messages"
        answer = call(
            "POST",
            _address(config, f"{resource}.json"),
            who=WHO,
            auth=(config["account_sid"], config["auth_token"]),
            data=form,
            seconds=SEND_SECONDS - LOOKUP_SECONDS,
        )
        return _sent(answer)

    def ask(self, message_id: str, *, config: ProviderConfig, channel: str) -> Receipt | None:
        """What became of a message or a call."""
        resource = "Calls" if channel == "voice" else "Messages"
        answer = call(
            "GET",
            _address(config, f"{resource}/{message_id}.json"),
            who=WHO,
            auth=(config["account_sid"], config["auth_token"]),
        )
        if answer.status != 200:
            raise error_of(answer)
        if not isinstance(answer.json, dict):
            raise unclear_answer(answer, who=WHO)
        receipt_of = call_receipt if channel == "voice" else message_receipt
        body = answer.json
        return receipt_of(message_id, str(body.get("status", "")), body.get("error_code"))


def order_form(message: Message, *, config: ProviderConfig, channel: str) -> dict[str, str]:
    """The form that orders a message or a call; raises DeliveryError without a sender."""
    return _FORMS[channel](message, config)


def callback_url(config: ProviderConfig, path: str) -> str:
    """An address of ours that Twilio can call; empty where it cannot, and would refuse us.

    A stand-in on this machine reaches us here.
    """
    if _is_local(settings.PUBLIC_URL) and not _is_local(config["api_url"]):
        return ""
    return f"{settings.PUBLIC_URL}{path}"


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or "localhost"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or "." not in host
    return not address.is_global


def _address(config: ProviderConfig, path: str) -> str:
    base = config["api_url"].rstrip("/")
    return f"{base}/{API_VERSION}/Accounts/{config['account_sid']}/{path}"


def _caller(config: ProviderConfig) -> str:
    """The number that calls; a name cannot."""
    number = config["voice_from"] or config["from"]
    return number if number.startswith("+") else ""


def _sms(message: Message, config: ProviderConfig) -> dict[str, str]:
    sender = sms_sender(config, message.address)
    if not sender:
        raise DeliveryError(
            "The account has no sender for this country.", permanent=True, provider_is_down=True
        )
    text = message.text
    if not takes_answers(sender):
        text = message.data.get("one_way", text)
    return {"To": message.address, "Body": text, **sender, **_status_callback(config)}


def _voice(message: Message, config: ProviderConfig) -> dict[str, str]:
    """The words go along: the call is made even while Twilio cannot reach us."""
    action = ""
    if message.data["can_answer"]:
        token = sign_call(message.data["pages"])
        action = callback_url(config, CALL_PATH.format(token))
    return {
        "To": message.address,
        "From": _caller(config),
        "Twiml": twiml(
            message.text,
            menu="main" if action else "",
            action=action,
            language=config["language"],
        ),
        "Timeout": str(RING_SECONDS),
        **_status_callback(config),
    }


def _whatsapp(message: Message, config: ProviderConfig) -> dict[str, str]:
    """A template: nothing else reaches somebody who did not write lately."""
    content, variables = config["whatsapp_content_sid"], message.data["variables"]
    if message.data["code"] and config["whatsapp_code_content_sid"]:
        content, variables = config["whatsapp_code_content_sid"], {"1": message.data["code"]}
    return {
        "To": f"whatsapp:{message.address}",
        "From": f"whatsapp:{config['whatsapp_from'].removeprefix('whatsapp:')}",
        "ContentSid": content,
        "ContentVariables": json.dumps(variables),
        **_status_callback(config),
    }


_FORMS = {"sms": _sms, "voice": _voice, "whatsapp": _whatsapp}


def _status_callback(config: ProviderConfig) -> dict[str, str]:
    url = callback_url(config, STATUS_PATH)
    return {"StatusCallback": url} if url else {}


def _sent(answer: ApiAnswer) -> Sent:
    """Read the answer; one that says 201 and tells of an error is an error."""
    body = answer.json
    if not 200 <= answer.status < 300:
        raise error_of(answer)
    if not isinstance(body, dict):
        raise unclear_answer(answer, who=WHO)
    status = str(body.get("status", ""))
    if status in REFUSED_STATUSES or body.get("error_code"):
        raise lying_answer(status, body.get("error_code"))
    if body.get("code"):
        raise error_of(answer)
    if not isinstance(body.get("sid"), str) or not body["sid"]:
        raise unclear_answer(answer, who=WHO)
    return Sent(message_id=body["sid"], answer=f"{answer.status} {status}".strip())
