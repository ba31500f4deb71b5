"""The stand-in for Twilio, its way into our application without a network, and pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from django.test import Client

from bench.stand_ins.twilio import ACCOUNT_SID, AUTH_TOKEN, Twilio
from incidents.models import Incident, TimelineEntry
from notifications.models import ContactMethod, Notification
from opsknight.models import User
from tests.factories import ContactMethodFactory, NotificationFactory, NotificationRuleFactory

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


def phone_of(user: User, channel: str, address: str = NUMBER, delay: int = 0) -> ContactMethod:
    """A telephone that is the person's, and a rule that uses it."""
    method = ContactMethodFactory(user=user, channel=channel, address=address)
    NotificationRuleFactory(contact_method=method, delay_minutes=delay)
    return method


def page_by(
    channel: str, incident: Incident | None, user: User, address: str = NUMBER, **values: Any
) -> Notification:
    """A page that is due, to a telephone of the person."""
    methods = ContactMethod.objects.filter(user=user, channel=channel, address=address)
    return NotificationFactory(
        incident=incident,
        user=user,
        channel=channel,
        address=address,
        contact_method=methods.first() or phone_of(user, channel, address),
        **values,
    )


def entries_of(incident: Incident) -> list[str]:
    """The timeline, in words."""
    return list(TimelineEntry.objects.filter(incident=incident).values_list("message", flat=True))
