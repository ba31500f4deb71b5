"""The stand-in for Twilio, and its way into our application without a network."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from django.test import Client

from bench.stand_ins.twilio import ACCOUNT_SID, AUTH_TOKEN, Twilio

NUMBER = "+4915112345678"
SENDER = "+15550100"
PUBLIC_URL = "https://ops.example.com"
REPLIES_URL = f"{PUBLIC_URL}/api/providers/twilio/messages/"


def post_to_us(url: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, str]:
    """Take a callback to the application, as the proxy in front of it would."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    answer = Client().post(path, form, headers=headers, HTTP_HOST=parts.netloc)
    return answer.status_code, answer.content.decode()


@contextmanager
def running_twilio() -> Iterator[Twilio]:
    """Twilio on a free port."""
    twilio = Twilio(post_to_us)
    with twilio.running():
        yield twilio


def account_of(twilio: Twilio, **more: str) -> dict[str, str]:
    """Our account there, as the environment would name it."""
    return {
        "account_sid": ACCOUNT_SID,
        "auth_token": AUTH_TOKEN,
        "from": SENDER,
        "api_url": twilio.url,
        "lookup_url": twilio.url,
        "whatsapp_from": "+15550101",
        "whatsapp_content_sid": "HX" + "0" * 32,
    } | more
