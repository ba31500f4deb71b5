"""Notices about on call: queued once, in the app and by mail."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

from incidents.models import Incident
from notifications.models import Notification, SandboxMessage
from notifications.selectors import unread_counts
from notifications.services.claims import claim_pages
from notifications.services.delivery import deliver_due
from notifications.services.notices import NoticeRequest, queue_notices
from notifications.services.settling import cancel_settled_pages
from opsknight import wake
from opsknight.models import User
from tests.factories import DestinationFactory, NotificationFactory, UserFactory
from tests.notifications.providers import Endpoint, Mailbox

pytestmark = pytest.mark.django_db
State = Notification.State
NOW = timezone.now() - timedelta(seconds=1)


def notice(user: User | None, cause: str = "shift:1:start", **changes: object) -> NoticeRequest:
    words = {
        "subject": "Your shift begins at 18:00",
        "text": "You are on call in Payments until tomorrow, 09:00.",
        "link": "/schedules/3/",
        "cause": cause,
    }
    return NoticeRequest(user_id=user.pk if user else None, **(words | changes))  # type: ignore[arg-type]


def test_a_notice_goes_into_the_app_and_to_the_accounts_address(bob: User):
    assert queue_notices(notices=[notice(bob)], now=NOW) == 1

    rows = Notification.objects.order_by("channel").values_list("channel", "address", "reason")
    assert list(rows) == [("email", "bob@example.com", "on_call"), ("in_app", "", "on_call")]


def test_it_is_told_once_per_cause(bob: User, carol: User):
    queue_notices(notices=[notice(bob)], now=NOW)

    told = queue_notices(notices=[notice(bob), notice(carol), notice(bob, "shift:1:end")], now=NOW)

    assert told == 2
    assert Notification.objects.filter(channel="email").count() == 3


def test_it_is_told_once_although_the_address_changed(bob: User):
    queue_notices(notices=[notice(bob)], now=NOW)
    User.objects.filter(pk=bob.pk).update(email="new@example.com")

    assert queue_notices(notices=[notice(bob)], now=NOW) == 0


def test_the_same_twice_in_one_call_is_told_once(bob: User):
    queue_notices(notices=[notice(bob), notice(bob)], now=NOW)

    assert Notification.objects.count() == 2


def test_who_is_not_active_is_told_nothing():
    dave = UserFactory(status=User.Status.DISABLED)

    assert queue_notices(notices=[notice(dave)], now=NOW) == 0

    assert not Notification.objects.exists()


def test_an_account_that_was_disabled_meanwhile_is_not_told(mailbox: Mailbox, bob: User):
    queue_notices(notices=[notice(bob)], now=NOW)
    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)

    deliver_due(channel="email")
    cancel_settled_pages()

    assert mailbox.mails == []
    assert set(Notification.objects.values_list("state", flat=True)) == {State.CANCELLED}


def test_the_mail_says_it_and_leads_there(mailbox: Mailbox, settings: Settings, bob: User):
    settings.PUBLIC_URL = "https://ops.example.com"
    queue_notices(notices=[notice(bob, subject="Your shift\nbegins")], now=NOW)

    deliver_due(channel="email")

    (mail,) = mailbox.mails
    text = mail.get_body(("plain",)).get_content()
    html = mail.get_body(("html",)).get_content()
    assert mail["Subject"] == "[OpsKnight] Your shift begins"
    assert mail["To"] == "Bob <bob@example.com>"
    assert mail["X-OpsKnight-Incident"] is None
    for body in (text, html):
        assert "You are on call in Payments until tomorrow, 09:00." in body
        assert "https://ops.example.com/schedules/3/" in body


def test_markup_in_a_notice_stays_text(mailbox: Mailbox, bob: User):
    queue_notices(notices=[notice(bob, subject="<b>x</b>", text="<script>")], now=NOW)

    deliver_due(channel="email")

    html = mailbox.mails[0].get_body(("html",)).get_content()
    assert "<b>x" not in html
    assert "<script>" not in html


def test_without_a_mail_server_it_is_kept_in_the_sandbox(
    client: Client, settings: Settings, bob: User
):
    settings.EMAIL_URL = ""
    queue_notices(notices=[notice(bob)], now=NOW)

    deliver_due(channel="email")

    message = SandboxMessage.objects.get()
    client.force_login(bob)
    listed = client.get(reverse("notifications:sandbox")).content.decode()
    shown = client.get(reverse("notifications:sandbox_message", args=[message.pk]))
    assert "[OpsKnight] Your shift begins at 18:00" in listed
    assert shown.status_code == 200


def test_the_bell_counts_it_and_the_page_links_it(client: Client, bob: User):
    queue_notices(notices=[notice(bob)], now=NOW)
    deliver_due(channel="in_app")
    client.force_login(bob)

    page = client.get(reverse("notifications:notices")).content.decode()

    assert unread_counts([bob.pk]) == {bob.pk: 1}
    assert '<a href="/schedules/3/">Your shift begins at 18:00</a>' in page
    assert "On call" in page


@pytest.mark.parametrize(("link", "target"), [("/schedules/3/", "/schedules/3/"), ("", None)])
def test_reading_it_leads_on(client: Client, bob: User, link: str, target: str | None):
    queue_notices(notices=[notice(bob, link=link)], now=NOW)
    deliver_due(channel="in_app")
    row = Notification.objects.get(channel="in_app")
    client.force_login(bob)

    response = client.post(reverse("notifications:read", args=[row.pk]))

    row.refresh_from_db()
    assert response["Location"] == (target or reverse("notifications:notices"))
    assert row.read_at is not None


def test_notices_of_different_causes_do_not_collapse(mailbox: Mailbox, bob: User):
    queue_notices(notices=[notice(bob), notice(bob, "shift:1:end")], now=NOW)

    deliver_due(channel="email")

    assert len(mailbox.mails) == 2


def test_first_pages_go_before_notices(mailbox: Mailbox, incident: Incident, bob: User):
    queue_notices(notices=[notice(bob)], now=NOW - timedelta(minutes=1))
    NotificationFactory(incident=incident, user=bob)

    claimed = [claim_pages(channel="email", limit=1)[0].reason for _ in range(2)]

    assert claimed == ["escalation", "on_call"]


def test_a_dead_address_fails_the_mail_and_the_notice_stays(mailbox: Mailbox, bob: User):
    queue_notices(notices=[notice(bob)], now=NOW)
    mailbox.rcpt_answers = ["550 5.1.1 no such user"]

    deliver_due(channel="email")
    deliver_due(channel="in_app")

    states = dict(Notification.objects.values_list("channel", "state"))
    assert states == {"email": State.FAILED, "in_app": State.DELIVERED}


def test_h6_a_destination_hears_who_is_on_call(endpoint: Endpoint, settings: Settings):
    settings.PUBLIC_URL = "https://ops.example.com"
    place = DestinationFactory(name="Board", address=endpoint.url)
    details = {"users": [{"id": 2, "name": "Bob"}], "schedule": {"id": 3, "name": "Payments"}}
    request = notice(None, destination_id=place.pk, details=details, subject="On call: Bob")
    queue_notices(notices=[request], now=NOW)

    deliver_due(channel="webhook")

    body = json.loads(endpoint.requests[0].body)
    assert body["event"]["type"] == "notice"
    assert body["destination"]["name"] == "Board"
    assert body["notice"] == {
        **details,
        "subject": "On call: Bob",
        "text": "You are on call in Payments until tomorrow, 09:00.",
        "url": "https://ops.example.com/schedules/3/",
    }


def test_a_destination_that_is_switched_off_hears_nothing():
    place = DestinationFactory(enabled=False)

    assert queue_notices(notices=[notice(None, destination_id=place.pk)], now=NOW) == 0


def test_queries_do_not_grow_with_the_batch(django_assert_num_queries: DjangoAssertNumQueries):
    people = UserFactory.create_batch(10)

    # What was told already, the people, the insert.
    with django_assert_num_queries(3):
        queue_notices(notices=[notice(people[0])], now=NOW)
    with django_assert_num_queries(3):
        queue_notices(notices=[notice(p, "b") for p in people], now=NOW)


def test_the_workers_are_woken(
    bob: User,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
):
    nudges = []
    monkeypatch.setattr(
        wake, "send_nudge", lambda task, queue, channel: nudges.append((queue, channel))
    )

    with django_capture_on_commit_callbacks(execute=True):
        queue_notices(notices=[notice(bob)], now=NOW)

    assert nudges == [("email", "email"), ("default", "in_app")]
