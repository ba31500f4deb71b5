"""What is written into the outbox when somebody must hear of an incident."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from incidents.models import Incident
from notifications.models import Notification
from notifications.services.outbox import PageRequest, queue_pages
from notifications.services.preferences import MAX_RULES, add_rule, remove_rule
from opsknight import wake
from opsknight.errors import Conflict
from opsknight.models import User
from tests.factories import (
    ContactMethodFactory,
    IncidentFactory,
    NotificationRuleFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def page(incident: Incident, user: User, cause: str = "step:0:0:0") -> PageRequest:
    return PageRequest(incident.pk, user.pk, Notification.Reason.ESCALATION, cause)


def queued(user: User) -> list[tuple[str, str, int]]:
    """Channel, address and minutes to wait of a person's pages."""
    rows = Notification.objects.filter(user=user).order_by("due_at", "channel", "pk")
    return [(r.channel, r.address, round((r.due_at - NOW).total_seconds() / 60)) for r in rows]


def test_one_page_per_rule_and_a_notice_in_the_app(incident: Incident, bob: User):
    method = ContactMethodFactory(user=bob, address="a@example.com")
    NotificationRuleFactory(contact_method=method)
    NotificationRuleFactory(contact_method=method, delay_minutes=30)
    hook = ContactMethodFactory(user=bob, channel="webhook", address="https://example.com/x")
    NotificationRuleFactory(contact_method=hook)

    queued_now = queue_pages(requests=[page(incident, bob)], now=NOW)

    assert queued(bob) == [
        ("email", "a@example.com", 0),
        ("in_app", "", 0),
        ("webhook", "https://example.com/x", 0),
        ("email", "a@example.com", 30),
    ]
    assert not queued_now.unreached


def test_a_person_without_rules_is_mailed_at_the_account_address(incident: Incident, bob: User):
    queued_now = queue_pages(requests=[page(incident, bob)], now=NOW)

    assert queued(bob) == [("email", "bob@example.com", 0), ("in_app", "", 0)]
    assert not queued_now.unreached


def test_a_person_with_delayed_rules_only_is_reported(incident: Incident, bob: User):
    NotificationRuleFactory(contact_method__user=bob, delay_minutes=5)

    queued_now = queue_pages(requests=[page(incident, bob)], now=NOW)

    assert queued_now.unreached == {(incident.pk, bob.pk)}


@pytest.mark.parametrize("status", [User.Status.DISABLED, User.Status.INVITED])
def test_nobody_is_paged_whose_account_is_not_active(incident: Incident, status: str):
    dave = UserFactory(status=status)

    queued_now = queue_pages(requests=[page(incident, dave)], now=NOW)

    assert queued(dave) == []
    assert queued_now.unreached == {(incident.pk, dave.pk)}


def test_the_same_cause_twice_pages_once(incident: Incident, bob: User):
    NotificationRuleFactory(contact_method__user=bob, delay_minutes=5)
    queue_pages(requests=[page(incident, bob)], now=NOW)

    queue_pages(requests=[page(incident, bob)], now=NOW + timedelta(seconds=3))

    assert Notification.objects.count() == 2


def test_escalating_again_repeats_immediate_ways_and_not_the_waiting_ones(
    incident: Incident, bob: User
):
    method = ContactMethodFactory(user=bob, address="a@example.com")
    NotificationRuleFactory(contact_method=method)
    NotificationRuleFactory(contact_method=method, delay_minutes=30)
    queue_pages(requests=[page(incident, bob)], now=NOW)

    queue_pages(requests=[page(incident, bob, "step:0:1:0")], now=NOW + timedelta(minutes=10))

    mails = [row for row in queued(bob) if row[0] == "email"]
    assert mails == [
        ("email", "a@example.com", 0),
        ("email", "a@example.com", 10),
        ("email", "a@example.com", 30),
    ]


def test_queries_do_not_grow_with_the_batch(
    bob: User, carol: User, django_assert_num_queries: DjangoAssertNumQueries
):
    for user in (bob, carol):
        NotificationRuleFactory(contact_method__user=user)
    incidents = [IncidentFactory() for _ in range(10)]
    few = [page(incidents[0], bob)]
    many = [page(i, user) for i in incidents for user in (bob, carol)]

    # Who is away, the people, their rules, the urgencies, the insert, who may see it.
    with django_assert_num_queries(6):
        queue_pages(requests=few, now=NOW)
    with django_assert_num_queries(6):
        queue_pages(requests=many, now=NOW)
    NotificationRuleFactory(contact_method__user=bob, delay_minutes=5)
    with django_assert_num_queries(7):  # and pages that wait already
        queue_pages(requests=many, now=NOW)


def test_the_workers_of_due_channels_are_woken(
    incident: Incident,
    bob: User,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
):
    hook = ContactMethodFactory(user=bob, channel="webhook", address="https://example.com/x")
    NotificationRuleFactory(contact_method=hook, delay_minutes=1)
    sms = ContactMethodFactory(user=bob, channel="sms", address="+4366412345")
    NotificationRuleFactory(contact_method=sms)
    nudges = []
    monkeypatch.setattr(
        wake, "send_nudge", lambda task, queue, channel: nudges.append((queue, channel))
    )

    with django_capture_on_commit_callbacks(execute=True):
        queue_pages(requests=[page(incident, bob)], now=NOW)

    assert nudges == [("sms", "sms"), ("default", "in_app")]


def paged_at(incident: Incident, bob: User, started: datetime) -> None:
    NotificationRuleFactory(contact_method__user=bob)
    queue_pages(requests=[page(incident, bob)], now=started)


def test_a_new_rule_takes_part_where_its_time_is_still_to_come(incident: Incident, bob: User):
    paged_at(incident, bob, NOW - timedelta(minutes=35))
    method = ContactMethodFactory(user=bob, address="new@example.com")

    for delay in (30, 90):
        add_rule(user=bob, contact_method_id=method.pk, delay_minutes=delay, now=NOW)

    assert [row for row in queued(bob) if row[1] == "new@example.com"] == [
        ("email", "new@example.com", 55)
    ]


def test_new_rules_take_part_also_after_the_last_one_has_fired(incident: Incident, bob: User):
    paged_at(incident, bob, NOW - timedelta(minutes=5))
    Notification.objects.update(state=Notification.State.SENT, finished_at=NOW)
    method = ContactMethodFactory(user=bob, address="new@example.com")

    for delay in (0, 30):
        add_rule(user=bob, contact_method_id=method.pk, delay_minutes=delay, now=NOW)

    assert [row for row in queued(bob) if row[1] == "new@example.com"] == [
        ("email", "new@example.com", 25)
    ]


def test_a_removed_rule_takes_its_waiting_page_along(incident: Incident, bob: User):
    rule = NotificationRuleFactory(contact_method__user=bob, delay_minutes=30)
    NotificationRuleFactory(contact_method=rule.contact_method)
    queue_pages(requests=[page(incident, bob)], now=NOW)

    remove_rule(user=bob, pk=rule.pk)

    states = Notification.objects.filter(channel="email").values_list("delay_minutes", "state")
    assert set(states) == {(0, "pending"), (30, "cancelled")}


def test_a_person_has_a_hundred_rules_at_most(bob: User):
    method = ContactMethodFactory(user=bob)
    for minutes in range(MAX_RULES):
        NotificationRuleFactory(contact_method=method, delay_minutes=minutes)

    with pytest.raises(Conflict):
        add_rule(user=bob, contact_method_id=method.pk, delay_minutes=MAX_RULES, now=NOW)
