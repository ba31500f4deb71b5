"""When a person's rules fire in the course of an escalation (scenarios C1 to C8)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from incidents.models import Incident
from incidents.services.lifecycle import acknowledge_incidents
from notifications.models import ContactMethod, Notification
from notifications.services.delivery import deliver_due
from notifications.services.outbox import PageRequest, queue_pages
from notifications.services.preferences import add_rule
from notifications.services.settling import cancel_settled_pages
from opsknight.models import User
from tests.factories import ContactMethodFactory, NotificationRuleFactory
from tests.notifications.providers import Endpoint, Mailbox

pytestmark = pytest.mark.django_db
State = Notification.State


def mail_rules(user: User, *delays: int, address: str = "bob@home.example") -> ContactMethod:
    method = ContactMethodFactory(user=user, address=address)
    for delay in delays:
        NotificationRuleFactory(contact_method=method, delay_minutes=delay)
    return method


def page(incident: Incident, user: User, cause: str = "step:0:0:0") -> None:
    """A step names the person now."""
    request = PageRequest(incident.pk, user.pk, Notification.Reason.ESCALATION, cause)
    queue_pages(requests=[request], now=timezone.now())


def let_pass(minutes: int) -> None:
    """Time goes by: all that is written moves back. The database's clock cannot be moved."""
    span = timedelta(minutes=minutes)
    for row in Notification.objects.all():
        row.due_at -= span
        row.created_at -= span
        row.save(update_fields=["due_at", "created_at"])


def deliver() -> None:
    cancel_settled_pages()
    for channel in ("email", "webhook"):
        deliver_due(channel=channel)


def sent_by(mailbox: Mailbox, minutes: list[int]) -> list[int]:
    """How many mails have gone out at each of these minutes from now on."""
    counts, last = [], 0
    for minute in minutes:
        let_pass(minute - last)
        last = minute
        deliver()
        counts.append(len(mailbox.mails))
    return counts


def test_c1_immediate_ways_go_now_and_the_delayed_one_later(
    mailbox: Mailbox, endpoint: Endpoint, incident: Incident, bob: User
):
    mail_rules(bob, 0, 30)
    hook = ContactMethodFactory(user=bob, channel="webhook", address=endpoint.url)
    NotificationRuleFactory(contact_method=hook)
    page(incident, bob)

    assert sent_by(mailbox, [0, 29, 30, 120]) == [1, 1, 2, 2]
    assert len(endpoint.requests) == 1


def test_c2_all_immediate_ways_leave_in_one_pass(mailbox: Mailbox, incident: Incident, bob: User):
    for number in range(14):
        mail_rules(bob, 0, address=f"bob-{number}@home.example")
    page(incident, bob)

    deliver()

    assert len(set(mailbox.recipients)) == 14


def test_c3_rules_added_in_a_cycle_fire_if_their_time_is_to_come(
    mailbox: Mailbox, incident: Incident, bob: User
):
    method = mail_rules(bob, 0, 60)
    page(incident, bob)
    deliver()
    let_pass(35)
    for delay in (30, 90):
        add_rule(user=bob, contact_method_id=method.pk, delay_minutes=delay, now=timezone.now())

    assert sent_by(mailbox, [0, 24, 25, 54, 55, 200]) == [1, 1, 2, 2, 3, 3]


def test_c3_after_a_new_escalation_the_new_rules_fire_as_well(
    mailbox: Mailbox, incident: Incident, bob: User
):
    method = mail_rules(bob, 0, 60)
    page(incident, bob)
    deliver()
    let_pass(95)
    add_rule(user=bob, contact_method_id=method.pk, delay_minutes=30, now=timezone.now())
    deliver()
    page(incident, bob, "step:0:1:0")

    assert sent_by(mailbox, [0, 29, 30, 60]) == [3, 3, 4, 5]


def test_c4_rules_added_after_the_last_one_fired(mailbox: Mailbox, incident: Incident, bob: User):
    method = mail_rules(bob, 0)
    page(incident, bob)
    deliver()
    other = ContactMethodFactory(user=bob, address="new@home.example")
    let_pass(1)
    for delay in (0, 30):
        add_rule(user=bob, contact_method_id=other.pk, delay_minutes=delay, now=timezone.now())

    assert sent_by(mailbox, [0, 28, 29, 60]) == [1, 1, 2, 2]
    assert method.enabled


def test_c5_one_message_after_an_outage_in_which_two_delays_ended(
    mailbox: Mailbox, incident: Incident, bob: User
):
    mail_rules(bob, 1, 2)
    page(incident, bob)
    let_pass(3)

    deliver()

    assert mailbox.recipients == ["bob@home.example"]
    assert sorted(Notification.objects.filter(channel="email").values_list("state", flat=True)) == [
        State.CANCELLED,
        State.SENT,
    ]


def test_c5_two_addresses_get_one_message_each(mailbox: Mailbox, incident: Incident, bob: User):
    mail_rules(bob, 1, 2)
    mail_rules(bob, 2, address="bob@work.example")
    page(incident, bob)
    let_pass(3)

    deliver()

    assert sorted(mailbox.recipients) == ["bob@home.example", "bob@work.example"]


def test_c6_after_a_manual_escalation_both_waiting_pages_are_one(
    mailbox: Mailbox, incident: Incident, bob: User
):
    mail_rules(bob, 0, 30)
    page(incident, bob)
    deliver()
    let_pass(10)
    page(incident, bob, "step:1:0:1")

    assert sent_by(mailbox, [0, 19, 20, 30, 60]) == [2, 2, 3, 3, 3]


def test_c6_after_an_acknowledgement_the_delay_begins_anew(
    mailbox: Mailbox, incident: Incident, bob: User
):
    mail_rules(bob, 0, 30)
    page(incident, bob)
    deliver()
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    deliver()
    Incident.objects.filter(pk=incident.pk).update(status="triggered", acknowledged_at=None)
    let_pass(10)
    page(incident, bob, "step:1:0:0")

    assert sent_by(mailbox, [0, 20, 30]) == [2, 2, 3]


def test_c7_pages_of_an_acknowledged_incident_are_cancelled_and_not_sent(
    mailbox: Mailbox, incident: Incident, bob: User, carol: User
):
    mail_rules(bob, 0, 30)
    page(incident, bob)
    deliver()
    acknowledge_incidents(incident_ids=[incident.pk], actor=carol)

    assert sent_by(mailbox, [0, 60]) == [1, 1]
    assert not Notification.objects.filter(channel="email", state=State.PENDING).exists()


def test_c8_the_mail_has_the_summary(mailbox: Mailbox, incident: Incident, bob: User):
    mail_rules(bob, 0)
    page(incident, bob)

    deliver()

    assert "Error rate above 5 %" in mailbox.mails[0]["Subject"]
    assert "Error rate above 5 %" in mailbox.mails[0].get_body(("plain",)).get_content()
