"""Codes that prove whose an address is, and tests of one's own addresses (N1 to N4, D6)."""

import re
from datetime import datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from incidents.models import Incident
from notifications.models import ContactMethod, Notification, SandboxMessage, VerificationCode
from notifications.services.delivery import deliver_due
from notifications.services.method_tests import send_method_test
from notifications.services.outbox import PageRequest, queue_pages
from notifications.services.preferences import add_contact_method, add_rule
from notifications.services.verification import (
    LIFETIME,
    MAX_SENDS_A_DAY,
    MAX_SENDS_OF_PERSON_A_DAY,
    MAX_TRIES,
    TooManyCodes,
    delete_unverified,
    enter_code,
    send_code,
)
from opsknight.errors import Conflict, InvalidInput, NotFound
from opsknight.models import AuditEntry, User
from tests.factories import ContactMethodFactory, NotificationRuleFactory, UserFactory
from tests.notifications.providers import Endpoint, Mailbox

pytestmark = pytest.mark.django_db
NUMBER = "+4915123456789"


def now() -> datetime:
    return timezone.now()


def add(user: User, channel: str = "sms", address: str = NUMBER) -> ContactMethod:
    return add_contact_method(user=user, channel=channel, address=address, now=now())


def code_for(method: ContactMethod) -> str:
    """The code as the last message carries it."""
    row = Notification.objects.filter(contact_method=method, reason="verification").first()
    assert row is not None
    found = re.search(r"\b\d{6}\b", row.text)
    assert found is not None
    return found[0]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_n1_a_code_by_mail_verifies_and_a_test_arrives(mailbox: Mailbox, bob: User):
    method = add(bob, "email", "bob@home.example")
    deliver_due(channel="email")
    text = mailbox.mails[0].get_body(("plain",)).get_content()
    sent = re.search(r"\b\d{6}\b", text)
    assert sent is not None

    enter_code(user=bob, pk=method.pk, code=sent[0], now=now())
    send_method_test(user=bob, pk=method.pk, now=now())
    deliver_due(channel="email")

    assert mailbox.recipients == ["bob@home.example"] * 2
    assert "Test of OpsKnight" in mailbox.mails[1]["Subject"]


@pytest.mark.parametrize("channel", ["sms", "voice", "whatsapp"])
def test_n1_a_code_by_telephone_goes_out_at_once_and_before_further_pages(channel: str, bob: User):
    method = add(bob, channel)

    row = Notification.objects.get(contact_method=method)
    assert (row.channel, row.address, row.reason) == (channel, NUMBER, "verification")
    assert not method.is_usable
    enter_code(
        user=bob, pk=method.pk, code=f" {code_for(method)[:3]} {code_for(method)[3:]}", now=now()
    )
    method.refresh_from_db()
    assert method.is_usable


def test_n2_verifying_the_sms_leaves_the_calls_of_the_same_number_unverified(bob: User):
    sms, voice = add(bob, "sms"), add(bob, "voice")

    enter_code(user=bob, pk=sms.pk, code=code_for(sms), now=now())

    assert ContactMethod.objects.get(pk=sms.pk).is_usable
    assert not ContactMethod.objects.get(pk=voice.pk).is_usable


def test_n2_the_code_of_one_way_is_none_for_the_other(bob: User):
    sms, voice = add(bob, "sms"), add(bob, "voice")

    with pytest.raises(InvalidInput):
        enter_code(user=bob, pk=voice.pk, code=code_for(sms), now=now())


def test_n3_an_unverified_address_is_deleted_when_its_code_expires(bob: User):
    method = add(bob)
    add_rule(user=bob, contact_method_id=method.pk, delay_minutes=0, now=now())

    assert delete_unverified(now=now() + LIFETIME - timedelta(seconds=5)) == 0
    assert delete_unverified(now=now() + LIFETIME) == 1
    assert not bob.contact_methods.exists()
    assert AuditEntry.objects.filter(action="contact_method.expired", actor=None).exists()
    assert Notification.objects.get(reason="verification").text == "The code was not used in time."


def test_n3_verified_and_switched_off_addresses_stay(bob: User):
    method = add(bob)
    enter_code(user=bob, pk=method.pk, code=code_for(method), now=now())
    ContactMethodFactory(user=bob, enabled=False, verified_at=None)

    assert delete_unverified(now=now() + timedelta(days=9)) == 0
    assert bob.contact_methods.count() == 2


def test_n3_a_new_code_prolongs_the_life_of_the_address(bob: User):
    method = add(bob)
    send_code(user=bob, pk=method.pk, now=now() + timedelta(minutes=10))

    assert delete_unverified(now=now() + timedelta(minutes=21)) == 0


def test_n4_a_test_goes_to_ones_own_address(endpoint: Endpoint, bob: User):
    hook = ContactMethodFactory(user=bob, channel="webhook", address=endpoint.url)

    send_method_test(user=bob, pk=hook.pk, now=now())
    deliver_due(channel="webhook")

    assert endpoint.requests[0].json["event"]["type"] == "test"


def test_n4_nobody_tests_the_address_of_somebody_else_not_even_an_administrator(
    alice: User, bob: User
):
    method = ContactMethodFactory(user=bob)

    with pytest.raises(NotFound):
        send_method_test(user=alice, pk=method.pk, now=now())
    assert not Notification.objects.exists()


def test_d6_only_the_enabled_one_is_tested_and_the_other_does_not_block(
    mailbox: Mailbox, bob: User
):
    off = ContactMethodFactory(user=bob, address="off@home.example")
    on = ContactMethodFactory(user=bob, address="on@home.example")
    send_method_test(user=bob, pk=off.pk, now=now())
    send_method_test(user=bob, pk=on.pk, now=now())
    ContactMethod.objects.filter(pk=off.pk).update(enabled=False)

    deliver_due(channel="email")

    assert mailbox.recipients == ["on@home.example"]
    failed = Notification.objects.get(contact_method=off)
    assert (failed.state, failed.last_error) == (
        "failed",
        "This contact method cannot be used: its owner switched it off.",
    )


@pytest.mark.parametrize(
    "unusable",
    [{"enabled": False}, {"verified_at": None}, {"stopped_at": timezone.now()}],
)
def test_d6_a_test_of_an_unusable_address_is_refused(unusable: dict[str, object], bob: User):
    method = ContactMethodFactory(user=bob, **unusable)

    with pytest.raises(Conflict, match="Nothing can be sent there"):
        send_method_test(user=bob, pk=method.pk, now=now())


def test_a_second_test_waits_for_the_first(bob: User):
    method = ContactMethodFactory(user=bob)
    send_method_test(user=bob, pk=method.pk, now=now())

    with pytest.raises(Conflict, match="on its way"):
        send_method_test(user=bob, pk=method.pk, now=now())


def test_the_account_address_and_webhooks_need_no_code(bob: User):
    own = add(bob, "email", "Bob@Example.com")
    hook = add(bob, "webhook", "https://hooks.example.com/bob")

    assert (own.is_usable, hook.is_usable) == (True, True)
    assert not Notification.objects.exists()


def test_a_code_dies_after_five_wrong_tries(bob: User):
    method = add(bob)
    right = code_for(method)
    for _ in range(MAX_TRIES):
        with pytest.raises(InvalidInput):
            enter_code(user=bob, pk=method.pk, code=wrong(right), now=now())

    with pytest.raises(InvalidInput):
        enter_code(user=bob, pk=method.pk, code=right, now=now())


def test_an_old_code_is_refused(bob: User):
    method = add(bob)

    with pytest.raises(InvalidInput):
        enter_code(user=bob, pk=method.pk, code=code_for(method), now=now() + LIFETIME)


def test_codes_are_sent_three_times_within_fifteen_minutes_and_not_more(bob: User):
    method = add(bob)
    for _ in range(2):
        send_code(user=bob, pk=method.pk, now=now())

    with pytest.raises(TooManyCodes, match="another can be sent in 15 minutes"):
        send_code(user=bob, pk=method.pk, now=now())
    send_code(user=bob, pk=method.pk, now=now() + timedelta(minutes=16))


def test_removing_the_address_does_not_forget_how_often_codes_were_sent(bob: User):
    for _ in range(3):
        add(bob).delete()

    with pytest.raises(TooManyCodes):
        add(bob)
    assert not bob.contact_methods.exists()


def test_nobody_is_flooded_with_codes_by_several_people_or_channels(bob: User):
    for _ in range(2):
        for channel in ("sms", "voice"):
            add(bob, channel).delete()
    for person in UserFactory.create_batch(3):
        for _ in range(3):
            if Notification.objects.filter(address=NUMBER).count() < MAX_SENDS_A_DAY:
                add(person).delete()

    with pytest.raises(TooManyCodes):
        add(UserFactory(), "whatsapp")
    with time_machine.travel(now() + timedelta(days=1, minutes=1)):
        add(UserFactory(), "whatsapp")


def test_one_person_is_sent_so_many_codes_a_day_to_whatever_numbers(bob: User):
    an_hour_ago = now() - timedelta(hours=1)
    Notification.objects.bulk_create(
        Notification(
            user=bob, channel="sms", address=f"{NUMBER}{number:02}", reason="verification",
            subject="Code", cause=f"verify:{number}", created_at=an_hour_ago, due_at=an_hour_ago,
        )
        for number in range(MAX_SENDS_OF_PERSON_A_DAY - 1)
    )  # fmt: skip
    add(bob)

    with pytest.raises(TooManyCodes, match=r"for you of late.* in 23 hours"):
        add(bob, address="+4366412345678")


def test_nobody_verifies_the_address_of_somebody_else(bob: User, alice: User):
    method = add(bob)

    with pytest.raises(NotFound):
        enter_code(user=alice, pk=method.pk, code=code_for(method), now=now())
    with pytest.raises(NotFound):
        send_code(user=alice, pk=method.pk, now=now())


def test_the_code_is_stored_as_a_hash_only_and_forgotten_when_it_was_used(bob: User):
    method = add(bob, "email", "bob@home.example")
    deliver_due(channel="email")
    code = code_for(method)
    assert code not in VerificationCode.objects.get().code_hash

    enter_code(user=bob, pk=method.pk, code=code, now=now())

    assert not VerificationCode.objects.exists()
    assert not SandboxMessage.objects.exists()
    assert code not in Notification.objects.get(contact_method=method).text


def test_an_unverified_address_is_not_paged_but_the_account_is(incident: Incident, bob: User):
    method = ContactMethodFactory(user=bob, verified_at=None)
    NotificationRuleFactory(contact_method=method)

    request = PageRequest(incident.pk, bob.pk, Notification.Reason.ESCALATION, "step:0:0:0")
    queue_pages(requests=[request], now=now())

    mails = Notification.objects.filter(channel="email")
    assert [row.address for row in mails] == ["bob@example.com"]


def test_rules_of_an_address_take_part_once_it_is_verified(incident: Incident, bob: User):
    method = add(bob, "email", "bob@home.example")
    add_rule(user=bob, contact_method_id=method.pk, delay_minutes=30, now=now())
    request = PageRequest(incident.pk, bob.pk, Notification.Reason.ESCALATION, "step:0:0:0")
    queue_pages(requests=[request], now=now())

    enter_code(user=bob, pk=method.pk, code=code_for(method), now=now())

    row = Notification.objects.get(incident=incident, contact_method=method)
    assert (row.delay_minutes, row.state) == (30, "pending")


def test_a_number_that_answered_stop_gets_no_code(bob: User):
    method = ContactMethodFactory(
        user=bob, channel="sms", address=NUMBER, verified_at=None, stopped_at=timezone.now()
    )

    with pytest.raises(Conflict, match="STOP"):
        send_code(user=bob, pk=method.pk, now=now())


def test_a_number_that_is_none_is_refused_at_its_field(bob: User):
    with pytest.raises(InvalidInput) as refused:
        add(bob, "sms", "0151 1234")

    assert "Write the number with its country" in refused.value.fields["address"][0]


def test_somebody_else_may_have_the_same_number(bob: User):
    add(bob)

    assert add(UserFactory()).address == NUMBER
