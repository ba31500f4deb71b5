"""What Twilio answers and reports, and what becomes of the page."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins.server import Reply, json_reply
from bench.stand_ins.twilio import Twilio
from incidents.models import Incident
from notifications.channels.base import DeliveryError, Message
from notifications.models import ContactMethod, DeliveryAttempt, InboundReply, Notification
from notifications.providers import PROVIDERS
from notifications.providers.base import ProviderConfig, Receipt, Sent
from notifications.services.delivery import deliver_due
from opsknight.models import User
from tests.factories import IncidentFactory
from tests.notifications.telephones import (
    NUMBER,
    PUBLIC_URL,
    REPLIES_URL,
    account_of,
    entries_of,
    page_by,
    phone_of,
    post_to_us,
)

pytestmark = pytest.mark.django_db
State = Notification.State
STATUS_URL = f"{PUBLIC_URL}/api/providers/twilio/status/"
SMS = Message(NUMBER, "Page. Reply 1a.", data={"form": "sms", "one_way": "Page."})


def config_of(twilio: Twilio, **fields: str) -> ProviderConfig:
    return ProviderConfig("7", "twilio", "Ours", account_of(twilio, **fields))


def send(twilio: Twilio, message: Message = SMS, **fields: str) -> Sent:
    return PROVIDERS["twilio"].send(
        message, config=config_of(twilio, **fields), channel="sms", idempotency_key=uuid4()
    )


def refused(twilio: Twilio, fault: Reply | None = None, **fields: str) -> DeliveryError:
    if fault is not None:
        twilio.faults.append(fault)
    with pytest.raises(DeliveryError) as caught:
        send(twilio, **fields)
    return caught.value


def sent_page(
    twilio: Twilio, incident: Incident, user: User, channel: str = "sms", **values: object
) -> Notification:
    """A page that Twilio took."""
    page = page_by(channel, incident, user, **values)
    deliver_due(channel=channel)
    page.refresh_from_db()
    assert page.state == State.SENT
    return page


# --- Answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "breaks", "is_of_account", "permanent"),
    [
        (21211, True, False, True),  # no valid number
        (21614, True, False, True),  # no mobile
        (21610, True, False, True),  # its owner answered STOP
        (30007, False, False, True),  # taken for spam: this text, not this number
        (21408, False, True, True),  # this account may not send there; another may
        (21606, False, True, True),
        (21611, False, True, False),  # full; passes
        (63038, False, True, False),
        (99999, False, False, True),  # unknown to us
    ],
)
def test_codes_tell_whose_fault_it_is(
    twilio: Twilio, code: int, breaks: bool, is_of_account: bool, permanent: bool
):
    twilio.refused[NUMBER] = code

    error = refused(twilio)

    assert error.breaks_address == breaks
    assert error.provider_is_down == is_of_account
    assert error.permanent == permanent


def test_a_refusal_does_not_show_whose_number_it_was(twilio: Twilio):
    twilio.refused[NUMBER] = 99999

    error = refused(twilio)

    assert str(error) == "Twilio answered 400: The number … was refused. (99999)."


def test_a_wrong_token_is_the_account_s_fault(twilio: Twilio):
    error = refused(twilio, auth_token="wrong")

    assert (error.provider_is_down, error.permanent) == (True, False)
    assert "wrong" in str(error)


@pytest.mark.parametrize(
    ("headers", "patience"), [({"retry_after": "7"}, timedelta(seconds=7)), ({}, None)]
)
def test_too_many_requests_are_retried_by_another_account_or_later(
    twilio: Twilio, headers: dict[str, str], patience: timedelta | None
):
    fault = json_reply({"code": 20429, "message": "Too Many Requests"}, 429, **headers)

    error = refused(twilio, fault)

    assert error.retry_after == patience
    assert (error.provider_is_down, error.permanent) == (True, False)


@pytest.mark.parametrize(
    "fault",
    [
        Reply(500, b"oops"),
        Reply(503),
        json_reply({"code": 20500, "message": "Internal"}, 500),
        json_reply({"code": 21211, "message": "On a bad day"}, 502),
    ],
)
def test_errors_of_the_server_pass(twilio: Twilio, fault: Reply):
    error = refused(twilio, fault)

    assert (error.provider_is_down, error.permanent) == (True, False)
    assert not error.breaks_address


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [
        ({"sid": "SM1", "status": "failed", "error_code": 21611}, False),
        ({"sid": "SM1", "status": "undelivered", "error_code": None}, True),
        ({"sid": "SM1", "status": "queued", "error_code": 30006}, True),
        ({"code": 21211, "message": "Not valid", "status": 400}, True),
    ],
)
def test_an_acceptance_that_tells_of_an_error_is_an_error(
    twilio: Twilio, answer: dict[str, object], permanent: bool
):
    error = refused(twilio, json_reply(answer, 201))

    assert error.permanent == permanent
    assert not error.may_have_arrived


@pytest.mark.parametrize(
    "fault",
    [
        Reply(200, b"<html>Sign in to the wireless network</html>"),
        json_reply(["sid"], 201),
        json_reply({"status": "queued"}, 201),
        json_reply({"sid": ""}, 201),
        Reply(is_silent=True),
        Reply(201, b'{"sid": "SM1"}', cut_after=5),
        Reply(201, b"x" * 10_000_000),
    ],
    ids=["page", "list", "no number", "empty number", "silent", "half closed", "10 MB"],
)
def test_an_answer_that_cannot_be_understood_leaves_it_open_whether_it_arrived(
    twilio: Twilio, fault: Reply
):
    error = refused(twilio, fault)

    assert (error.may_have_arrived, error.provider_is_down) == (True, True)


def test_the_next_account_takes_what_this_one_may_not_send(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User
):
    twilio.refused[NUMBER] = 21408
    page = page_by("sms", incident, bob)
    settings.PROVIDERS_FROM_ENV = settings.PROVIDERS_FROM_ENV | {
        "sns": {"access_key_id": "x", "secret_access_key": "y", "api_url": "http://127.0.0.1:9"}
    }

    deliver_due(channel="sms")

    page.refresh_from_db()
    attempts = page.delivery_attempts.values_list("provider", flat=True)
    assert list(attempts) == ["Twilio", "Amazon SNS"]


def test_where_twilio_cannot_reach_us_it_is_given_no_address(twilio: Twilio, settings: Settings):
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    config = ProviderConfig("7", "twilio", "Ours", account_of(twilio, api_url="https://x.test"))
    provider = PROVIDERS["twilio"]

    with pytest.raises(DeliveryError):
        provider.send(SMS, config=config, channel="sms", idempotency_key=uuid4())
    send(twilio)

    # A stand-in on this machine can reach us.
    assert twilio.messages[0].form["StatusCallback"].startswith("http://127.0.0.1:8000/")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("queued", None, None),
        ("sent", None, None),
        ("delivered", None, True),
        ("read", None, True),
        ("undelivered", 30003, False),
        ("failed", 30008, False),
    ],
)
def test_it_can_be_asked_what_became_of_a_message(
    twilio: Twilio, status: str, code: int | None, expected: bool | None
):
    sent = send(twilio)
    twilio.messages[0].status, twilio.messages[0].error_code = status, code

    receipt = PROVIDERS["twilio"].ask(sent.message_id, config=config_of(twilio), channel="sms")

    assert isinstance(receipt, Receipt)
    assert (receipt.message_id, receipt.is_delivered) == (sent.message_id, expected)


def test_asking_for_an_unknown_message_is_an_error(twilio: Twilio):
    with pytest.raises(DeliveryError, match="404"):
        PROVIDERS["twilio"].ask("SM404", config=config_of(twilio), channel="sms")


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

    twilio._post = intercept
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


def test_a_body_that_is_no_form_is_refused(client: Client):
    response = client.post(
        "/api/providers/twilio/status/", b"\xff\x00{", content_type="application/json"
    )

    assert response.status_code == 403


def test_a_country_that_the_account_may_not_send_to_stops_it_for_no_other(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User
):
    settings.BREAKER_FAILURES = 2
    numbers = [f"+8613800000{n:03d}" for n in range(5)]
    twilio.refused = dict.fromkeys(numbers, 21408)
    for number in numbers:
        page_by("sms", incident, bob, number)
    deliver_due(channel="sms")

    page = sent_page(twilio, incident, bob)

    assert page.state == State.SENT
