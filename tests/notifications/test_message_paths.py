"""Addresses in messages that are written down: they lead where the URL map says."""

import pytest
from django.urls import reverse

from notifications import links, push_receipts
from notifications.providers import twilio


@pytest.mark.parametrize(
    ("path", "name", "arguments"),
    [
        (links.PATH, "notifications:answer", ["token"]),
        (push_receipts.PATH, "push-shown", ["token"]),
        (twilio.CALL_PATH, "twilio-call", ["token"]),
        (twilio.STATUS_PATH, "twilio-status", []),
    ],
)
def test_an_address_in_a_message_leads_to_its_page(path: str, name: str, arguments: list[str]):
    assert path.format("token") == reverse(name, args=arguments)
