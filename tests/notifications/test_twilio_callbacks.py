"""What Twilio tells us, signed: receipts and replies. Forgeries change nothing."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.test import Client
from django.test.testcases import LiveServerThread
from django.utils import timezone
from pytest_django import Settings
from twilio.request_validator import RequestValidator

from bench.stand_ins.twilio import Twilio, post_over_http
from incidents.models import Incident
from notifications.models import (
    ContactMethod,
    DeliveryAttempt,
    InboundReply,
    Notification,
    Provider,
)
from notifications.services.delivery import deliver_due
from opsknight.models import User
from tests.factories import IncidentFactory
from tests.notifications.telephones import (
    NUMBER,
    PUBLIC_URL,
    REPLIES_URL,
    entries_of,
    page_by,
    phone_of,
    post_to_us,
)

pytestmark = pytest.mark.django_db
State = Notification.State
STATUS_URL = f"{PUBLIC_URL}/api/providers/twilio/status/"


def sent_page(
    twilio: Twilio, incident: Incident, user: User, channel: str = "sms", **values: object
) -> Notification:
    """A page that Twilio took."""
    page = page_by(channel, incident, user, **values)
    deliver_due(channel=channel)
    page.refresh_from_db()
    assert page.state == State.SENT
    return page


# --- Receipts -------------------------------------------------------------------------------------


def test_a_receipt_moves_a_page_to_delivered(twilio: Twilio, incident: Incident, bob: User):
    page = sent_page(twilio, incident, bob)

    assert twilio.report(twilio.messages[0], "delivered") == 204

    page.refresh_from_db()
    assert page.state == State.DELIVERED


@pytest.mark.parametrize("channel", ["sms", "voice"])
def test_d4_a_refusal_is_logged_as_sent_then_failed_and_nothing_is_sent_twice(
    twilio: Twilio, incident: Incident, bob: User, channel: str
):
    page = sent_page(twilio, incident, bob, channel)
    order = twilio.messages[0] if channel == "sms" else twilio.calls[0]

    twilio.report(order, "failed")
    twilio.report(order, "failed")
    deliver_due(channel=channel)

    page.refresh_from_db()
    phrase = {"sms": "by SMS", "voice": "by telephone"}[channel]
    entries = entries_of(incident)
    assert page.state == State.FAILED
    assert len(twilio.messages) + len(twilio.calls) == 1
    assert entries[0] == f"Page sent to Bob {phrase}"
    assert entries[1].startswith(f"Page to Bob {phrase} failed: ")
    assert len(entries) == 2


@pytest.mark.parametrize("channel", ["sms", "voice"])
def test_d4_a_number_that_is_refused_at_once_is_tried_once(
    twilio: Twilio, incident: Incident, bob: User, channel: str
):
    twilio.refused[NUMBER] = 21211
    page = page_by(channel, incident, bob)

    deliver_due(channel=channel)
    deliver_due(channel=channel)

    page.refresh_from_db()
    assert (page.state, page.attempts) == (State.FAILED, 1)
    assert len(twilio.requests) == 1
    assert not ContactMethod.objects.get().enabled


@pytest.mark.parametrize("status", ["undelivered", "failed"])
@pytest.mark.parametrize("code", [30001, 30008])
def test_t3_undelivered_is_failed_and_the_next_way_is_tried_at_once(
    twilio: Twilio, incident: Incident, bob: User, status: str, code: int
):
    page = sent_page(twilio, incident, bob)
    later = page_by(
        "voice", incident, bob, delay_minutes=30, due_at=timezone.now() + timedelta(minutes=30)
    )

    twilio.report(twilio.messages[0], status, code)
    deliver_due(channel="voice")

    page.refresh_from_db()
    later.refresh_from_db()
    assert (page.state, later.state) == (State.FAILED, State.SENT)
    assert ContactMethod.objects.get(channel="sms").enabled
    assert f"(Twilio {code}). Trying by telephone now." in entries_of(incident)[1]


def test_t3_a_number_that_is_gone_is_switched_off(twilio: Twilio, incident: Incident, bob: User):
    sent_page(twilio, incident, bob)

    twilio.report(twilio.messages[0], "undelivered", 30005)

    method = ContactMethod.objects.get()
    assert method.broken_reason == "The number does not exist any more (Twilio 30005)."


@pytest.mark.parametrize("status", ["busy", "no-answer", "canceled", "failed"])
def test_a_call_that_nobody_took_is_failed(
    twilio: Twilio, incident: Incident, bob: User, status: str
):
    page = sent_page(twilio, incident, bob, "voice")

    twilio.report(twilio.calls[0], status)

    page.refresh_from_db()
    assert page.state == State.FAILED
    assert ContactMethod.objects.get().enabled


def test_a_call_that_somebody_took_is_delivered(twilio: Twilio, incident: Incident, bob: User):
    page = sent_page(twilio, incident, bob, "voice")

    twilio.report(twilio.calls[0], "completed")

    page.refresh_from_db()
    assert page.state == State.DELIVERED


def test_a_status_on_the_way_changes_nothing(twilio: Twilio, incident: Incident, bob: User):
    page = sent_page(twilio, incident, bob)

    assert twilio.report(twilio.messages[0], "sending") == 204

    page.refresh_from_db()
    assert page.state == State.SENT


def test_e11_rcs_is_answered_like_sms_and_shows_that_it_was_read(
    twilio: Twilio, incident: Incident, bob: User
):
    page = sent_page(twilio, incident, bob)

    twilio.report(twilio.messages[0], "delivered")
    twilio.report(twilio.messages[0], "read")
    twilio.report(twilio.messages[0], "read")
    said = twilio.reply(REPLIES_URL, f"rcs:{NUMBER}", "1a")

    page.refresh_from_db()
    incident.refresh_from_db()
    details = page.delivery_attempts.values_list("detail", flat=True)
    assert incident.status == Incident.Status.ACKNOWLEDGED
    assert said == [f"#{incident.pk} Error rate above 5 %: acknowledged."]
    assert page.state == State.DELIVERED
    assert list(details).count("Read.") == 1


# --- Replies --------------------------------------------------------------------------------------


def test_a_reply_acknowledges_with_the_person_s_name(twilio: Twilio, incident: Incident, bob: User):
    sent_page(twilio, incident, bob)

    said = twilio.reply(REPLIES_URL, NUMBER, " 1 A ")

    assert said == [f"#{incident.pk} Error rate above 5 %: acknowledged."]
    assert entries_of(incident)[-1] == "Acknowledged by Bob by SMS"


def test_a_reply_that_is_told_twice_is_acted_on_once(twilio: Twilio, incident: Incident, bob: User):
    sent_page(twilio, incident, bob)

    first = twilio.reply(REPLIES_URL, NUMBER, "1a", message_id="SMsame")
    second = twilio.reply(REPLIES_URL, NUMBER, "1a", message_id="SMsame")

    assert first == second
    assert InboundReply.objects.count() == 1


def test_one_reply_acknowledges_all_of_a_message(twilio: Twilio, incident: Incident, bob: User):
    incidents = [incident, *IncidentFactory.create_batch(2, service=incident.service)]
    bundle = uuid4()
    for one in incidents:
        page_by("sms", one, bob)
    deliver_due(channel="sms")
    Notification.objects.update(bundle=bundle)

    twilio.reply(REPLIES_URL, NUMBER, "1aa")

    statuses = Incident.objects.values_list("status", flat=True)
    assert set(statuses) == {Incident.Status.ACKNOWLEDGED}


@pytest.mark.parametrize(
    ("text", "opt_out", "answers"),
    [("stop ", "", 0), ("Please leave me alone", "STOP", 0)],
)
def test_e6_stop_ends_sms_and_calls_go_on(
    twilio: Twilio, incident: Incident, bob: User, text: str, opt_out: str, answers: int
):
    phone_of(bob, "voice")
    sent_page(twilio, incident, bob)

    said = twilio.reply(REPLIES_URL, NUMBER, text, **({"OptOutType": opt_out} if opt_out else {}))

    stopped = ContactMethod.objects.exclude(stopped_at=None).values_list("channel", flat=True)
    assert list(stopped) == ["sms"]
    assert len(said) == answers


def test_a_stranger_gets_no_answer(twilio: Twilio, incident: Incident):
    assert twilio.reply(REPLIES_URL, "+15559999999", "1a") == []


# --- Forgeries ------------------------------------------------------------------------------------

PATHS = ("status/", "messages/", "calls/token/")


@pytest.mark.parametrize("path", PATHS)
def test_what_is_not_signed_is_refused(twilio: Twilio, path: str):
    url = f"{PUBLIC_URL}/api/providers/twilio/{path}"
    form = {"AccountSid": twilio.account_sid, "MessageSid": "SM1", "MessageStatus": "delivered"}

    assert post_to_us(url, form, {})[0] == 403
    assert post_to_us(url, form, {"X-Twilio-Signature": "c2lnbmVk"})[0] == 403


@pytest.mark.parametrize("path", PATHS)
def test_what_is_no_post_is_refused(client: Client, path: str):
    assert client.get(f"/api/providers/twilio/{path}").status_code == 405


def test_a_signature_holds_for_its_address_and_words_only(
    twilio: Twilio, incident: Incident, bob: User
):
    page = sent_page(twilio, incident, bob)
    form = {"MessageSid": page.provider_message_id, "MessageStatus": "queued"}
    form |= {"AccountSid": twilio.account_sid}
    caught: list[dict[str, str]] = []

    def intercept(url: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, str]:
        caught.append(headers)
        return 200, ""

    twilio.post = intercept
    twilio.tell(STATUS_URL, form)
    altered = post_to_us(STATUS_URL, form | {"MessageStatus": "failed"}, caught[0])
    elsewhere = post_to_us(REPLIES_URL, form, caught[0])

    page.refresh_from_db()
    assert (altered[0], elsewhere[0]) == (403, 403)
    assert page.state == State.SENT
    assert DeliveryAttempt.objects.count() == 1


def test_another_account_cannot_speak_for_ours(twilio: Twilio, incident: Incident, bob: User):
    page = sent_page(twilio, incident, bob)
    twilio.account_sid = "AC" + "9" * 32

    assert twilio.report(twilio.messages[0], "failed") == 403

    page.refresh_from_db()
    assert page.state == State.SENT


def test_without_an_account_nobody_is_believed(twilio: Twilio, settings: Settings):
    settings.PROVIDERS_FROM_ENV = {}

    form = {"AccountSid": twilio.account_sid, "MessageSid": "SM1", "MessageStatus": "failed"}

    assert twilio.tell(STATUS_URL, form)[0] == 403


def test_an_account_without_a_token_believes_nobody(twilio: Twilio, settings: Settings):
    settings.PROVIDERS_FROM_ENV = {}
    Provider.objects.create(
        kind="twilio",
        name="Half",
        settings={"account_sid": twilio.account_sid, "from": "+15550100"},
    )
    form = {"AccountSid": twilio.account_sid, "From": "+15550101", "Body": "STOP"}
    signature = RequestValidator("").compute_signature(REPLIES_URL, form)

    assert post_to_us(REPLIES_URL, form, {"X-Twilio-Signature": signature})[0] == 403


def test_a_body_that_is_no_form_is_refused(client: Client):
    response = client.post(
        "/api/providers/twilio/status/", b"\xff\x00{", content_type="application/json"
    )

    assert response.status_code == 403


def test_a_body_without_end_is_refused(twilio: Twilio, client: Client, settings: Settings):
    form = {"AccountSid": "x" * (settings.INTAKE_MAX_BODY_BYTES + 1)}

    response = client.post(
        "/api/providers/twilio/status/", urlencode(form), "application/x-www-form-urlencoded"
    )

    assert response.status_code in (400, 413)


@pytest.fixture
def our_url(settings: Settings) -> Iterator[str]:
    """Where the application listens, in a thread of its own."""
    thread = LiveServerThread("127.0.0.1", static_handler=StaticFilesHandler)
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    settings.PUBLIC_URL = f"http://127.0.0.1:{thread.port}"
    yield settings.PUBLIC_URL
    thread.terminate()


@pytest.mark.django_db(transaction=True)
def test_over_the_network_a_receipt_a_reply_and_a_key_arrive(
    twilio: Twilio, our_url: str, incident: Incident, bob: User
):
    twilio.post = post_over_http
    page = sent_page(twilio, incident, bob)
    sent_page(twilio, incident, bob, "voice")
    twilio.take_call(twilio.calls[0])

    twilio.report(twilio.messages[0], "delivered")
    said = twilio.reply(f"{our_url}/api/providers/twilio/messages/", NUMBER, "1a")
    spoken = twilio.press(twilio.calls[0], "6")

    page.refresh_from_db()
    incident.refresh_from_db()
    assert page.state == State.DELIVERED
    assert said == [f"#{incident.pk} Error rate above 5 %: acknowledged."]
    assert spoken == "Resolved. Goodbye."
    assert incident.status == Incident.Status.RESOLVED
