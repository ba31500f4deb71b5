"""WhatsApp: templates that were approved, and answers."""

import json

import pytest
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins.twilio import Twilio
from incidents.models import Incident
from notifications.channels import CHANNELS
from notifications.models import Notification
from notifications.services.accounts import accounts_for
from notifications.services.claims import claim_pages
from notifications.services.delivery import deliver_due, send_parcel
from notifications.services.outcomes import record_outcomes
from notifications.services.verification import send_code
from opsknight.models import User
from tests.factories import ContactMethodFactory, IncidentFactory
from tests.notifications.telephones import (
    NUMBER,
    PUBLIC_URL,
    REPLIES_URL,
    account_of,
    entries_of,
    page_by,
)

pytestmark = pytest.mark.django_db
State = Notification.State


def variables_of(twilio: Twilio) -> dict[str, str]:
    """What stands in the template of the only message."""
    deliver_due(channel="whatsapp")
    assert len(twilio.messages) == 1
    found: dict[str, str] = json.loads(twilio.messages[0].form["ContentVariables"])
    return found


def test_a_page_fills_the_template(twilio: Twilio, incident: Incident, bob: User):
    page = page_by("whatsapp", incident, bob)

    variables = variables_of(twilio)

    page.refresh_from_db()
    form = twilio.messages[0].form
    assert variables == {
        "1": f"#{incident.pk} Error rate above 5 %",
        "2": "Checkout",
        "3": "Triggered, high urgency. Reply 1a to acknowledge, 1c to resolve.",
        "4": f"{PUBLIC_URL}/incidents/{incident.pk}/",
    }
    assert (form["To"], form["From"]) == (f"whatsapp:{NUMBER}", "whatsapp:+15550101")
    assert form["ContentSid"].startswith("HX")
    assert page.state == State.SENT
    assert entries_of(incident) == ["Page sent to Bob by WhatsApp"]


@pytest.mark.parametrize("title", ["", "Disk\nfull\n\n\tnow      !", "x" * 5000])
def test_values_are_what_whatsapp_takes(twilio: Twilio, incident: Incident, bob: User, title: str):
    Incident.objects.filter(pk=incident.pk).update(title=title[:255])
    page_by("whatsapp", incident, bob)

    variables = variables_of(twilio)

    assert all(0 < len(value) <= 300 for value in variables.values())
    assert "\n" not in "".join(variables.values())


def test_several_pages_become_one_message(twilio: Twilio, incident: Incident, bob: User):
    for one in (incident, IncidentFactory(service=incident.service)):
        page_by("whatsapp", one, bob)
    pages = claim_pages(channel="whatsapp", limit=20)

    record_outcomes(send_parcel(CHANNELS["whatsapp"], pages, accounts_for("whatsapp")))

    variables = json.loads(twilio.messages[0].form["ContentVariables"])
    assert variables["2"] == "Checkout"
    assert variables["3"].startswith("2 open on Checkout. Reply ")


def test_a_code_goes_out_by_its_own_template(twilio: Twilio, settings: Settings, bob: User):
    own = "HX" + "1" * 32
    settings.PROVIDERS_FROM_ENV = {"twilio": account_of(twilio, whatsapp_code_content_sid=own)}
    method = ContactMethodFactory(user=bob, channel="whatsapp", address=NUMBER, verified_at=None)
    send_code(user=bob, pk=method.pk, now=timezone.now())

    variables = variables_of(twilio)

    assert twilio.messages[0].form["ContentSid"] == own
    assert list(variables) == ["1"]
    assert variables["1"].isdigit()


def test_a_reply_by_whatsapp_acknowledges(twilio: Twilio, incident: Incident, bob: User):
    page_by("whatsapp", incident, bob)
    deliver_due(channel="whatsapp")

    said = twilio.reply(REPLIES_URL, f"whatsapp:{NUMBER}", "ack")

    assert said == [f"#{incident.pk} Error rate above 5 %: acknowledged."]
    assert entries_of(incident)[-1] == "Acknowledged by Bob by WhatsApp"


def test_a_page_that_was_read_was_delivered(twilio: Twilio, incident: Incident, bob: User):
    page = page_by("whatsapp", incident, bob)
    deliver_due(channel="whatsapp")

    twilio.report(twilio.messages[0], "read")

    page.refresh_from_db()
    assert page.state == State.DELIVERED


def test_a_number_without_whatsapp_is_switched_off(twilio: Twilio, incident: Incident, bob: User):
    page = page_by("whatsapp", incident, bob)
    deliver_due(channel="whatsapp")

    twilio.report(twilio.messages[0], "undelivered", 63024)

    page.refresh_from_db()
    assert page.state == State.FAILED
    assert page.contact_method is not None
    assert page.contact_method.is_broken


def test_without_a_template_whatsapp_is_the_sandbox(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User
):
    settings.PROVIDERS_FROM_ENV = {"twilio": account_of(twilio, whatsapp_content_sid="")}
    page = page_by("whatsapp", incident, bob)

    deliver_due(channel="whatsapp")

    page.refresh_from_db()
    assert page.state == State.SANDBOXED
