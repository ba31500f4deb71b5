"""Calls: what they say, and what keys do."""

from datetime import timedelta

import pytest
from django.core import signing
from django.utils import timezone
from pytest_django import Settings
from time_machine import TimeMachineFixture

from bench.stand_ins.twilio import Call, Twilio
from incidents.models import Incident
from notifications.channels import CHANNELS
from notifications.models import ContactMethod, InboundReply, Notification
from notifications.providers.twilio_voice import read_call, sign_call
from notifications.services.accounts import accounts_for
from notifications.services.claims import claim_pages
from notifications.services.delivery import deliver_due, send_parcel
from notifications.services.outcomes import record_outcomes
from notifications.services.settling import cancel_settled_pages
from notifications.services.verification import enter_code, send_code
from opsknight.models import User
from tests.escalations.walk import escalating, paged, policy_of, take_all
from tests.factories import (
    ContactMethodFactory,
    IncidentFactory,
    NotificationFactory,
    ServiceFactory,
)
from tests.notifications.telephones import (
    NUMBER,
    PUBLIC_URL,
    account_of,
    entries_of,
    page_by,
    phone_of,
)

pytestmark = pytest.mark.django_db
State = Notification.State
KEYS = (
    "To acknowledge, press 4. To escalate, press 5. To resolve, press 6. "
    "To stop calls to this number, press 1. To hear this again, press star."
)


def ring(twilio: Twilio) -> Call:
    """Call who is due; returns the only call."""
    deliver_due(channel="voice")
    assert len(twilio.calls) == 1
    return twilio.calls[0]


def ring_once(twilio: Twilio) -> Call:
    """Call about everything that is due at once."""
    pages = claim_pages(channel="voice", limit=20)
    record_outcomes(send_parcel(CHANNELS["voice"], pages, accounts_for("voice")))
    return twilio.calls[0]


def later_page(incident: Incident, user: User) -> Notification:
    """A page of the same person whose rule has half an hour to go."""
    due_at = timezone.now() + timedelta(minutes=30)
    return page_by("sms", incident, user, delay_minutes=30, due_at=due_at)


def test_a_call_reads_the_page_and_names_the_keys(twilio: Twilio, incident: Incident, bob: User):
    page_by("voice", incident, bob)

    said = twilio.take_call(ring(twilio))

    assert said == (
        f"Hello, this is OpsKnight. High urgency, Checkout. Error rate above 5 %. {KEYS}"
    )
    assert entries_of(incident) == ["Page sent to Bob by telephone"]


def test_a_call_is_made_without_asking_us_anything(twilio: Twilio, incident: Incident, bob: User):
    page_by("voice", incident, bob)

    form = ring(twilio).form

    assert "Url" not in form
    assert form["Twiml"].count("Error rate above 5 %") == 2


@pytest.mark.parametrize(
    ("key", "said", "status", "verb"),
    [
        ("4", "Acknowledged. Goodbye.", Incident.Status.ACKNOWLEDGED, "Acknowledged"),
        ("6", "Resolved. Goodbye.", Incident.Status.RESOLVED, "Resolved"),
    ],
)
def test_f1_a_key_acknowledges_or_resolves_and_later_rules_are_silent(
    twilio: Twilio, incident: Incident, bob: User, key: str, said: str, status: str, verb: str
):
    page_by("voice", incident, bob)
    later = later_page(incident, bob)
    call = ring(twilio)
    twilio.take_call(call)

    answer = twilio.press(call, key)
    cancel_settled_pages()

    incident.refresh_from_db()
    later.refresh_from_db()
    assert answer == said
    assert incident.status == status
    assert f"{verb} by Bob by telephone" in entries_of(incident)
    assert later.state == State.CANCELLED


def test_key_five_pages_the_next_step(twilio: Twilio, bob: User, carol: User):
    phone_of(bob, "voice")
    now = timezone.now()
    policy = policy_of((0, [bob]), (30, [carol]))
    incident = escalating(ServiceFactory(name="Checkout"), now, policy)
    take_all(now)
    call = ring(twilio)
    twilio.take_call(call)

    said = twilio.press(call, "5")
    take_all(timezone.now())

    assert said == "Escalated. Goodbye."
    assert paged(incident) == ["Bob", "Carol"]
    assert any("by Bob by telephone" in entry for entry in entries_of(incident))


def test_f2_one_then_three_ends_calls_and_sms_still_come(
    twilio: Twilio, incident: Incident, bob: User
):
    phone_of(bob, "sms")
    page_by("voice", incident, bob)
    call = ring(twilio)
    twilio.take_call(call)

    asked = twilio.press(call, "1")
    ended = twilio.press(call, "3")

    usable = [m.channel for m in ContactMethod.objects.order_by("pk") if m.is_usable]
    assert asked.startswith("You are about to stop all calls to this number. To confirm, press 3.")
    assert ended == "OpsKnight does not call this number any more. Goodbye."
    assert call.action == ""
    assert usable == ["sms"]


def test_f2_a_number_that_ended_calls_is_not_called(twilio: Twilio, incident: Incident, bob: User):
    page_by("voice", incident, bob)
    call = ring(twilio)
    twilio.take_call(call)
    twilio.press(call, "1")
    twilio.press(call, "3")

    page_by("voice", IncidentFactory(service=incident.service), bob)
    deliver_due(channel="voice")

    assert len(twilio.calls) == 1


@pytest.mark.parametrize("key", ["1", "4", "*", ""])
def test_f2_any_other_key_leads_back(twilio: Twilio, incident: Incident, bob: User, key: str):
    page_by("voice", incident, bob)
    call = ring(twilio)
    twilio.take_call(call)
    twilio.press(call, "1")

    said = twilio.press(call, key)

    incident.refresh_from_db()
    assert said.endswith(KEYS)
    assert ContactMethod.objects.get().stopped_at is None
    assert incident.status == Incident.Status.TRIGGERED


@pytest.mark.parametrize("title", ["", "   ", "!?", "\t\n"])
def test_f3_an_empty_summary_is_said_to_be_missing(
    twilio: Twilio, incident: Incident, bob: User, title: str
):
    Incident.objects.filter(pk=incident.pk).update(title=title)
    page_by("voice", incident, bob)

    said = twilio.take_call(ring(twilio))

    assert "Checkout. No summary provided. To acknowledge" in said


def test_d2_one_call_for_several_pages_and_one_key_for_all(
    twilio: Twilio, incident: Incident, bob: User
):
    for one in (incident, *IncidentFactory.create_batch(3, service=incident.service)):
        page_by("voice", one, bob)
    call = ring_once(twilio)

    said = twilio.take_call(call)
    answer = twilio.press(call, "4")

    statuses = Incident.objects.values_list("status", flat=True)
    assert "4 unacknowledged incidents on Checkout. The latest: " in said
    assert answer == "Acknowledged: 4 of 4 incidents. Goodbye."
    assert len(twilio.calls) == 1
    assert set(statuses) == {Incident.Status.ACKNOWLEDGED}


def test_n1_a_call_reads_the_code_twice_and_the_code_verifies(twilio: Twilio, bob: User):
    method = ContactMethodFactory(user=bob, channel="voice", address=NUMBER, verified_at=None)
    send_code(user=bob, pk=method.pk, now=timezone.now())

    said = twilio.take_call(ring(twilio))
    digits = said.partition("is: ")[2].partition(".")[0]
    enter_code(user=bob, pk=method.pk, code=digits.replace(", ", ""), now=timezone.now())

    method.refresh_from_db()
    assert len(digits.split(", ")) == 6
    assert said.count(digits) == 2
    assert twilio.calls[0].action == ""
    assert method.is_verified


def test_n1_a_test_call_works_afterwards(twilio: Twilio, bob: User):
    NotificationFactory(
        incident=None,
        user=bob,
        channel="voice",
        address=NUMBER,
        contact_method=phone_of(bob, "voice"),
        reason=Notification.Reason.TEST,
        subject="A test of your number",
        text="Nothing is broken.",
    )

    said = twilio.take_call(ring(twilio))

    assert said == ("Hello, this is OpsKnight. A test of your number. Nothing is broken. Goodbye.")


def test_star_reads_the_page_again(twilio: Twilio, incident: Incident, bob: User):
    page_by("voice", incident, bob)
    call = ring(twilio)
    twilio.take_call(call)

    said = twilio.press(call, "*")

    assert said == f"High urgency, Checkout. Error rate above 5 %. {KEYS}"


def test_a_key_without_a_meaning_is_said_to_have_none(
    twilio: Twilio, incident: Incident, bob: User
):
    page_by("voice", incident, bob)
    call = ring(twilio)
    twilio.take_call(call)

    assert twilio.press(call, "9").startswith("This key has no meaning here. High urgency")


def test_a_key_that_comes_late_says_who_was_first(
    twilio: Twilio, incident: Incident, bob: User, carol: User
):
    page_by("voice", incident, bob)
    call = ring(twilio)
    twilio.take_call(call)
    Incident.objects.filter(pk=incident.pk).update(
        status=Incident.Status.ACKNOWLEDGED, acknowledged_by=carol, acknowledged_at=timezone.now()
    )

    assert twilio.press(call, "4") == "Already acknowledged by Carol. Goodbye."


def test_a_key_that_is_told_twice_is_obeyed_once(twilio: Twilio, incident: Incident, bob: User):
    page_by("voice", incident, bob)
    call = ring(twilio)
    twilio.take_call(call)
    action = call.action

    first = twilio.press(call, "6")
    call.action = action
    second = twilio.press(call, "6")

    assert first == second == "Resolved. Goodbye."
    assert InboundReply.objects.count() == 1


@pytest.mark.parametrize("key", ["4", "*"])
def test_somebody_who_left_answers_and_hears_nothing(
    twilio: Twilio, incident: Incident, bob: User, key: str
):
    page_by("voice", incident, bob)
    call = ring(twilio)
    twilio.take_call(call)
    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)

    said = twilio.press(call, key)

    incident.refresh_from_db()
    assert said == "This call is over. Goodbye."
    assert incident.status == Incident.Status.TRIGGERED


def test_a_repetition_of_a_call_says_so(twilio: Twilio, incident: Incident, bob: User):
    page_by("voice", incident, bob, maybe_duplicate=True)

    assert "You may have been called about this before." in twilio.take_call(ring(twilio))


def test_words_from_outside_are_no_markup(twilio: Twilio, incident: Incident, bob: User):
    Incident.objects.filter(pk=incident.pk).update(title='Disk < 5 % & "full" <Hangup/>')
    page_by("voice", incident, bob)

    said = twilio.take_call(ring(twilio))

    assert 'Disk < 5 % & "full" <Hangup/>.' in said


def test_a_long_title_is_cut_between_words(twilio: Twilio, incident: Incident, bob: User):
    Incident.objects.filter(pk=incident.pk).update(title="word " * 50)
    page_by("voice", incident, bob)
    call = ring(twilio)

    assert len(call.form["Twiml"]) < 4000
    assert twilio.take_call(call).endswith(f"word. {KEYS}")


def test_marks_that_grow_in_markup_do_not_make_the_order_too_long(
    twilio: Twilio, incident: Incident, bob: User
):
    Incident.objects.filter(pk=incident.pk).update(title="&" * 250 + " full")
    for one in (incident, *IncidentFactory.create_batch(99, service=incident.service)):
        page_by("voice", one, bob)
    Incident.objects.exclude(pk=incident.pk).update(title="&" * 250 + " full")
    pages = claim_pages(channel="voice", limit=100)

    record_outcomes(send_parcel(CHANNELS["voice"], pages, accounts_for("voice")))

    call = twilio.calls[0]
    twilio.take_call(call)
    assert len(call.form["Twiml"]) <= 4000
    assert twilio.press(call, "4") == "Acknowledged: 100 of 100 incidents. Goodbye."


def test_a_call_is_read_in_the_language_of_the_account(
    twilio: Twilio, settings: Settings, incident: Incident, bob: User
):
    settings.PROVIDERS_FROM_ENV = {"twilio": account_of(twilio, language="de-DE")}
    page_by("voice", incident, bob)

    assert 'language="de-DE"' in ring(twilio).form["Twiml"]


def test_a_token_that_is_not_of_a_call_leads_nowhere():
    for token in ("", "x", signing.dumps([1], salt="something.else")):
        assert read_call(token) == []


def test_a_forged_token_in_a_signed_request_does_nothing(
    twilio: Twilio, incident: Incident, bob: User
):
    page = page_by("voice", incident, bob)
    token = signing.dumps([page.pk], salt="something.else")
    url = f"{PUBLIC_URL}/api/providers/twilio/calls/{token}/"
    form = {"AccountSid": twilio.account_sid, "CallSid": "CA1", "Digits": "4"}

    status, body = twilio.tell(url, form)

    incident.refresh_from_db()
    assert (status, "This call is over." in body) == (200, True)
    assert incident.status == Incident.Status.TRIGGERED


def test_a_call_of_long_ago_is_over(time_machine: TimeMachineFixture):
    token = sign_call([7])
    assert read_call(token) == [7]

    time_machine.move_to(timezone.now() + timedelta(hours=7))

    assert read_call(token) == []
