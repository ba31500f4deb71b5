"""What mails say: links that act, several pages in one mail, news, and why one gets a notice."""

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID

import pytest
from django.test import Client
from pytest_django import Settings

from incidents.models import Incident, TimelineEntry
from notifications.channels.base import Event, Notice, Page, Place
from notifications.channels.email import EmailChannel
from notifications.links import answer_url
from notifications.models import Notification
from notifications.services.claims import claim_pages
from opsknight.models import User
from tests.factories import NotificationFactory
from tests.notifications.test_email import PAGE

KINDS = ("plain", "html")


def mail_of(*pages: Page) -> EmailMessage:
    mail = message_from_bytes(EmailChannel().render(pages).raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return part.get_content()


def numbered(number: int, **values: object) -> Page:
    """One of several pages about different incidents of one service."""
    incident = replace(PAGE.incident, id=number, title=f"Trouble {number}", **values)
    return replace(
        PAGE, notification_id=number, idempotency_key=UUID(int=number), incident=incident
    )


def noticed(reason: str) -> Page:
    notice = Notice("Your shift begins", "Checkout, until 18:00", "/schedules/3/", {})
    return replace(PAGE, incident=None, notice=notice, reason=reason)


NEWS = Event(1, "incident.acknowledged", "2026-11-23T12:00:00Z", "Acknowledged by Alice", None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_can_be_answered_from_the_mail(kind: str):
    text = body(mail_of(PAGE), kind)

    assert answer_url(PAGE, "acknowledge") in text
    assert answer_url(PAGE, "resolve") in text
    assert "do not forward this mail" in text


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (PAGE, {"Acknowledge", "Resolve"}),
        (replace(PAGE, reason="assignment"), {"Acknowledge", "Resolve"}),
        (
            # Somebody else has acknowledged; where everybody must, this person has not.
            replace(PAGE, incident=replace(PAGE.incident, status="acknowledged")),
            {"Acknowledge", "Resolve"},
        ),
        (
            replace(
                PAGE,
                reason="assignment",
                incident=replace(PAGE.incident, status="acknowledged"),
            ),
            {"Resolve"},
        ),
        (replace(PAGE, incident=replace(PAGE.incident, status="resolved")), set()),
        (replace(PAGE, reason="status", event=NEWS), set()),
        (replace(PAGE, recipient=Place(7, "NOC")), set()),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_mail_offers_what_can_still_be_done(page: Page, expected: set[str], kind: str):
    text = body(mail_of(page), kind)

    links = {"Acknowledge": answer_url(PAGE, "acknowledge"), "Resolve": answer_url(PAGE, "resolve")}
    assert {label for label, url in links.items() if url in text} == expected


@pytest.mark.django_db
def test_the_link_of_a_mail_acknowledges_in_the_name_of_whom_it_was_sent_to(
    client: Client, incident: Incident, carol: User
):
    incident.participants.create(user=carol)
    NotificationFactory(incident=incident, user=carol)
    (page,) = claim_pages(channel="email", limit=1)
    text = body(mail_of(page), "plain")
    url = next(line for line in text.splitlines() if line.startswith("Acknowledge: "))
    Notification.objects.update(state="sent", leased_until=None, finished_at="2026-11-23T12:00Z")

    client.post("/" + url.split("/", 3)[3])

    incident.refresh_from_db()
    assert incident.status == Incident.Status.ACKNOWLEDGED
    assert TimelineEntry.objects.filter(actor=carol, kind="acknowledged").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_several_pages_become_one_mail_that_names_each_with_its_links(
    settings: Settings, kind: str
):
    settings.PUBLIC_URL = "https://ops.example.com"
    pages = [numbered(number) for number in range(1, 7)]

    mail = mail_of(*pages)

    assert mail["Subject"] == "[OpsKnight] 6 open on Checkout"
    text = body(mail, kind)
    for page in pages:
        assert f"#{page.notification_id} Trouble {page.notification_id}" in text
        assert f"https://ops.example.com/incidents/{page.notification_id}/" in text
        assert answer_url(page, "acknowledge") in text
    assert answer_url(pages[0], "acknowledge_all") in text
    assert "https://ops.example.com/incidents/?service=3" in text


def test_a_mail_of_several_services_names_none_in_its_subject():
    pages = [numbered(1), numbered(2, service_id=4, service_name="Search")]

    assert mail_of(*pages)["Subject"] == "[OpsKnight] 2 open"


def test_the_same_pages_keep_their_message_id_in_any_order_and_others_have_another():
    first, second, third = numbered(1), numbered(2), numbered(3)

    ids = [mail_of(*pages)["Message-ID"] for pages in ((first, second), (second, first))]

    assert ids[0] == ids[1]
    assert mail_of(first, third)["Message-ID"] not in ids
    assert mail_of(first)["Message-ID"] not in ids


def test_a_mail_of_several_incidents_belongs_to_no_thread():
    mail = mail_of(numbered(1), numbered(2))

    assert mail["In-Reply-To"] is None
    assert mail["Importance"] == "high"


@pytest.mark.parametrize("kind", KINDS)
def test_a_repeated_mail_of_several_says_so(kind: str):
    pages = [numbered(1), replace(numbered(2), maybe_duplicate=True)]

    assert "received some of these pages before" in body(mail_of(*pages), kind)


def test_titles_of_several_stay_text_and_in_their_line():
    wild = replace(PAGE.incident, title="<b>x</b>\r\nBcc: eve@example.com", service_name="A\nB")
    page = replace(PAGE, incident=wild)

    mail = mail_of(page, replace(page, idempotency_key=UUID(int=2)))

    assert mail["Bcc"] is None
    assert mail["Subject"] == "[OpsKnight] 2 open on A B"
    assert "<b>" not in body(mail, "html")


@pytest.mark.parametrize("kind", KINDS)
def test_news_of_an_incident_are_told_in_its_thread(kind: str):
    mail = mail_of(replace(PAGE, reason="status", event=NEWS))

    assert mail["Subject"] == mail_of(PAGE)["Subject"]
    assert "you were paged for this incident. Acknowledged by Alice." in body(mail, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_news_to_a_mailbox_of_nobody_are_told_without_a_page(kind: str):
    text = body(mail_of(replace(PAGE, reason="event", event=NEWS, recipient=Place(7, "NOC"))), kind)

    assert "Acknowledged by Alice." in text
    assert "is paged" not in text


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("on_call", "you are on call"),
        ("test", "somebody tries"),
        ("verification", "was entered in OpsKnight as yours"),
        ("digest", "you chose to hear"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_notice_says_why_one_gets_it(reason: str, why: str, kind: str):
    text = body(mail_of(noticed(reason)), kind)

    assert why in text
    assert "Checkout, until 18:00" in text


@pytest.mark.parametrize("count", [2, 100])
def test_every_page_of_a_large_mail_is_named(count: int):
    text = body(mail_of(*(numbered(number) for number in range(count))), "plain")

    assert all(f"#{number} Trouble {number}" in text for number in range(count))
