"""The stories E1 to E7 and G1 told over a telephone: from the page that it gets to what follows."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins.twilio import Twilio
from incidents.models import Incident
from incidents.services.lifecycle import resolve_incidents
from notifications.models import Notification
from notifications.services.delivery import deliver_due
from notifications.services.outbox import PageRequest, queue_pages
from notifications.services.preferences import change_contact_method
from notifications.services.settling import cancel_settled_pages
from notifications.services.status_updates import tell_status
from opsknight.models import User
from tests.factories import IncidentFactory
from tests.notifications.providers import Mailbox
from tests.notifications.telephones import NUMBER, REPLIES_URL, entries_of, phone_of

pytestmark = pytest.mark.django_db
State = Notification.State
CHANNELS = ("sms", "voice", "email")


def page(incident: Incident, user: User, *, step: int = 0, now: datetime | None = None) -> None:
    """A step of the escalation pages somebody by the own rules, and what is due goes out."""
    reason = Notification.Reason.ESCALATION
    request = PageRequest(incident.pk, user.pk, reason, f"step:0:0:{step}")
    with transaction.atomic():
        queue_pages(requests=[request], now=now or timezone.now())
    deliver(CHANNELS)


def deliver(channels: Iterable[str]) -> None:
    for channel in channels:
        deliver_due(channel=channel)


def receive(twilio: Twilio) -> None:
    """The telephones have got everything."""
    for message in twilio.messages:
        if message.status == "queued":
            assert twilio.report(message, "delivered") == 204


def status_of(incident: Incident) -> str:
    return Incident.objects.get(pk=incident.pk).status


def test_e1_the_confirmation_names_the_incident(
    twilio: Twilio, incident: Incident, bob: User
) -> None:
    phone_of(bob, "sms")
    page(incident, bob)

    answers = twilio.reply(REPLIES_URL, NUMBER, f"ack{incident.pk} ")

    assert answers == [f"#{incident.pk} Error rate above 5 %: acknowledged."]
    assert status_of(incident) == Incident.Status.ACKNOWLEDGED


def test_e2_after_the_reply_the_later_rule_is_silent_and_the_log_tells_all(
    twilio: Twilio, incident: Incident, bob: User
) -> None:
    phone_of(bob, "sms")
    phone_of(bob, "voice", delay=30)
    page(incident, bob)
    receive(twilio)

    twilio.reply(REPLIES_URL, NUMBER, "a")
    cancel_settled_pages()
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        Notification.objects.filter(state=State.PENDING).update(due_at=timezone.now())
        deliver(CHANNELS)

    assert (len(twilio.messages), twilio.calls) == (1, [])
    assert entries_of(incident)[:2] == ["Page sent to Bob by SMS", "Acknowledged by Bob by SMS"]
    assert Notification.objects.get(channel="sms").state == State.DELIVERED


def test_e3_the_code_in_the_message_is_the_one_that_answers(twilio: Twilio, bob: User) -> None:
    first, second, third = (IncidentFactory(title=t) for t in ("First", "Second", "Third"))
    phone_of(bob, "sms")
    page(first, bob)
    page(second, bob)
    hints = ["Reply 1a to acknowledge" in m.body for m in twilio.messages]
    twilio.reply(REPLIES_URL, NUMBER, "'1c'")
    page(third, bob)

    answers = [*twilio.reply(REPLIES_URL, NUMBER, "1 a"), *twilio.reply(REPLIES_URL, NUMBER, "1a")]

    assert hints == [True, False]
    assert "Reply 2a to acknowledge" in twilio.messages[1].body
    assert "Reply 1a to acknowledge" in twilio.messages[2].body
    assert answers == [
        f"#{third.pk} Third: acknowledged.",
        f"#{third.pk} Third: already acknowledged by Bob.",
    ]
    assert status_of(second) == Incident.Status.TRIGGERED


def test_e4_an_unknown_number_hears_nothing(twilio: Twilio, incident: Incident) -> None:
    assert twilio.reply(REPLIES_URL, "+43660123456", f"ack {incident.pk}") == []


def test_e5_a_new_page_lets_nonsense_be_answered_again(
    twilio: Twilio, incident: Incident, bob: User
) -> None:
    phone_of(bob, "sms")
    before = [bool(twilio.reply(REPLIES_URL, NUMBER, "What?")) for _ in range(10)]

    page(incident, bob)

    assert before == [True] * 5 + [False] * 5
    assert len(twilio.reply(REPLIES_URL, NUMBER, "What?")) == 1


def test_e6_after_stop_the_next_escalation_only_calls_until_start(
    twilio: Twilio, incident: Incident, bob: User
) -> None:
    phone_of(bob, "sms")
    phone_of(bob, "voice")
    page(incident, bob)

    twilio.reply(REPLIES_URL, NUMBER, "stop ", OptOutType="STOP")
    page(incident, bob, step=1)
    stopped = (len(twilio.messages), len(twilio.calls))
    twilio.reply(REPLIES_URL, NUMBER, "start", OptOutType="START")
    page(incident, bob, step=2)

    assert stopped == (1, 2)
    assert (len(twilio.messages), len(twilio.calls)) == (2, 3)


def test_e6_what_waits_for_a_number_that_says_stop_goes_another_way(
    twilio: Twilio, mailbox: Mailbox, incident: Incident, bob: User
) -> None:
    phone_of(bob, "voice")
    phone_of(bob, "sms", delay=5)
    page(incident, bob)
    twilio.reply(REPLIES_URL, NUMBER, "STOP")
    Notification.objects.filter(channel="sms").update(due_at=timezone.now())

    deliver(CHANNELS)

    waiting = Notification.objects.get(channel="sms")
    assert (waiting.state, twilio.messages) == (State.FAILED, [])
    assert any("STOP" in entry for entry in entries_of(incident))


def test_e7_one_way_sms_has_no_hint_and_a_reply_is_refused(
    settings: Settings, twilio: Twilio, incident: Incident, bob: User
) -> None:
    settings.SMS_REPLIES = False
    phone_of(bob, "sms")
    page(incident, bob)

    answers = twilio.reply(REPLIES_URL, NUMBER, "1a")

    assert "Reply" not in twilio.messages[0].body
    assert "disabled" in answers[0]
    assert status_of(incident) == Incident.Status.TRIGGERED


def test_g1_a_close_by_the_monitoring_system_is_texted(
    twilio: Twilio, incident: Incident, bob: User
) -> None:
    phone = phone_of(bob, "sms")
    change_contact_method(user=bob, pk=phone.pk, status_updates=True, now=timezone.now())
    page(incident, bob)

    resolve_incidents(incident_ids=[incident.pk], actor=None, source="Prometheus")
    tell_status(now=timezone.now())
    deliver(["sms"])

    assert len(twilio.messages) == 2
    assert "Resolved (Prometheus)" in twilio.messages[1].body
    assert "Reply" not in twilio.messages[1].body


def test_g1_whoever_closes_by_reply_gets_the_confirmation_only(
    twilio: Twilio, incident: Incident, bob: User
) -> None:
    phone = phone_of(bob, "sms")
    change_contact_method(user=bob, pk=phone.pk, status_updates=True, now=timezone.now())
    page(incident, bob)

    twilio.reply(REPLIES_URL, NUMBER, "c")
    tell_status(now=timezone.now())
    deliver(["sms"])

    assert len(twilio.messages) == 1


def test_the_link_in_a_mail_answers_after_one_press(
    client: Client, mailbox: Mailbox, incident: Incident, bob: User
) -> None:
    page(incident, bob)
    body = mailbox.mails[0].get_body(("plain",))
    assert body is not None
    (link,) = [word for word in body.get_content().split() if ".acknowledge." in word]
    path = link.partition("/a/")[2]

    client.get(f"/a/{path}")  # what a scanner does
    scanned = status_of(incident)
    client.post(f"/a/{path}")

    assert (scanned, status_of(incident)) == (
        Incident.Status.TRIGGERED,
        Incident.Status.ACKNOWLEDGED,
    )
    assert entries_of(incident)[-1] == "Acknowledged by Bob by e-mail link"
