"""Mail on the wire, and what a server's refusals mean."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from notifications.channels.base import DeliveryError, Page, PagedIncident, Person
from notifications.channels.email import EmailChannel
from notifications.providers.smtp import SmtpProvider
from notifications.providers.smtp_connections import MailServer, parse_email_url
from notifications.services.accounts import accounts_of_kind
from tests.notifications.providers import Mailbox

pytestmark = pytest.mark.django_db  # accounts at providers are read

PAGE = Page(
    notification_id=1,
    claim=1,
    channel="email",
    address="bob@example.com",
    method_id=None,
    secret_token="",
    idempotency_key=UUID("12345678123456781234567812345678"),
    maybe_duplicate=False,
    reason="escalation",
    recipient=Person(2, "Bob", "bob@example.com"),
    incident=PagedIncident(
        id=12,
        title="Error rate above 5 %",
        description="checkout-5xx",
        status="triggered",
        urgency="high",
        service_id=3,
        service_name="Checkout",
        assignee=None,
        created_at=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
        acknowledged_at=None,
        resolved_at=None,
    ),
)


def parsed(page: Page) -> EmailMessage:
    mail = message_from_bytes(EmailChannel().render([page]).raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def titled(title: str) -> Page:
    return replace(PAGE, incident=replace(PAGE.incident, title=title))


def test_a_mail_tells_what_where_and_how_urgent(settings: Settings):
    settings.PUBLIC_URL = "https://ops.example.com"

    mail = parsed(PAGE)

    assert mail["Subject"] == "[OpsKnight] #12 High: Error rate above 5 %"
    assert mail["To"] == "Bob <bob@example.com>"
    assert mail["X-OpsKnight-Incident"] == "12"
    assert mail["Auto-Submitted"] == "auto-generated"
    for kind in ("plain", "html"):
        text = mail.get_body((kind,)).get_content()
        assert "https://ops.example.com/incidents/12/" in text
        assert "Checkout" in text


def test_times_are_in_the_zone_of_whoever_reads_them():
    page = replace(PAGE, recipient=replace(PAGE.recipient, time_zone="Europe/Vienna"))

    for kind in ("plain", "html"):
        assert "2026-11-23 13:00:00 CET" in parsed(page).get_body((kind,)).get_content()


def test_zone_that_nobody_knows_keeps_no_page_back():
    page = replace(PAGE, recipient=replace(PAGE.recipient, time_zone="Mars/Phobos"))

    assert "2026-11-23 12:00:00 UTC" in parsed(page).get_body(("plain",)).get_content()


def test_mails_of_one_incident_form_a_thread_and_a_repetition_keeps_its_id(settings: Settings):
    settings.PUBLIC_URL = "https://ops.example.com"
    repetition = replace(PAGE, maybe_duplicate=True)
    other = replace(PAGE, idempotency_key=UUID(int=7))

    first, second, third = parsed(PAGE), parsed(repetition), parsed(other)

    assert first["References"] == third["References"] == "<incident-12@ops.example.com>"
    assert first["Message-ID"] == second["Message-ID"] != third["Message-ID"]
    assert "received this page before" in second.get_body(("html",)).get_content()


@pytest.mark.parametrize("length", [1, 28, 29, 120])
def test_a_long_host_name_leaves_the_ids_whole(settings: Settings, length: int):
    settings.PUBLIC_URL = f"https://{'o' * length}.example.com"
    page = replace(PAGE, incident=replace(PAGE.incident, id=9_999_999_999))

    raw = EmailChannel().render([page]).raw.decode()

    assert raw.count("<incident-9999999999@") == 2
    assert f"<{PAGE.idempotency_key.hex}@" in raw
    assert "=?" not in raw


@pytest.mark.parametrize(
    "title",
    [
        "Down\r\nBcc: eve@example.com",
        "Down\nX-Evil: 1",
        "Down\x00\x1b[31m\u2028Bcc: eve@example.com",
        "Störung: 数据库 🔥" * 30,
        "=?utf-8?q?Bcc=3A_eve=40example=2Ecom?=",
        "x" * 5000,
    ],
)
def test_no_title_can_add_headers(title: str):
    mail = parsed(titled(title))

    assert mail["Bcc"] is None
    assert mail["X-Evil"] is None
    assert mail["Subject"].startswith("[OpsKnight] #12 High: ")
    assert "\n" not in mail["Subject"]


@pytest.mark.parametrize("name", ['Bob "The\r\nBcc: x@y.z" <evil@example.com>', "Böb ☎", ""])
def test_no_name_can_add_recipients(name: str):
    page = replace(PAGE, recipient=replace(PAGE.recipient, name=name))

    mail = parsed(page)

    assert [a.addr_spec for a in mail["To"].addresses] == ["bob@example.com"]
    assert mail["Bcc"] is None


def test_html_in_a_title_stays_text():
    html = parsed(titled("<script>alert(1)</script>")).get_body(("html",)).get_content()

    assert "<script>" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("address", ["bob", "bob@", "böb@example.com", "a@b\r\nRCPT TO:<c@d>"])
def test_an_address_that_smtp_cannot_carry_is_refused_for_good(address: str):
    with pytest.raises(DeliveryError) as caught:
        EmailChannel().render([replace(PAGE, address=address)])

    assert caught.value.permanent


def send(page: Page = PAGE, provider: SmtpProvider | None = None) -> None:
    """Send it to the server of EMAIL_URL."""
    smtp = provider or SmtpProvider()
    (account,) = accounts_of_kind("smtp")
    try:
        smtp.send(
            EmailChannel().render([page]),
            config=account,
            channel="email",
            idempotency_key=page.idempotency_key,
        )
    finally:
        if provider is None:
            smtp.connections.close_all()


@pytest.mark.parametrize(
    ("answer", "permanent", "breaks"),
    [
        ("550 5.1.1 no such user", True, True),
        ("550 no such user", True, True),
        ("550 5.7.1 relaying denied", True, False),  # the relay's policy, not the address
        ("552 5.2.2 mailbox full", True, False),
        ("450 4.2.0 greylisted", False, False),
    ],
)
def test_a_refused_recipient(mailbox: Mailbox, answer: str, permanent: bool, breaks: bool):
    mailbox.rcpt_answers = [answer]

    with pytest.raises(DeliveryError) as caught:
        send()

    assert (caught.value.permanent, caught.value.breaks_address) == (permanent, breaks)


@pytest.mark.parametrize(
    ("answer", "permanent"), [("554 5.6.0 spam", True), ("451 4.3.0 later", False)]
)
def test_a_refused_mail_never_breaks_the_address(mailbox: Mailbox, answer: str, permanent: bool):
    mailbox.data_answers = [answer]

    with pytest.raises(DeliveryError) as caught:
        send()

    assert (caught.value.permanent, caught.value.breaks_address) == (permanent, False)


def test_a_server_that_closes_is_down_and_no_address_is_to_blame(mailbox: Mailbox):
    mailbox.rcpt_answers = ["421 4.3.2 Shutting down"]

    with pytest.raises(DeliveryError) as caught:
        send()

    assert (caught.value.provider_is_down, caught.value.permanent) == (True, False)


def test_a_server_that_is_not_there_is_tried_again(settings: Settings):
    settings.EMAIL_URL = "smtp://127.0.0.1:1"

    with pytest.raises(DeliveryError) as caught:
        send()

    assert not caught.value.permanent


def test_one_connection_carries_several_mails(mailbox: Mailbox):
    provider = SmtpProvider()

    for number in range(3):
        send(replace(PAGE, idempotency_key=UUID(int=number)), provider)
    provider.connections.close_all()

    assert len(mailbox.mails) == 3
    assert mailbox.connections == 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail:2525", MailServer("mail", 2525, "", "", "plain")),
        ("smtp://mail", MailServer("mail", 25, "", "", "plain")),
        ("smtp://a%40b:p%2Fw@mail?tls=true", MailServer("mail", 587, "a@b", "p/w", "starttls")),
        ("smtp://mail:26?tls=starttls", MailServer("mail", 26, "", "", "starttls")),
        ("smtps://mail", MailServer("mail", 465, "", "", "tls")),
    ],
)
def test_email_url(url: str, expected: MailServer):
    assert parse_email_url(url) == expected


@pytest.mark.parametrize("url", ["mail:25", "http://mail", "smtp://mail:x", "smtp://m?tls=maybe"])
def test_a_wrong_email_url_says_what_to_write(url: str):
    with pytest.raises(ImproperlyConfigured):
        parse_email_url(url)
