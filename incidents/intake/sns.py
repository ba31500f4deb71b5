"""Amazon SNS: whether a message is Amazon's, and confirming a subscription.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.prepare.html

The certificate is trusted because it comes over HTTPS from one of Amazon's own hosts, under the
name that SNS gives it; it must be valid today and made out to SNS. Amazon serves it without the
certificates that would lead to a root.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from django.conf import settings
from django.utils import timezone

from incidents.intake.events import Unsupported, parse_time
from incidents.intake.sns_client import SignatureRefused, SnsUnavailable, fetch, shared_certificates

MAX_AGE: Final = timedelta(hours=1)  # SNS itself gives up after an hour
NOTIFICATION: Final = "Notification"
CONFIRMATION: Final = "SubscriptionConfirmation"
_FIELDS: Final = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    **dict.fromkeys(
        (CONFIRMATION, "UnsubscribeConfirmation"),
        ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    ),
}
_DIGESTS: Final[dict[str, type[hashes.HashAlgorithm]]] = {"1": hashes.SHA1, "2": hashes.SHA256}
# Whole addresses, so that no two parsers can disagree about ports, users or odd characters. What
# stands for the region must be one: sns.s3-us-west-2.amazonaws.com is somebody's bucket.
_REGION: Final = r"[a-z]{2}(?:-[a-z]{2,12}){1,2}-[0-9]{1,2}"
_AMAZON: Final = rf"https://sns\.{_REGION}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE_PATH: Final = r"/SimpleNotificationService-[0-9A-Za-z]{1,64}\.pem"
_SUBSCRIBE_PATH: Final = r"/\?[0-9A-Za-z_.~:%&=+/-]{1,2000}"


class Message(msgspec.Struct, frozen=True, rename="pascal"):
    """What is signed of an SNS message, and the signature."""

    type: str = ""
    message_id: str = ""
    topic: str = msgspec.field(name="TopicArn", default="")
    subject: str | None = None
    message: str = ""
    timestamp: str = ""
    token: str = ""
    subscribe_url: str = msgspec.field(name="SubscribeURL", default="")
    signature_version: str = ""
    signature: str = ""
    certificate_url: str = msgspec.field(name="SigningCertURL", default="")

    @property
    def asks_to_confirm(self) -> bool:
        """Whether SNS waits for somebody to open the SubscribeURL."""
        return self.type == CONFIRMATION

    @property
    def signed_text(self) -> bytes:
        """The canonical form: names and values, a line each, absent ones left out."""
        values = msgspec.to_builtins(self)
        names = (name for name in _FIELDS[self.type] if values[name] is not None)
        return "".join(f"{name}\n{values[name]}\n" for name in names).encode()


_decoder = msgspec.json.Decoder(Message)


def read(body: bytes) -> Message | None:
    """The SNS message in a body, None when it is something else."""
    try:
        message = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return message if message.type in _FIELDS else None


async def verify(
    message: Message | None, headers: Mapping[str, str], *, topics: Sequence[str] = ()
) -> None:
    """Check that Amazon signed the message within the last hour, for one of `topics` (if any).

    Raises SignatureRefused, and SnsUnavailable when the certificate cannot be fetched now.
    """
    if message is None:
        raise SignatureRefused(_not_sns(headers))
    if topics and message.topic not in topics:
        raise SignatureRefused(
            f"The message is of the topic {message.topic[:200]}, not of the one that is stored on "
            "the integration's Security page."
        )
    digest = _DIGESTS.get(message.signature_version)
    if digest is None or not message.signature:
        raise SignatureRefused("The signature is missing: SignatureVersion 1 or 2 and Signature.")
    _check_age(message)
    if not is_certificate_address(message.certificate_url):
        raise SignatureRefused(
            f"SigningCertURL is not Amazon's: {_host(message.certificate_url)}. It was not opened."
        )
    certificate = await shared_certificates().find(message.certificate_url)
    try:
        signature = base64.b64decode(message.signature, validate=True)
        key = certificate.usable_key(timezone.now())
        key.verify(signature, message.signed_text, padding.PKCS1v15(), digest())
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise SignatureRefused(
            "The signature is wrong: the message is not Amazon's, or was changed on its way."
        ) from error
    except UnsupportedAlgorithm as error:
        raise SignatureRefused(
            "This system does not check SHA-1 any more. Set the topic's SignatureVersion to 2."
        ) from error


def check_subscribe_url(message: Message) -> None:
    """Raise SignatureRefused unless the SubscribeURL is Amazon's and confirms a subscription."""
    url = message.subscribe_url
    if not is_subscribe_address(url):
        raise SignatureRefused(f"SubscribeURL is not Amazon's: {_host(url)}. It was not opened.")
    if parse_qs(urlsplit(url).query).get("Action") != ["ConfirmSubscription"]:
        raise SignatureRefused("SubscribeURL does not confirm a subscription. It was not opened.")


def is_certificate_address(url: str) -> bool:
    """Whether Amazon SNS keeps its certificates there."""
    return _address(settings.SNS_ENDPOINT, _CERTIFICATE_PATH).fullmatch(url) is not None


def is_subscribe_address(url: str) -> bool:
    """Whether Amazon SNS takes requests there."""
    return _address(settings.SNS_ENDPOINT, _SUBSCRIBE_PATH).fullmatch(url) is not None


async def confirm(message: Message) -> None:
    """Open the SubscribeURL of a verified message; doing it twice does no harm.

    Raises Unsupported when Amazon says no, SnsUnavailable when it says nothing.
    """
    check_subscribe_url(message)
    status, _ = await fetch(message.subscribe_url)
    if status >= 500:
        raise SnsUnavailable(f"Amazon answered {status} to the confirmation. SNS sends it again.")
    if status != 200:
        raise Unsupported(
            f"Amazon answered {status}: the subscription is not confirmed. Request the "
            "confirmation again in the SNS console."
        )


def _check_age(message: Message) -> None:
    sent_at = parse_time(message.timestamp)
    if sent_at is None:
        raise SignatureRefused("The message has no Timestamp that can be read.")
    if abs(timezone.now() - sent_at) > MAX_AGE:
        raise SignatureRefused(
            f"The message is too old: it was sent at {sent_at:%Y-%m-%d %H:%M:%S} UTC. Messages are "
            "taken for an hour; check the clock of this server."
        )


def _not_sns(headers: Mapping[str, str]) -> str:
    if headers.get("x-amz-sns-rawdelivery", "").lower() == "true":
        return "Raw messages are not signed. Switch raw message delivery of the subscription off."
    return (
        "This is not a signed SNS message. Let the alarm notify an SNS topic with this address as "
        "its subscription, or waive the check on the integration's Security page."
    )


@cache
def _address(endpoint: str, path: str) -> re.Pattern[str]:
    origin = f"(?:{_AMAZON}|{re.escape(endpoint)})" if endpoint else _AMAZON
    return re.compile(origin + path)


def _host(url: str) -> str:
    """The beginning of an address, for a message: without the token that follows it."""
    return url.partition("?")[0][:100] or "it is missing"
