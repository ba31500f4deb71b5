"""What Twilio answers and reports, and what becomes of the page."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.http import HttpResponse
from pytest_django import Settings

from bench.stand_ins.server import Reply, json_reply
from bench.stand_ins.twilio import Twilio
from incidents.models import Incident
from notifications.channels import CHANNELS
from notifications.channels.base import DeliveryError, Message
from notifications.models import Notification
from notifications.models import Provider as Account
from notifications.providers import PROVIDERS
from notifications.providers.base import ProviderConfig, Receipt, Sent
from notifications.providers.twilio import STATUS_PATH, callback_url, order_form
from notifications.services.accounts import accounts_of_kind
from notifications.services.claims import claim_pages
from notifications.services.delivery import deliver_due
from notifications.services.provider_trials import find_config, try_account
from opsknight.models import User
from tests.incidents.cast import browser
from tests.notifications.telephones import (
    NUMBER,
    PUBLIC_URL,
    REPLIES_URL,
    account_of,
    page_by,
)

pytestmark = pytest.mark.django_db
State = Notification.State
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


def claimed(channel: str, incident: Incident, user: User) -> Message:
    """A page as its channel renders it."""
    page_by(channel, incident, user)
    return CHANNELS[channel].render(claim_pages(channel=channel, limit=1))


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


@pytest.mark.parametrize(
    ("ours", "theirs", "is_given"),
    [
        ("https://ops.example.com", "https://api.twilio.com", True),
        ("http://localhost:8000", "https://api.twilio.com", False),
        ("http://127.0.0.1:8000", "https://api.twilio.com", False),
        ("http://192.168.1.5", "https://api.twilio.com", False),
        ("http://opsknight", "https://api.twilio.com", False),
        # A stand-in on this machine can reach us.
        ("http://127.0.0.1:8000", "http://127.0.0.1:9999", True),
    ],
)
def test_where_twilio_cannot_reach_us_it_is_given_no_address(
    settings: Settings, ours: str, theirs: str, is_given: bool
):
    settings.PUBLIC_URL = ours
    config = ProviderConfig("7", "twilio", "Ours", {"api_url": theirs})

    url = callback_url(config, STATUS_PATH)

    assert url == (f"{ours}/api/providers/twilio/status/" if is_given else "")


def test_without_an_address_of_ours_a_call_asks_for_no_key(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User
):
    settings.PUBLIC_URL = "http://localhost:8000"
    config = ProviderConfig("7", "twilio", "Ours", account_of(twilio, api_url="https://x.test"))

    form = order_form(claimed("voice", incident, bob), config=config, channel="voice")

    assert "Gather" not in form["Twiml"]
    assert "StatusCallback" not in form


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


def test_a_country_that_the_account_may_not_send_to_stops_it_for_no_other(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User
):
    settings.BREAKER_FAILURES = 2
    numbers = [f"+8613800000{n:03d}" for n in range(5)]
    twilio.refused = dict.fromkeys(numbers, 21408)
    for number in numbers:
        page_by("sms", incident, bob, number)
    deliver_due(channel="sms")

    page = page_by("sms", incident, bob)
    deliver_due(channel="sms")

    page.refresh_from_db()
    assert page.state == State.SENT


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("sms", "OpsKnight: Test of Twilio"),
        ("voice", "Hello, this is OpsKnight. Test of Twilio."),
        ("whatsapp", "Test of Twilio"),
    ],
)
def test_an_account_can_be_tried_on_every_channel(
    twilio: Twilio, alice: User, channel: str, words: str
):
    config = find_config("env:twilio")

    answer = try_account(config=config, channel=channel, address=NUMBER, actor=alice)

    orders = [*twilio.messages, *twilio.calls]
    assert (answer.was_taken, answer.text) == (True, "201 queued")
    assert words in "".join(orders[0].form.values())


def test_an_account_in_the_admin_is_used_before_that_of_the_environment(
    twilio: Twilio, incident: Incident, bob: User
):
    account = Account.objects.create(
        kind="twilio",
        name="Our Twilio",
        settings={"account_sid": twilio.account_sid, "from": "+15550777", "api_url": twilio.url},
        secrets=json.dumps({"auth_token": twilio.auth_token}),
    )
    page = page_by("sms", incident, bob)

    deliver_due(channel="sms")
    twilio.report(twilio.messages[0], "delivered")

    page.refresh_from_db()
    assert twilio.messages[0].sender == "+15550777"
    assert (page.provider, page.state) == (account.key, State.DELIVERED)


def enter_account(user: User, **values: str) -> HttpResponse:
    """Fill in the form of the admin."""
    given = {"account_sid": "AC1", "auth_token": "t", "from": "+15550100"} | values
    form = {f"value_{name}": value for name, value in given.items()}
    form |= {"name": "Our Twilio", "position": "1", "enabled": "on"}
    response = browser(user).post("/admin/notifications/provider/add/?kind=twilio", form)
    assert isinstance(response, HttpResponse)
    return response


def test_a_whole_account_can_be_entered(alice: User):
    answer = enter_account(
        alice,
        senders="+49=+4930100, +91=OPSKNT",
        carrier_senders="T-Mobile USA=+15550200",
        voice_from="+15550101",
        whatsapp_from="+15550102",
        whatsapp_content_sid="HX1",
    )

    assert answer.status_code == 302
    assert {a.name for a in accounts_of_kind("twilio")} == {"Our Twilio"}


def test_the_form_says_where_replies_go(alice: User, settings: Settings):
    settings.PUBLIC_URL = PUBLIC_URL

    page = browser(alice).get("/admin/notifications/provider/add/?kind=twilio").content.decode()

    assert REPLIES_URL in page


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"senders": "+49:+4930100"}, "+49:+4930100 is none"),
        ({"senders": "+49=+4930100, +1="}, "+1= is none"),
        ({"carrier_senders": "T-Mobile"}, "T-Mobile is none"),
        ({"voice_from": "030 100"}, "Write the number with its country"),
        ({"whatsapp_from": "me", "whatsapp_content_sid": "HX1"}, "Write the number with its"),
        ({"whatsapp_from": "+15550102"}, "WhatsApp delivers only templates"),
        ({"from": ""}, "Enter at least one sender"),
    ],
)
def test_an_account_that_could_not_send_is_not_taken(
    alice: User, values: dict[str, str], problem: str
):
    answer = enter_account(alice, **values)

    assert answer.status_code == 200
    assert problem in answer.content.decode()
    assert accounts_of_kind("twilio") == ()
