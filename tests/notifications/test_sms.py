"""What text messages say, and which sender they come from."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
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
from notifications.sms_text import count_parts
from opsknight.models import User
from tests.factories import IncidentFactory, NotificationFactory
from tests.notifications.telephones import (
    NUMBER,
    PUBLIC_URL,
    REPLIES_URL,
    SENDER,
    account_of,
    entries_of,
    page_by,
    phone_of,
)

pytestmark = pytest.mark.django_db
State = Notification.State
Reason = Notification.Reason


def sent_by_sms(twilio: Twilio) -> str:
    """Send what is due; returns the text of the only message."""
    deliver_due(channel="sms")
    assert len(twilio.messages) == 1
    return twilio.messages[0].body


def use(settings: Settings, twilio: Twilio, **fields: str) -> None:
    """An account with these fields instead."""
    settings.PROVIDERS_FROM_ENV = {"twilio": account_of(twilio, **fields)}


def send_together(channel: str) -> None:
    """Send all that is due on a channel as one message."""
    pages = claim_pages(channel=channel, limit=20)
    record_outcomes(send_parcel(CHANNELS[channel], pages, accounts_for(channel)))


def test_an_sms_names_the_incident_and_is_recorded(twilio: Twilio, incident: Incident, bob: User):
    page = page_by("sms", incident, bob)

    text = sent_by_sms(twilio)

    page.refresh_from_db()
    sms = twilio.messages[0]
    assert (page.state, page.provider_message_id) == (State.SENT, sms.sid)
    assert (sms.to, sms.sender) == (NUMBER, SENDER)
    assert text.startswith(f"OpsKnight #{incident.pk} High, Checkout: Error rate above 5 %\n")
    assert entries_of(incident) == ["Page sent to Bob by SMS"]


def test_a_repetition_says_so(twilio: Twilio, incident: Incident, bob: User):
    page_by("sms", incident, bob, maybe_duplicate=True)

    assert sent_by_sms(twilio).startswith("Possibly repeated: OpsKnight #")


@pytest.mark.parametrize("title", ["Disk full " * 60, "Диск переполнен " * 40, "磁盘已满 " * 60])
def test_an_sms_stays_within_two_parts(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User, title: str
):
    settings.SMS_LINKS = "short"  # the other one leaves wide letters no room
    Incident.objects.filter(pk=incident.pk).update(title=title[:255])
    page_by("sms", incident, bob)

    text = sent_by_sms(twilio)

    assert count_parts(text) <= 2
    assert text.endswith("Reply 1a to acknowledge, 1c to resolve.")
    assert f"{PUBLIC_URL}/i/{incident.pk}\n" in text


def incident_link(incident: Incident) -> str:
    return f"{PUBLIC_URL}/incidents/{incident.pk}/"


@pytest.mark.parametrize(
    ("number", "has_link", "has_hint"),
    [
        ("+15551234567", True, True),
        ("+919812345678", True, False),  # India's networks take no answers
        ("+8613812345678", False, False),  # China's neither answers nor links
    ],
)
def test_e8_links_and_answers_depend_on_the_country(
    twilio: Twilio, incident: Incident, bob: User, number: str, has_link: bool, has_hint: bool
):
    page_by("sms", incident, bob, number)

    text = sent_by_sms(twilio)

    assert (incident_link(incident) in text) == has_link
    assert ("Reply 1a to acknowledge" in text) == has_hint


@pytest.mark.parametrize(
    ("style", "link"),
    [("full", "/incidents/{}/"), ("short", "/i/{}"), ("none", "")],
)
def test_e9_the_link_is_full_short_or_missing_by_setting(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User, style: str, link: str
):
    settings.SMS_LINKS = style
    page_by("sms", incident, bob)

    text = sent_by_sms(twilio)

    lines = text.splitlines()
    expected = [PUBLIC_URL + link.format(incident.pk)] if link else []
    assert lines[1:-1] == expected
    assert lines[-1].startswith("Reply ")


def test_e9_a_short_link_leads_to_the_incident(client: Client, incident: Incident, alice: User):
    client.force_login(alice)

    response = client.get(f"/i/{incident.pk}")

    assert (response.status_code, response["Location"]) == (302, f"/incidents/{incident.pk}/")


def test_e9_the_short_link_of_several_leads_to_the_list(client: Client, alice: User):
    client.force_login(alice)

    response = client.get("/i/?service=3")

    assert response["Location"] == "/incidents/?service=3"


def test_e7_with_answers_switched_off_no_hint_is_given_and_a_reply_is_told_so(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User
):
    settings.SMS_REPLIES = False
    page_by("sms", incident, bob)
    text = sent_by_sms(twilio)

    said = twilio.reply(REPLIES_URL, NUMBER, "1a")

    incident.refresh_from_db()
    assert "Reply" not in text
    assert said == ["Answers by message are disabled here. Open OpsKnight to acknowledge."]
    assert incident.status == Incident.Status.TRIGGERED


def test_e10_a_sender_of_the_carrier_is_for_its_customers_only(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User, carol: User
):
    use(settings, twilio, carrier_senders="t-mobile=+15550200, 26203=+15550300")
    twilio.carriers = {
        "+15551110001": ("310260", "T-Mobile USA, Inc."),
        "+15551110002": ("311480", "Verizon Wireless"),
        "+4917600000001": ("26203", "O2"),
    }
    for number in twilio.carriers:
        page_by("sms", incident, bob, number)

    deliver_due(channel="sms")

    assert {sms.to: sms.sender for sms in twilio.messages} == {
        "+15551110001": "+15550200",
        "+15551110002": SENDER,
        "+4917600000001": "+15550300",
    }


def test_e10_the_carrier_is_asked_for_once(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User
):
    use(settings, twilio, carrier_senders="Nobody=+15550200")
    number = "+15551119999"
    for _ in range(2):
        page_by("sms", incident, bob, number)
        incident = IncidentFactory(service=incident.service)
        deliver_due(channel="sms")

    assert len(twilio.messages) == 2
    assert twilio.lookups == [number]


def test_e10_a_carrier_that_cannot_be_found_out_holds_nothing_back(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User
):
    use(settings, twilio, carrier_senders="T-Mobile=+15550200", lookup_url="http://127.0.0.1:9")
    page_by("sms", incident, bob, "+15551118888")

    deliver_due(channel="sms")

    assert [sms.sender for sms in twilio.messages] == [SENDER]


def test_e10_without_redis_the_carrier_is_asked_for_each_time(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User, tmp_path: Path
):
    settings.CACHES = {
        "default": settings.CACHES["default"] | {"LOCATION": f"unix://{tmp_path}/none.sock"}
    }
    use(settings, twilio, carrier_senders="T-Mobile=+15550200")
    number = "+15551117777"
    twilio.carriers = {number: ("310260", "T-Mobile USA, Inc.")}
    page_by("sms", incident, bob, number)

    deliver_due(channel="sms")

    assert [sms.sender for sms in twilio.messages] == ["+15550200"]


def test_e10_a_messaging_service_sends_and_calls_still_work(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User
):
    service = "MG" + "0" * 32
    use(settings, twilio, messaging_service_sid=service, voice_from="+15550400", **{"from": ""})
    page_by("sms", incident, bob)
    page_by("voice", incident, bob)

    deliver_due(channel="sms")
    deliver_due(channel="voice")

    form = twilio.messages[0].form
    assert (form["MessagingServiceSid"], "From" in form) == (service, False)
    assert twilio.calls[0].form["From"] == "+15550400"


def test_the_sender_of_the_longest_prefix_wins(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User
):
    use(settings, twilio, senders="+49=+4930100, +4915=+4930200\n+1=+15550500, nonsense, =, +7=")
    for number in ("+4915112345678", "+4930123456", "+15551234567", "+447700900123"):
        page_by("sms", incident, bob, number)

    deliver_due(channel="sms")

    assert {sms.to: sms.sender for sms in twilio.messages} == {
        "+4915112345678": "+4930200",
        "+4930123456": "+4930100",
        "+15551234567": "+15550500",
        "+447700900123": SENDER,
    }


def test_a_sender_that_is_a_name_asks_for_no_answer(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User
):
    use(settings, twilio, senders="+49=OPSKNT")
    page_by("sms", incident, bob)

    text = sent_by_sms(twilio)

    assert twilio.messages[0].sender == "OPSKNT"
    assert "Reply" not in text


def test_an_account_without_a_sender_for_the_country_is_not_asked(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User
):
    use(settings, twilio, senders="+1=+15550100", **{"from": ""})
    page = page_by("sms", incident, bob)

    deliver_due(channel="sms")

    page.refresh_from_db()
    assert twilio.messages == []
    assert page.last_error == "No provider takes messages to this address."


def test_d2_several_pages_become_one_sms_with_a_reply_for_all(
    twilio: Twilio, incident: Incident, bob: User
):
    incidents = [incident, *IncidentFactory.create_batch(3, service=incident.service)]
    for one in incidents:
        page_by("sms", one, bob)

    send_together("sms")

    text = twilio.messages[0].body
    assert len(twilio.messages) == 1
    assert text.startswith("OpsKnight: 4 open on Checkout: ")
    assert f"{PUBLIC_URL}/incidents/?service={incident.service_id}" in text
    assert text.endswith("aa to acknowledge all, 1cc to resolve all.")
    assert set(Notification.objects.values_list("state", flat=True)) == {State.SENT}


def test_d2_pages_of_a_storm_are_gathered_and_answered_together(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User
):
    settings.BUNDLE_SECONDS = 30
    for one in (incident, *IncidentFactory.create_batch(3, service=incident.service)):
        page_by("sms", one, bob)
    text = sent_by_sms(twilio)
    code = text.rpartition("Reply ")[2].partition("aa")[0]

    said = twilio.reply(REPLIES_URL, NUMBER, f"{code}aa")

    statuses = Incident.objects.values_list("status", flat=True)
    assert text.startswith("OpsKnight: 4 open on Checkout: ")
    assert list(statuses) == ["acknowledged"] * 4
    assert said[0].startswith("4 acknowledged: #")


def test_several_services_are_counted_apart(twilio: Twilio, incident: Incident, bob: User):
    for one in (incident, IncidentFactory(service=incident.service), IncidentFactory()):
        page_by("sms", one, bob)

    send_together("sms")

    assert twilio.messages[0].body.startswith("OpsKnight: 3 open: 2 on Checkout, 1 on ")


@pytest.mark.parametrize("number", ["110", "+0123456789", "0151 2345678", "+49 bob"])
def test_a_number_that_is_none_fails_at_once_and_is_switched_off(
    twilio: Twilio, incident: Incident, bob: User, number: str
):
    page = page_by("sms", incident, bob, number)

    deliver_due(channel="sms")

    page.refresh_from_db()
    method = page.contact_method
    assert page.state == State.FAILED
    assert twilio.requests == []
    assert method is not None
    assert method.broken_reason == "This is not a telephone number with its country."


def test_a_notice_by_sms_says_all_of_it(twilio: Twilio, bob: User):
    method = phone_of(bob, "sms")
    NotificationFactory(
        incident=None,
        user=bob,
        channel="sms",
        address=NUMBER,
        contact_method=method,
        reason=Reason.TEST,
        subject="A test of your number",
        text="Nothing is broken.",
        link="/settings/notifications/",
    )

    assert sent_by_sms(twilio) == (
        "OpsKnight: A test of your number\nNothing is broken.\n"
        f"{PUBLIC_URL}/settings/notifications/"
    )


def test_a_status_update_says_what_became_of_it(twilio: Twilio, incident: Incident, bob: User):
    Incident.objects.filter(pk=incident.pk).update(
        status=Incident.Status.RESOLVED, resolved_at=timezone.now() - timedelta(seconds=1)
    )
    page_by("sms", incident, bob, reason=Reason.STATUS)

    pages = claim_pages(channel="sms", limit=1)
    message = CHANNELS["sms"].render(pages) if pages else None

    assert message is None or message.text.startswith(f"OpsKnight #{incident.pk} Resolved, ")
