"""Which number or name an SMS comes from: by carrier, by country, or as usual."""

import hashlib
from datetime import timedelta
from urllib.parse import quote

from django.core.cache import cache
from redis.exceptions import RedisError

from notifications.channels.base import DeliveryError
from notifications.providers.base import ProviderConfig
from notifications.providers.http import call
from notifications.providers.twilio_errors import WHO

# A page does not wait longer than this to learn whose customer its reader is.
LOOKUP_SECONDS = 3.0
# Numbers move from carrier to carrier, but seldom; each question costs.
REMEMBERED = timedelta(days=30)
# After a question that failed, it is not asked again for this long.
GIVEN_UP = timedelta(minutes=5)


def sms_sender(config: ProviderConfig, number: str) -> dict[str, str]:
    """The form fields that name the sender; empty when none is set up for this number.

    A sender of the number's carrier comes first, then that of the longest prefix, then the
    messaging service, then the usual sender.
    """
    if own := _of_carrier(config, number) or _of_country(config, number):
        return {"From": own}
    if service := config["messaging_service_sid"]:
        return {"MessagingServiceSid": service}
    return {"From": config["from"]} if config["from"] else {}


def has_sender(config: ProviderConfig, number: str) -> bool:
    """Whether an SMS to this number has a sender, whatever its carrier; asks nobody."""
    usual = config["messaging_service_sid"] or config["from"]
    return bool(usual or _of_country(config, number))


def takes_answers(sender: dict[str, str]) -> bool:
    """Whether people can answer: not to a name."""
    return sender.get("From", "+").removeprefix("+").isdigit() or "MessagingServiceSid" in sender


def read_pairs(text: str) -> list[tuple[str, str]]:
    """ "+49=+4915112345678, +91=OPSKNT" as pairs; what is no pair is passed over."""
    pairs = (part.partition("=") for part in text.replace("\n", ",").split(","))
    return [
        (key.strip(), value.strip()) for key, _, value in pairs if key.strip() and value.strip()
    ]


def problem_of_pairs(text: str) -> str:
    """Which part is no pair, in words; empty when all are."""
    parts = [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]
    wrong = next((part for part in parts if not read_pairs(part)), "")
    return f"Write pairs with = between them: {wrong} is none." if wrong else ""


def _of_country(config: ProviderConfig, number: str) -> str:
    fitting = [pair for pair in read_pairs(config["senders"]) if number.startswith(pair[0])]
    return max(fitting, key=lambda pair: len(pair[0]), default=("", ""))[1]


def _of_carrier(config: ProviderConfig, number: str) -> str:
    """A sender by the carrier's network code, or by part of its name."""
    pairs = read_pairs(config["carrier_senders"])
    if not pairs:
        return ""
    code, name = _carrier(config, number)
    for wanted, sender in pairs:
        if wanted == code if wanted.isdigit() else wanted.lower() in name.lower():
            return sender
    return ""


def _carrier(config: ProviderConfig, number: str) -> tuple[str, str]:
    """Network code and name; empty where they are not known: the page goes out all the same."""
    key = f"carrier:{hashlib.sha256(number.encode()).hexdigest()}"
    try:
        known: tuple[str, str] | None = cache.get(key)
    except RedisError:
        known = None
    if known is not None:
        return known
    try:
        found, seconds = _ask(config, number), REMEMBERED.total_seconds()
    except DeliveryError:
        found, seconds = ("", ""), GIVEN_UP.total_seconds()
    try:
        cache.set(key, found, seconds)
    except RedisError:
        return found  # asked again next time
    return found


def _ask(config: ProviderConfig, number: str) -> tuple[str, str]:
    """https://www.twilio.com/docs/lookup/v2-api/line-type-intelligence; raises DeliveryError."""
    answer = call(
        "GET",
        f"{config['lookup_url'].rstrip('/')}/v2/PhoneNumbers/{quote(number)}"
        "?Fields=line_type_intelligence",
        who=WHO,
        auth=(config["account_sid"], config["auth_token"]),
        seconds=LOOKUP_SECONDS,
    )
    body = answer.json if answer.status == 200 else None
    line = body.get("line_type_intelligence") if isinstance(body, dict) else None
    if not isinstance(line, dict):
        raise DeliveryError("Twilio does not know the carrier.")
    code = f"{line.get('mobile_country_code') or ''}{line.get('mobile_network_code') or ''}"
    return code, str(line.get("carrier_name") or "")
