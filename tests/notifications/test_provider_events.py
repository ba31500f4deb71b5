"""Mail services report what became of mails: signed, or refused."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from celery import current_app
from celery.signals import before_task_publish
from django.test import Client
from django.utils import timezone
from kombu import Connection
from kombu.pools import producers
from pytest_django import Settings

from bench.stand_ins import resend, sendgrid
from incidents.intake.sns_client import shared_certificates
from incidents.models import Incident
from notifications.models import Notification
from notifications.providers import PROVIDERS
from notifications.providers.sendgrid import read_event
from notifications.services.receipts import AGAIN_TASK
from notifications.tasks import record_receipts_again
from opsknight.models import User
from tests.factories import NotificationFactory
from tests.incidents.amazon import TOPIC, Amazon, running_amazon

pytestmark = pytest.mark.django_db
State = Notification.State
OTHERS_TOPIC = "arn:aws:sns:us-east-1:999999999999:theirs"


@pytest.fixture
def sent(incident: Incident, bob: User) -> Notification:
    """A page that the service of the environment took."""
    return NotificationFactory(
        incident=incident,
        user=bob,
        state=State.SENT,
        finished_at=timezone.now(),
        provider="env:sendgrid",
        provider_message_id="m1",
    )


@pytest.fixture
def sendgrid_service(settings: Settings) -> sendgrid.SendGrid:
    service = sendgrid.SendGrid()
    values = {"api_key": sendgrid.API_KEY, "webhook_public_key": service.public_key}
    settings.PROVIDERS_FROM_ENV = {"sendgrid": values}
    return service


@pytest.fixture
def resend_service(settings: Settings) -> resend.Resend:
    values = {"api_key": resend.API_KEY, "webhook_secret": resend.SECRET}
    settings.PROVIDERS_FROM_ENV = {"resend": values}
    return resend.Resend()


@pytest.fixture
def amazon(settings: Settings) -> Iterator[Amazon]:
    """SNS, whose topic an account names."""
    account = {"access_key_id": "a", "secret_access_key": "b", "region": "c", "topic_arn": TOPIC}
    settings.PROVIDERS_FROM_ENV = {"ses": account}
    shared_certificates.cache_clear()
    with running_amazon() as amazon:
        settings.SNS_ENDPOINT = amazon.origin
        yield amazon
    shared_certificates.cache_clear()


@pytest.fixture
def later() -> Iterator[list[dict[str, Any]]]:
    """What is put off, as it goes to the worker."""
    found: list[dict[str, Any]] = []

    def note(sender: str, body: Any, **rest: Any) -> None:
        found.append(body[1])

    before_task_publish.connect(note, sender=AGAIN_TASK)
    yield found
    before_task_publish.disconnect(note, sender=AGAIN_TASK)


def post(kind: str, body: bytes, headers: Mapping[str, str]) -> int:
    client = Client(enforce_csrf_checks=True)
    url = f"/api/providers/{kind}/"
    return client.post(url, body, content_type="application/json", headers=headers).status_code


def state_of(page: Notification) -> str:
    page.refresh_from_db()
    return page.state


def taken_by(page: Notification, provider: str) -> None:
    Notification.objects.filter(pk=page.pk).update(provider=provider)


def grid_event(event: str, **values: Any) -> dict[str, Any]:
    return {"event": event, "opsknight_id": "m1", "email": "bob@example.com", **values}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (grid_event("processed"), State.SENT),
        (grid_event("deferred", response="400 try again later"), State.SENT),
        (grid_event("delivered", response="250 OK"), State.DELIVERED),
        (grid_event("bounce", type="bounce", reason="550 unknown", status="5.1.1"), State.FAILED),
        (grid_event("bounce", type="blocked", reason="550 5.7.1 blocked"), State.FAILED),
        (grid_event("dropped", reason="Bounced Address"), State.FAILED),
        (grid_event("open"), State.SENT),
        ({"event": "delivered", "email": "x@example.com"}, State.SENT),  # mail of another program
        ({"event": "delivered", "opsknight_id": 1}, State.SENT),
        ({}, State.SENT),
    ],
)
def test_sendgrid_reports_what_became_of_a_mail(
    sendgrid_service: sendgrid.SendGrid, sent: Notification, event: dict[str, Any], expected: State
):
    body, headers = sendgrid_service.signed([event])

    assert post("sendgrid", body, headers) == 204

    assert state_of(sent) == expected


@pytest.mark.parametrize(
    ("values", "is_broken"),
    [
        ({"type": "bounce", "bounce_classification": "Invalid Address"}, True),
        ({"type": "bounce", "bounce_classification": "Mailbox Unavailable"}, False),
        ({"type": "blocked"}, False),
    ],
)
def test_only_a_bounce_that_blames_the_address_breaks_it(
    sendgrid_service: sendgrid.SendGrid, values: dict[str, str], is_broken: bool
):
    receipt = read_event(grid_event("bounce", reason="550", **values))

    assert receipt is not None
    assert receipt.breaks_address == is_broken


@pytest.mark.parametrize("fault", ["unsigned", "body", "time", "key", "garbage"])
def test_a_forged_event_of_sendgrid_changes_nothing(
    sendgrid_service: sendgrid.SendGrid,
    sent: Notification,
    fault: str,
    caplog: pytest.LogCaptureFixture,
):
    body, headers = sendgrid_service.signed([grid_event("bounce", type="bounce")])
    match fault:
        case "unsigned":
            headers = {}
        case "body":
            body = body.replace(b"bounce", b"dropped")
        case "time":
            headers["X-Twilio-Email-Event-Webhook-Timestamp"] = "1"
        case "key":
            body, headers = sendgrid.SendGrid().signed([grid_event("bounce", type="bounce")])
        case "garbage":
            headers["X-Twilio-Email-Event-Webhook-Signature"] = "not base64!"

    assert post("sendgrid", body, headers) == 403

    assert state_of(sent) == State.SENT
    assert "Refused events of SendGrid" in caplog.text


def test_no_key_means_that_no_event_is_believed(
    settings: Settings, sendgrid_service: sendgrid.SendGrid, sent: Notification
):
    settings.PROVIDERS_FROM_ENV = {"sendgrid": {"api_key": sendgrid.API_KEY}}
    body, headers = sendgrid_service.signed([grid_event("delivered")])

    assert post("sendgrid", body, headers) == 403

    assert state_of(sent) == State.SENT


@pytest.mark.parametrize("body", [{"event": "delivered"}, [1, None, "x"], "text", None])
def test_signed_nonsense_of_sendgrid_is_taken_and_does_nothing(
    sendgrid_service: sendgrid.SendGrid, sent: Notification, body: Any
):
    raw, headers = sendgrid_service.signed(body)

    assert post("sendgrid", raw, headers) == 204

    assert state_of(sent) == State.SENT


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"type": "email.sent", "data": {"email_id": "m1"}}, State.SENT),
        ({"type": "email.delivered", "data": {"email_id": "m1"}}, State.DELIVERED),
        (
            {
                "type": "email.bounced",
                "data": {"email_id": "m1", "bounce": {"type": "Permanent", "subType": "General"}},
            },
            State.FAILED,
        ),
        (
            {"type": "email.failed", "data": {"email_id": "m1", "failed": {"reason": "quota"}}},
            State.FAILED,
        ),
        ({"type": "contact.created", "data": {"id": "m1"}}, State.SENT),
        ({"type": "email.bounced", "data": {"email_id": "m1", "bounce": None}}, State.FAILED),
        ({"type": "email.bounced", "data": []}, State.SENT),
        ([], State.SENT),
    ],
)
def test_resend_reports_what_became_of_a_mail(
    resend_service: resend.Resend, sent: Notification, event: Any, expected: State
):
    taken_by(sent, "env:resend")
    body, headers = resend_service.signed(event)

    assert post("resend", body, headers) == 204

    assert state_of(sent) == expected


@pytest.mark.parametrize("fault", ["unsigned", "body", "id", "old", "early", "time"])
def test_a_forged_or_old_event_of_resend_changes_nothing(
    resend_service: resend.Resend, sent: Notification, fault: str
):
    taken_by(sent, "env:resend")
    event = {"type": "email.bounced", "data": {"email_id": "m1"}}
    now = timezone.now().timestamp()
    at = {"old": now - 400, "early": now + 400}.get(fault)
    body, headers = resend_service.signed(event, at=at)
    match fault:
        case "unsigned":
            headers = {}
        case "body":
            body += b" "
        case "id":
            headers["svix-id"] = "msg_2"
        case "time":
            headers["svix-timestamp"] = "now"

    assert post("resend", body, headers) == 403

    assert state_of(sent) == State.SENT


@pytest.mark.parametrize("secret", ["whsec_", "whsec_é"], ids=["nothing", "no ascii"])
def test_a_secret_of_resend_that_is_none_lets_nobody_sign(
    settings: Settings, sent: Notification, secret: str
):
    settings.PROVIDERS_FROM_ENV = {"resend": {"api_key": "x", "webhook_secret": secret}}
    stamp = str(int(timezone.now().timestamp()))
    signature = hmac.digest(b"", f"msg_1.{stamp}.".encode() + b"{}", hashlib.sha256)
    headers = {"svix-id": "msg_1", "svix-timestamp": stamp}
    headers["svix-signature"] = f"v1,{base64.b64encode(signature).decode()}"

    assert post("resend", b"{}", headers) == 403


def test_one_of_several_signatures_is_enough_while_a_secret_is_changed(
    resend_service: resend.Resend, sent: Notification
):
    taken_by(sent, "env:resend")
    body, headers = resend_service.signed({"type": "email.delivered", "data": {"email_id": "m1"}})
    headers["svix-signature"] = "v1,b3RoZXI= v1a,x " + headers["svix-signature"]

    assert post("resend", body, headers) == 204

    assert state_of(sent) == State.DELIVERED


def ses_event(kind: str, **values: Any) -> str:
    return json.dumps({"eventType": kind, "mail": {"messageId": "m1"}, **values})


PERMANENT = {
    "bounceType": "Permanent",
    "bounceSubType": "NoEmail",
    "bouncedRecipients": [
        {"emailAddress": "bob@example.com", "diagnosticCode": "smtp; 550 5.1.1 unknown"}
    ],
}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (ses_event("Send"), State.SENT),
        (ses_event("Delivery"), State.DELIVERED),
        (ses_event("Bounce", bounce=PERMANENT), State.FAILED),
        (ses_event("Bounce", bounce=None), State.FAILED),
        (ses_event("Reject"), State.FAILED),
        (ses_event("Complaint"), State.SENT),
        (
            json.dumps({"notificationType": "Delivery", "mail": {"messageId": "m1"}}),
            State.DELIVERED,
        ),
        ("Successfully validated SNS topic for Amazon SES event publishing.", State.SENT),
        ("[]", State.SENT),
    ],
)
def test_ses_reports_what_became_of_a_mail(
    amazon: Amazon, sent: Notification, event: str, expected: State
):
    taken_by(sent, "env:ses")

    assert post("ses", json.dumps(amazon.message(Message=event)).encode(), {}) == 204

    assert state_of(sent) == expected


def test_the_reason_of_a_bounce_is_shown(amazon: Amazon, sent: Notification):
    taken_by(sent, "env:ses")
    event = ses_event("Bounce", bounce=PERMANENT)

    post("ses", json.dumps(amazon.message(Message=event)).encode(), {})

    sent.refresh_from_db()
    assert sent.last_error == "The mail came back: smtp; 550 5.1.1 unknown"


@pytest.mark.parametrize("fault", ["unsigned", "changed", "topic", "garbage"])
def test_a_forged_event_of_ses_changes_nothing(amazon: Amazon, sent: Notification, fault: str):
    taken_by(sent, "env:ses")
    topic = {"TopicArn": OTHERS_TOPIC} if fault == "topic" else {}
    message = amazon.message(Message=ses_event("Reject"), **topic)
    match fault:
        case "unsigned":
            message["Signature"] = ""
        case "changed":
            message["Message"] = ses_event("Delivery")

    body = b"{" if fault == "garbage" else json.dumps(message).encode()
    assert post("ses", body, {}) == 403

    assert state_of(sent) == State.SENT


def test_the_topic_of_an_account_is_confirmed(amazon: Amazon):
    message = amazon.message("SubscriptionConfirmation", Message="You have chosen to subscribe")

    assert post("ses", json.dumps(message).encode(), {}) == 204

    assert any("Action=ConfirmSubscription" in path for path in amazon.asked)


def test_the_topic_of_a_stranger_is_not_confirmed(amazon: Amazon):
    message = amazon.message("SubscriptionConfirmation", Message="x", TopicArn=OTHERS_TOPIC)

    assert post("ses", json.dumps(message).encode(), {}) == 403

    assert amazon.asked == []


def test_without_a_topic_in_an_account_nobody_is_believed(
    settings: Settings, amazon: Amazon, sent: Notification
):
    settings.PROVIDERS_FROM_ENV = {}
    taken_by(sent, "env:ses")

    status = post("ses", json.dumps(amazon.message(Message=ses_event("Reject"))).encode(), {})

    assert status == 403
    assert state_of(sent) == State.SENT


@pytest.mark.parametrize("kind", ["sendgrid", "resend", "ses"])
def test_looking_at_the_address_says_that_it_takes_posts_only(kind: str):
    assert Client().get(f"/api/providers/{kind}/").status_code == 405


def test_an_event_that_overtakes_the_worker_is_looked_at_again(
    sendgrid_service: sendgrid.SendGrid, sent: Notification, later: list[dict[str, Any]]
):
    Notification.objects.filter(pk=sent.pk).update(provider="", provider_message_id="")
    body, headers = sendgrid_service.signed([grid_event("delivered")])
    post("sendgrid", body, headers)
    Notification.objects.update(provider="env:sendgrid", provider_message_id="m1")

    (said,) = later
    record_receipts_again(**said)

    assert state_of(sent) == State.DELIVERED


def test_an_event_that_cannot_be_kept_is_to_be_sent_again(
    sendgrid_service: sendgrid.SendGrid, sent: Notification, monkeypatch: pytest.MonkeyPatch
):
    body, headers = sendgrid_service.signed([grid_event("delivered", opsknight_id="m2")])
    known_body, known_headers = sendgrid_service.signed([grid_event("delivered")])
    options = current_app.conf.broker_transport_options
    nowhere = Connection("redis+socket:///nowhere/redis.sock", transport_options=options)
    monkeypatch.setattr(current_app.amqp, "_producer_pool", producers[nowhere])

    assert post("sendgrid", body, headers) == 503
    assert post("sendgrid", known_body, known_headers) == 204


@pytest.mark.parametrize("kind", [k for k, p in PROVIDERS.items() if p.reports_to])
def test_what_a_form_names_as_the_address_of_reports_is_one(kind: str):
    assert Client().post(PROVIDERS[kind].reports_to).status_code == 403
