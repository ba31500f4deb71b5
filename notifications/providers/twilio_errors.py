"""What Twilio's error codes mean: https://www.twilio.com/docs/api/errors."""

import re
from dataclasses import dataclass

from notifications.channels.base import DeliveryError
from notifications.providers.answers import patience
from notifications.providers.api_errors import plain_reason, refusal
from notifications.providers.base import Receipt
from notifications.providers.http import ApiAnswer

WHO = "Twilio"
# Whose number it is concerns only its owner; errors are shown to everybody on the incident.
_NUMBER = re.compile(r"\+?[0-9]{7,}")


@dataclass(frozen=True)
class Meaning:
    """What a code says. Without anything else: this page failed, trying again is pointless."""

    text: str
    breaks_address: bool = False
    is_stop: bool = False  # the address is fine again after START
    is_of_account: bool = False  # another account may do better
    may_pass: bool = False  # trying again may help


MEANINGS = {
    # --- Answered at once: accounts, senders, numbers
    10001: Meaning("The account is not active", is_of_account=True, may_pass=True),
    20003: Meaning("The account or its token is wrong", is_of_account=True, may_pass=True),
    20005: Meaning("The account is not active", is_of_account=True, may_pass=True),
    20429: Meaning("The account sends too much", is_of_account=True, may_pass=True),
    21210: Meaning("The sender is no number of the account", is_of_account=True),
    21211: Meaning("The number is not valid", breaks_address=True),
    21212: Meaning("The sender is not valid", is_of_account=True),
    21214: Meaning("The number cannot be reached", breaks_address=True),
    21215: Meaning("The account may not call this country", is_of_account=True),
    21217: Meaning("The number is not valid", breaks_address=True),
    21219: Meaning("The trial account may not call this number", is_of_account=True),
    21266: Meaning("The number is the sender's own", breaks_address=True),
    21401: Meaning("The number is not valid", breaks_address=True),
    21408: Meaning("The account may not send to this country", is_of_account=True),
    21421: Meaning("The number is not valid", breaks_address=True),
    21601: Meaning("The sender cannot send SMS", is_of_account=True),
    21603: Meaning("A sender is missing", is_of_account=True),
    21606: Meaning("The sender cannot send to this number", is_of_account=True),
    21608: Meaning("The trial account may not send to this number", is_of_account=True),
    21610: Meaning("Its owner answered STOP", breaks_address=True, is_stop=True),
    21611: Meaning("Too many messages of this sender wait", is_of_account=True, may_pass=True),
    21612: Meaning("The sender cannot reach this number", is_of_account=True),
    21614: Meaning("The number takes no SMS", breaks_address=True),
    21635: Meaning("The number is a landline", breaks_address=True),
    21654: Meaning("The template does not exist", is_of_account=True),
    21655: Meaning("The template does not exist", is_of_account=True),
    21656: Meaning("The values do not fit the template", is_of_account=True),
    21659: Meaning("The sender is no number of the account", is_of_account=True),
    21660: Meaning("The sender is no number of the account", is_of_account=True),
    21703: Meaning("The messaging service has no sender", is_of_account=True),
    21705: Meaning("The messaging service does not exist", is_of_account=True),
    # --- Said afterwards: what became of a call or a message
    13224: Meaning("The number is not valid", breaks_address=True),
    13227: Meaning("The account may not call this country"),
    30001: Meaning("The carrier's queue is full"),
    30002: Meaning("The account was suspended"),
    30003: Meaning("The telephone cannot be reached; it may be off"),
    30004: Meaning("The carrier blocked the message"),
    30005: Meaning("The number does not exist any more", breaks_address=True),
    30006: Meaning("The number is a landline", breaks_address=True),
    30007: Meaning("The carrier took the message for spam"),
    30008: Meaning("The carrier gives no reason"),
    30022: Meaning("The carrier takes no more messages of this sender today"),
    30034: Meaning("The sender is not registered with the carriers"),
    30036: Meaning("It could not be delivered in time"),
    30450: Meaning("The carrier blocked the message"),
    # --- WhatsApp
    63003: Meaning("The number is not on WhatsApp", breaks_address=True),
    63007: Meaning("The sender is not on WhatsApp", is_of_account=True),
    63016: Meaning("WhatsApp takes only templates"),
    63018: Meaning("The account sends too much", is_of_account=True, may_pass=True),
    63024: Meaning("The number is not on WhatsApp", breaks_address=True),
    63032: Meaning("WhatsApp refuses messages to this number"),
    63038: Meaning("The account sent all that it may today", is_of_account=True, may_pass=True),
    63049: Meaning("WhatsApp chose not to deliver it"),
    63051: Meaning("The WhatsApp account is blocked"),
}


def error_of(answer: ApiAnswer) -> DeliveryError:
    """The error that an answer means, whatever its status says."""
    body = answer.json if isinstance(answer.json, dict) else {}
    code = _number(body.get("code") or body.get("error_code"))
    meaning = MEANINGS.get(code)
    if meaning is None or answer.status >= 500:
        return refusal(answer, who=WHO, reason=_reason(body, code))
    return DeliveryError(
        f"{meaning.text} (Twilio {code}).",
        permanent=not meaning.may_pass,
        breaks_address=meaning.breaks_address,
        is_stop=meaning.is_stop,
        retry_after=patience(answer.retry_after) if meaning.may_pass else None,
        provider_is_down=meaning.is_of_account,
    )


def lying_answer(status: str, code: object) -> DeliveryError:
    """Accepted by its HTTP status, refused by its words."""
    meaning = MEANINGS.get(_number(code))
    return DeliveryError(
        _words(status, _number(code)),
        permanent=meaning is None or not meaning.may_pass,
        breaks_address=meaning is not None and meaning.breaks_address,
        is_stop=meaning is not None and meaning.is_stop,
        provider_is_down=meaning is not None and meaning.is_of_account,
    )


def message_receipt(message_id: str, status: str, code: object) -> Receipt:
    """What the status of a message, by SMS, RCS or WhatsApp, says.

    Undelivered and failed are both final: the next way is tried, also where the reason is one
    that may pass (30001, 30008).
    """
    match status:
        case "delivered":
            return Receipt(message_id, is_delivered=True)
        case "read":
            return Receipt(message_id, is_delivered=True, detail="Read.")
        case "undelivered" | "failed" | "canceled":
            return _failed(message_id, status, _number(code))
        case _:  # accepted, scheduled, queued, sending, sent
            return Receipt(message_id, is_delivered=None)


CALL_FAILURES = {
    "busy": "The line was busy",
    "no-answer": "Nobody answered the call",
    "canceled": "The call was cancelled",
    "failed": "The call could not be made",
}


def call_receipt(message_id: str, status: str, code: object) -> Receipt:
    """What the status of a call says: it arrived when somebody took it."""
    if status == "completed":
        return Receipt(message_id, is_delivered=True)
    if status not in CALL_FAILURES:  # queued, initiated, ringing, in-progress
        return Receipt(message_id, is_delivered=None)
    number = _number(code)
    if number in MEANINGS:
        return _failed(message_id, status, number)
    return Receipt(message_id, is_delivered=False, detail=f"{CALL_FAILURES[status]}.")


def _failed(message_id: str, status: str, code: int) -> Receipt:
    meaning = MEANINGS.get(code)
    return Receipt(
        message_id,
        is_delivered=False,
        detail=_words(status, code),
        breaks_address=meaning is not None and meaning.breaks_address,
        is_stop=meaning is not None and meaning.is_stop,
    )


def _words(status: str, code: int) -> str:
    meaning = MEANINGS.get(code)
    if meaning is not None:
        return f"{meaning.text} (Twilio {code})."
    return f"Twilio says {plain_reason(status) or 'no'}{f' ({code})' if code else ''}."


def _reason(body: dict[str, object], code: int) -> str:
    said = _NUMBER.sub("…", str(body.get("message") or ""))
    return f"{said} ({code})" if code else said


def _number(code: object) -> int:
    text = str(code or "")
    return int(text) if text.isascii() and text.isdigit() else 0
