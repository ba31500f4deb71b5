"""Web push: the push service of whoever made the browser. RFC 8030, 8291 and 8292."""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from email.utils import getaddresses
from functools import cache
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from py_vapid import Vapid02

from notifications.channels.base import DeliveryError, Message
from notifications.outgoing_http import Answer
from notifications.providers.answers import check_answer
from notifications.providers.base import Provider, ProviderConfig, Sent
from notifications.providers.user_urls import post_message

# A push service takes at most 24 hours.
SIGNED_SECONDS = 12 * 3600
MAX_ANSWER_BYTES = 4096
# Names that end so are of one machine or one network.
LOCAL_ENDS = ("local", "localhost", "localdomain", "internal", "invalid", "test")
# How push services say that a browser subscribed with another key than ours.
OTHER_KEY = ("mismatch", "do not correspond", "public key")  # Apple with 400, others with 40[13]


class WebPushProvider(Provider):
    """Encrypts for one browser, signs with our VAPID key, and hands it to the push service."""

    kind = "web_push"
    label = "Web push"
    channels = ("push",)
    is_built_in = True
    holds_addresses = True

    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: UUID
    ) -> Sent:
        """Post it. The service took it; the browser itself says when it has shown it."""
        body = encrypted(message)
        answer = post_message(
            replace(message, raw=body, headers=_headers(message)), read_bytes=MAX_ANSWER_BYTES
        )
        _check(answer)
        return Sent(message_id=idempotency_key.hex, answer=str(answer.status))


def encrypted(message: Message) -> bytes:
    """The body for the browser whose keys are in `secret`; raises DeliveryError for no keys."""
    # Here, not above: it brings an HTTP client of its own, which would cost every process of the
    # installation 0.2 s and 20 MB, and only one of them pushes.
    from pywebpush import WebPusher, WebPushException

    try:
        keys = json.loads(message.secret)
        used = {name: keys[name] for name in ("p256dh", "auth")}
        pusher = WebPusher({"endpoint": message.address, "keys": used})
        body: bytes = pusher.encode(message.raw)["body"]
    except (ValueError, KeyError, TypeError, WebPushException) as error:
        raise DeliveryError(
            "The browser's keys cannot be used: subscribe again.",
            permanent=True,
            breaks_address=True,
        ) from error
    return body


def _headers(message: Message) -> dict[str, str]:
    return {
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
        "TTL": str(message.data["ttl"]),
        "Urgency": message.data["urgency"],
        "Topic": message.data["topic"],
        **_signature(message.address),
    }


def _signature(endpoint: str) -> Mapping[str, str]:
    """The header Authorization (RFC 8292), for the origin of the endpoint."""
    parts = urlsplit(endpoint)
    claims = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int(time.time()) + SIGNED_SECONDS,
        # Only Apple looks at it closely; the others take one that leads nowhere.
        "sub": push_contact() or "mailto:opsknight@localhost",
    }
    signed: dict[str, str] = _signer(settings.VAPID_PRIVATE_KEY).sign(claims)
    return signed


@cache
def _signer(private_key: str) -> Vapid02:
    return Vapid02.from_string(private_key=private_key)


def push_contact() -> str:
    """Whom a push service may write to about our messages; empty: nobody, and Apple refuses them.

    Our own address where it is of the internet, else the first such address of EMAIL_FROM.
    """
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if settings.PUBLIC_URL.startswith("https://") and _is_of_the_internet(host):
        return f"https://{host}"
    addresses = [address for _, address in getaddresses([settings.DEFAULT_FROM_EMAIL])]
    found = (one for one in addresses if _is_of_the_internet(one.rpartition("@")[2]))
    return next((f"mailto:{address}" for address in found), "")


def _is_of_the_internet(host: str) -> bool:
    return "." in host.strip(".") and host.rpartition(".")[2].lower() not in LOCAL_ENDS


def _check(answer: Answer) -> None:
    """404 and 410: the subscription has ended. 401 and 403 are about our signature."""
    if answer.status in (404, 410):
        raise DeliveryError(
            "The browser does not take messages any more: subscribe again.",
            permanent=True,
            breaks_address=True,
        )
    text = answer.body.decode(errors="replace").lower()
    is_other_key = any(hint in text for hint in OTHER_KEY)
    if answer.status in (401, 403) or (answer.status == 400 and is_other_key):
        what = "The browser subscribed with another key: subscribe again."
        raise DeliveryError(
            what if is_other_key else f"The push service refuses our signature ({answer.status}).",
            permanent=True,
            breaks_address=is_other_key,
        )
    if 300 <= answer.status < 500 and answer.status not in (408, 425, 429):
        raise DeliveryError(f"The push service answered {answer.status}.", permanent=True)
    check_answer(answer.status, answer.headers.get("retry-after", ""))
