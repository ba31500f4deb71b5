"""SendGrid, Resend, Amazon SES and SNS: calls to stand-ins, and what their refusals mean."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest

from bench.stand_ins import amazon, resend, sendgrid
from bench.stand_ins.server import Reply, StandIn, json_reply
from notifications.channels.base import DeliveryError, Message
from notifications.channels.email import EmailChannel
from notifications.channels.sms import SmsChannel
from notifications.providers.base import Provider, ProviderConfig, Receipt, Sent
from notifications.providers.http import MAX_ANSWER_BYTES
from notifications.providers.resend import ResendProvider
from notifications.providers.sendgrid import SendGridProvider
from notifications.providers.ses import SesProvider
from notifications.providers.sns import SnsProvider
from tests.notifications.test_email import PAGE

pytestmark = pytest.mark.django_db
KEY = PAGE.idempotency_key
AWS = {
    "access_key_id": amazon.ACCESS_KEY_ID,
    "secret_access_key": amazon.SECRET_ACCESS_KEY,
    "region": amazon.REGION,
}
TEXT = Message("+4915123456789", "OpsKnight #12 High: Error rate above 5 %. Reply 1a.")


@dataclass(frozen=True)
class Service:
    """One provider, its stand-in, and what it is given."""

    provider: Provider
    stand_in: StandIn
    values: Mapping[str, str]
    channel: str = "email"

    @property
    def config(self) -> ProviderConfig:
        values = {"api_url": self.stand_in.url} | self.values
        return ProviderConfig("7", self.provider.kind, "Ours", values)

    def send(self, message: Message | None = None, **values: str) -> Sent:
        config = self.config
        return self.provider.send(
            message or self.message,
            config=replace(config, values={**config.values, **values}),
            channel=self.channel,
            idempotency_key=KEY,
        )

    def refuse(self, reply: Reply | None = None, **values: str) -> DeliveryError:
        """Send while it answers so; returns the error."""
        if reply is not None:
            self.stand_in.faults.append(reply)
        with pytest.raises(DeliveryError) as caught:
            self.send(**values)
        return caught.value

    @property
    def message(self) -> Message:
        return TEXT if self.channel == "sms" else EmailChannel().render([PAGE])


def build(name: str) -> Service:
    match name:
        case "sendgrid":
            values = {"api_key": sendgrid.API_KEY}
            return Service(SendGridProvider(), sendgrid.SendGrid(), values)
        case "resend":
            return Service(ResendProvider(), resend.Resend(), {"api_key": resend.API_KEY})
        case "ses":
            return Service(SesProvider(), amazon.Ses(), AWS)
        case _:
            return Service(SnsProvider(), amazon.Sns(), AWS, "sms")


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    built = build(request.param)
    with built.stand_in.running():
        yield built


every_service = pytest.mark.parametrize(
    "service", ["sendgrid", "resend", "ses", "sns"], indirect=True
)


def only(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("service", [name], indirect=True)


@only("sendgrid")
def test_sendgrid_gets_the_words_the_thread_and_our_number(service: Service):
    sent = service.send()

    (mail,) = service.stand_in.mails  # type: ignore[attr-defined]
    assert sent.message_id == KEY.hex
    person = mail["personalizations"][0]
    assert person == {
        "to": [{"email": "bob@example.com"}],
        "custom_args": {"opsknight_id": KEY.hex},
    }
    assert mail["subject"] == "[OpsKnight] #12 High: Error rate above 5 %"
    assert mail["headers"]["References"].startswith("<incident-12@")
    assert KEY.hex in mail["headers"]["Message-ID"]
    assert "Checkout" in mail["content"][1]["value"]


@only("sendgrid")
def test_sendgrid_rewrites_no_links(service: Service):
    service.send()

    (mail,) = service.stand_in.mails  # type: ignore[attr-defined]
    assert mail["tracking_settings"]["click_tracking"]["enable"] is False


@only("resend")
def test_resend_gets_the_words_and_the_key(service: Service):
    sent = service.send()

    mail = service.stand_in.mails[sent.message_id]  # type: ignore[attr-defined]
    assert mail["to"] == ["bob@example.com"]
    assert "Checkout" in mail["text"]
    assert service.stand_in.requests[0].headers["idempotency-key"] == str(KEY)


@only("resend")
def test_resend_drops_the_repetition_of_a_mail_that_it_took(service: Service):
    first = service.send()

    again = service.send()

    assert again.message_id == first.message_id
    assert len(service.stand_in.mails) == 1  # type: ignore[attr-defined]


@only("resend")
def test_a_repetition_that_says_that_it_is_one_counts_as_sent(service: Service):
    service.send()

    again = service.send(EmailChannel().render([replace(PAGE, maybe_duplicate=True)]))

    assert again == Sent(answer="Had been taken before.")
    assert len(service.stand_in.mails) == 1  # type: ignore[attr-defined]


@only("resend")
def test_a_mail_that_resend_is_still_at_work_on_is_asked_for_again(service: Service):
    error = service.refuse(json_reply({"name": "concurrent_idempotent_requests"}, 409))

    assert (error.may_have_arrived, error.permanent) == (True, False)


@only("ses")
def test_ses_gets_the_mail_as_it_was_rendered_under_a_valid_signature(service: Service):
    sent = service.send(configuration_set="events")

    (raw,) = service.stand_in.mails  # type: ignore[attr-defined]
    mail = message_from_bytes(raw, policy=policy.default)
    assert sent.message_id == "0107-1"
    assert mail["Subject"] == "[OpsKnight] #12 High: Error rate above 5 %"
    assert service.stand_in.requests[0].json["ConfigurationSetName"] == "events"


@only("sns")
def test_sns_gets_a_transactional_text_under_a_valid_signature(service: Service):
    sent = service.send(sender_id="OpsKnight")

    (form,) = service.stand_in.texts  # type: ignore[attr-defined]
    assert sent.message_id == "sns-1"
    assert (form["PhoneNumber"], form["Message"]) == (TEXT.address, TEXT.text)
    values = [value for name, value in form.items() if name.endswith("StringValue")]
    assert values == ["Transactional", "OpsKnight"]


@only("sns")
def test_sns_promises_no_answer(service: Service):
    page = replace(PAGE, channel="sms", address=TEXT.address, reply_code=7)
    message = SmsChannel().render([page])
    assert "Reply 7a" in message.text

    service.send(message)

    (form,) = service.stand_in.texts  # type: ignore[attr-defined]
    assert "Error rate above 5 %" in form["Message"]
    assert "Reply" not in form["Message"]


@only("sns")
def test_a_number_that_sns_refuses_is_switched_off(service: Service):
    with pytest.raises(DeliveryError) as caught:
        service.send(replace(TEXT, address="4915123456789"))

    assert (caught.value.permanent, caught.value.breaks_address) == (True, True)


@pytest.mark.parametrize(
    ("service", "wrong"),
    [
        ("sendgrid", {"api_key": "SG.other"}),
        ("resend", {"api_key": "re_other"}),
        ("ses", {"secret_access_key": "other"}),
        ("sns", {"secret_access_key": "other"}),
    ],
    indirect=["service"],
)
def test_wrong_credentials_are_the_providers_trouble_and_not_shown(
    service: Service, wrong: dict[str, str]
):
    error = service.refuse(**wrong)

    assert (error.provider_is_down, error.permanent, error.breaks_address) == (True, False, False)
    assert not any(value in str(error) for value in (*wrong.values(), *service.values.values()))


@every_service
@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_error_of_the_server_lets_another_provider_try(service: Service, status: int):
    error = service.refuse(Reply(status, b"<html>oops</html>"))

    assert (error.provider_is_down, error.permanent) == (True, False)


@every_service
@pytest.mark.parametrize(("headers", "seconds"), [({"Retry-After": "3"}, 3), ({}, None)])
def test_too_many_requests_are_believed_with_and_without_a_time(
    service: Service, headers: dict[str, str], seconds: int | None
):
    error = service.refuse(Reply(429, b"{}", headers))

    assert (error.provider_is_down, error.permanent) == (True, False)
    assert error.retry_after == (None if seconds is None else timedelta(seconds=seconds))


@only("sendgrid")
def test_sendgrid_says_when_its_minute_ends_and_not_how_long_to_wait(service: Service):
    at = int(time.time()) + 40

    error = service.refuse(Reply(429, b"{}", {"X-RateLimit-Reset": str(at)}))
    nonsense = service.refuse(Reply(429, b"{}", {"X-RateLimit-Reset": "soon"}))

    assert error.retry_after is not None
    assert timedelta(seconds=35) < error.retry_after <= timedelta(seconds=40)
    assert nonsense.retry_after is None


@only("ses")
def test_what_an_account_in_the_sandbox_may_not_send_another_account_may(service: Service):
    said = {"message": "Email address is not verified. The following identities failed the check"}

    error = service.refuse(json_reply(said, 400, x_amzn_errortype="MessageRejected"))

    assert (error.provider_is_down, error.permanent, error.breaks_address) == (True, True, False)


@only("sns")
@pytest.mark.parametrize(
    ("code", "message", "is_dead"),
    [
        ("OptedOut", "The phone number +4915123456789 is opted out", True),
        ("InvalidParameter", "Invalid parameter: PhoneNumber Reason: +4915123456789", True),
        ("InvalidParameter", "Invalid parameter: Message too long", False),
    ],
)
def test_sns_breaks_numbers_only_where_they_are_to_blame_and_names_none(
    service: Service, code: str, message: str, is_dead: bool
):
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error>"

    error = service.refuse(Reply(400, f"{body}</ErrorResponse>".encode()))

    assert (error.permanent, error.breaks_address) == (True, is_dead)
    assert "15123456789" not in str(error)


@every_service
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_mail_fails_for_good_without_breaking_the_address(service: Service, status: int):
    error = service.refuse(Reply(status, b"{}"))

    assert (error.permanent, error.breaks_address, error.provider_is_down) == (True, False, False)


@pytest.mark.parametrize(
    ("service", "body"),
    [
        ("sendgrid", b'{"errors": [{"message": "Maximum credits exceeded"}]}'),
        ("resend", b'{"statusCode": 429, "name": "daily_quota_exceeded", "message": "quota"}'),
        ("ses", b'{"__type": "com.amazonaws.ses#SendingPausedException", "message": "paused"}'),
        ("sns", b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>"),
    ],
    indirect=["service"],
)
def test_a_200_with_an_error_in_it_is_an_error(service: Service, body: bytes):
    error = service.refuse(Reply(200, body))

    assert error.provider_is_down
    assert not error.may_have_arrived


@every_service
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b'"ok"', b"<html>Welcome</html>", b"\xff"),
        pytest.param(b"[" * 50_000, id="nested without end"),
    ],
)
def test_a_200_that_means_nothing_is_not_taken_for_a_success(service: Service, body: bytes):
    error = service.refuse(Reply(200, body))

    assert (error.may_have_arrived, error.provider_is_down) == (True, True)


@every_service
@pytest.mark.parametrize(
    "reply",
    [
        Reply(is_silent=True),
        Reply(200, b'{"id": "x", "MessageId": "y"}', cut_after=5),
        Reply(200, b" " * (MAX_ANSWER_BYTES + 1)),
    ],
    ids=["silent", "cut", "too large"],
)
def test_an_answer_that_never_came_whole_may_hide_a_success(service: Service, reply: Reply):
    error = service.refuse(reply)

    assert (error.may_have_arrived, error.provider_is_down) == (True, True)


@every_service
def test_ten_megabytes_are_not_read_to_the_end(service: Service):
    error = service.refuse(Reply(200, b"x" * 10_000_000))

    assert "more than 256 KiB" in str(error)


@every_service
def test_a_provider_that_is_not_there_lets_another_try(service: Service):
    error = service.refuse(api_url="http://127.0.0.1:1")

    assert (error.provider_is_down, error.may_have_arrived) == (True, False)


@pytest.mark.parametrize(
    ("name", "is_down"),
    [
        ("MessageRejected", False),
        ("AccountSuspendedException", True),
        ("SendingPausedException", True),
        ("MailFromDomainNotVerifiedException", True),
        ("TooManyRequestsException", True),
    ],
)
@only("ses")
def test_ses_says_with_the_same_status_whether_the_mail_or_the_account_is_wrong(
    service: Service, name: str, is_down: bool
):
    reply = json_reply({"message": "No."}, 400, x_amzn_ErrorType=f"{name}:http://internal.amazon/")

    error = service.refuse(reply)

    assert (error.provider_is_down, error.permanent) == (is_down, not is_down)
    assert name in str(error)
    assert "http" not in str(error)


@only("resend")
@pytest.mark.parametrize(
    ("event", "is_delivered"),
    [("sent", None), ("delivered", True), ("bounced", False), ("suppressed", False)],
)
def test_resend_can_be_asked_what_became_of_a_mail(
    service: Service, event: str, is_delivered: bool | None
):
    number = service.send().message_id
    service.stand_in.last_events[number] = event  # type: ignore[attr-defined]

    receipt = service.provider.ask(number, config=service.config, channel="email")

    assert receipt is not None
    assert (receipt.message_id, receipt.is_delivered) == (number, is_delivered)


@only("ses")
@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([{"Type": "SEND"}], Receipt("m", None)),
        ([{"Type": "SEND"}, {"Type": "DELIVERY"}], Receipt("m", True)),
        (
            [{"Type": "BOUNCE", "Details": {"Bounce": {"BounceType": "PERMANENT"}}}],
            Receipt("m", False, "The mail came back", True),
        ),
    ],
)
def test_ses_can_be_asked_what_became_of_a_mail(
    service: Service, events: list[dict[str, Any]], expected: Receipt
):
    service.stand_in.insights["m"] = events  # type: ignore[attr-defined]

    assert service.provider.ask("m", config=service.config, channel="email") == expected


@pytest.mark.parametrize("service", ["resend", "ses"], indirect=True)
def test_a_message_that_nobody_remembers_has_no_receipt(service: Service):
    assert service.provider.ask("m", config=service.config, channel="email") is None


@pytest.mark.parametrize("service", ["sendgrid", "sns"], indirect=True)
def test_who_cannot_be_asked_is_not_called(service: Service):
    assert service.provider.ask("m", config=service.config, channel=service.channel) is None
    assert service.stand_in.requests == []
