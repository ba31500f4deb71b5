"""What breaks between the claim, the send and what is written down, and what must survive it."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from bench.stand_ins.slack import SlackStandIn
from bench.stand_ins.twilio import Twilio
from incidents.models import Incident, TimelineEntry
from incidents.services.lifecycle import acknowledge_incidents, reassign_incident
from notifications.channels import CHANNELS
from notifications.channels.base import DeliveryError, Message, Page, PagedIncident, Postponed
from notifications.health import Health
from notifications.models import Destination, Notification
from notifications.services import unreached
from notifications.services.accounts import accounts_for
from notifications.services.assignments import notify_assigned
from notifications.services.claims import _CLAIM, claim_pages
from notifications.services.delivery import deliver_due, send_parcel
from notifications.services.destinations import update_destination
from notifications.services.holding import hold_channel
from notifications.services.outbox import PageRequest, queue_pages
from notifications.services.outcomes import Outcome, record_outcomes
from notifications.services.post_edits import edit_posts
from notifications.services.routing import Call, Route, Sent
from notifications.services.settling import cancel_pages_of, cancel_settled_pages
from notifications.services.stopping import start_address
from notifications.services.verification import enter_code, send_code
from opsknight.models import User
from tests.factories import (
    ContactMethodFactory,
    DestinationFactory,
    IncidentFactory,
    NotificationFactory,
    NotificationRuleFactory,
    TeamFactory,
    UserFactory,
)
from tests.notifications.providers import Endpoint, Mailbox
from tests.notifications.telephones import NUMBER

State = Notification.State
pytestmark = pytest.mark.django_db


@contextmanager
def refusing(table: str, event: str, condition: str) -> Iterator[Callable[[], bool]]:
    """The database refuses some rows, whatever is tried; tells whether it has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE SEQUENCE refused;"  # numbers are given also to what is rolled back
            "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN"
            " PERFORM nextval('refused'); RAISE EXCEPTION 'not this row'; END $$ LANGUAGE plpgsql;"
            f"CREATE TRIGGER refusing BEFORE {event} ON {table}"
            f" FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()"
        )
    try:
        yield _has_refused
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse() CASCADE; DROP SEQUENCE refused")


def _has_refused() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT is_called FROM refused")
        return bool(cursor.fetchone()[0])


def wait_until(is_so: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def deliver_in_thread(channel: str) -> int:
    try:
        return deliver_due(channel=channel)
    finally:
        connection.close()


def hook_page(incident: Incident, endpoint: Endpoint) -> Notification:
    user = UserFactory()
    hook = ContactMethodFactory(user=user, channel="webhook", address=endpoint.url, secret="s")
    return NotificationFactory(
        incident=incident, user=user, channel="webhook", address=endpoint.url, contact_method=hook
    )


@pytest.mark.django_db(transaction=True)
def test_what_is_under_way_is_recorded_when_an_error_ends_the_run(
    endpoint: Endpoint, incident: Incident
):
    sent = hook_page(incident, endpoint)
    endpoint.may_answer.clear()

    with (
        refusing("notifications_notification", "UPDATE", "OLD.turn = 7") as has_refused,
        ThreadPoolExecutor(1) as pool,
    ):
        run = pool.submit(deliver_in_thread, "webhook")
        assert endpoint.has_request.wait(10)
        NotificationFactory(channel="webhook", turn=7)
        wait_until(has_refused)
        endpoint.may_answer.set()
        with pytest.raises(DatabaseError, match="not this row"):
            run.result(20)

    sent.refresh_from_db()
    assert sent.state == State.DELIVERED


def test_an_outcome_that_cannot_be_written_takes_no_other_with_it(
    mailbox: Mailbox, incident: Incident
):
    pages = NotificationFactory.create_batch(3, incident=incident)
    poisoned = pages[1]
    with (
        refusing("notifications_deliveryattempt", "INSERT", f"NEW.notification_id = {poisoned.pk}"),
        pytest.raises(DatabaseError, match="not this row"),
    ):
        deliver_due(channel="email")

    states = [Notification.objects.get(pk=page.pk).state for page in pages]
    assert states == [State.SENT, State.SENDING, State.SENT]


def test_whatever_a_provider_says_can_be_written_down(incident: Incident, bob: User):
    row = NotificationFactory(incident=incident, user=bob)
    (page,) = claim_pages(channel="email", limit=1)
    said = "\x00" + "x" * 1000

    calls = [Call("Mail", "sent", said, 1)]
    record_outcomes([Outcome(page, Route(calls=calls, sent=Sent(message_id=said)))])

    row.refresh_from_db()
    assert (row.state, row.provider_message_id) == (State.SENT, "x" * 200)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["a backlog waits", "its person leaves"])
def test_what_changes_many_rows_waits_for_nobody_who_holds_one(
    what: str, incident: Incident, bob: User
):
    locked = NotificationFactory(incident=incident, user=bob)
    free = NotificationFactory(incident=incident, user=bob, cause="step:0:0:1")
    postponed = Postponed(Notification.Wait.BREAKER, timezone.now() + timedelta(seconds=30))

    def change() -> None:
        try:
            if what == "a backlog waits":
                hold_channel(channel="email", postponed=postponed)
            else:
                with transaction.atomic():
                    cancel_pages_of(bob, timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        Notification.objects.select_for_update().get(pk=locked.pk)
        pool.submit(change).result(5)

    for row in (free, locked):
        row.refresh_from_db()
    assert free.waits_for == Notification.Wait.BREAKER or free.state == State.CANCELLED
    assert (locked.waits_for, locked.state) == ("", State.PENDING)


# Acknowledged, reassigned, used up between the claim and the outcome


def test_who_was_assigned_what_is_acknowledged_is_told_by_the_next_way(
    mailbox: Mailbox, endpoint: Endpoint, incident: Incident, alice: User, bob: User
):
    hook = ContactMethodFactory(user=bob, channel="webhook", address=endpoint.url, secret="s")
    NotificationRuleFactory(contact_method=hook)
    NotificationRuleFactory(contact_method=ContactMethodFactory(user=bob), delay_minutes=10)
    acknowledge_incidents(incident_ids=[incident.pk], actor=alice)
    reassign_incident(incident_id=incident.pk, actor=alice, assignee=bob)
    notify_assigned(now=timezone.now())
    endpoint.answers = [410]

    for channel in ("webhook", "email"):
        deliver_due(channel=channel)

    told = [mail["Subject"] for mail in mailbox.mails if incident.title in mail["Subject"]]
    assert len(told) == 1


def test_no_other_way_is_tried_of_what_was_acknowledged_during_the_send(
    incident: Incident, alice: User, bob: User
):
    method = ContactMethodFactory(user=bob)
    NotificationFactory(incident=incident, user=bob, contact_method=method, address=method.address)
    (page,) = claim_pages(channel="email", limit=1)
    acknowledge_incidents(incident_ids=[incident.pk], actor=alice)

    refused = DeliveryError("No such user.", permanent=True)
    record_outcomes([Outcome(page, Route(error=refused))])

    assert Notification.objects.count() == 1
    said = TimelineEntry.objects.filter(incident=incident).order_by("pk").last()
    assert said is not None
    assert said.message.endswith("No such user. It is not needed any more.")


@pytest.mark.parametrize("what", ["acknowledges", "other team"])
def test_an_assignment_is_no_news_to_who_took_it_or_has_it_no_more(
    what: str, incident: Incident, alice: User, bob: User
):
    Incident.objects.filter(pk=incident.pk).update(team=TeamFactory(members=[bob]))
    page = NotificationFactory(incident=incident, user=bob, reason="assignment", cause="assigned:1")
    if what == "acknowledges":
        acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    else:
        reassign_incident(incident_id=incident.pk, actor=alice, team=TeamFactory(members=[alice]))

    cancel_settled_pages()

    page.refresh_from_db()
    assert page.state == State.CANCELLED


def test_a_code_that_was_used_or_followed_by_another_is_not_sent(bob: User):
    method = ContactMethodFactory(user=bob, verified_at=None)
    for _ in range(2):
        send_code(user=bob, pk=method.pk, now=timezone.now())
    cancel_settled_pages()
    second, first = Notification.objects.all()
    assert (first.state, second.state) == (State.CANCELLED, State.PENDING)

    code = re.search(r"\b\d{6}\b", second.text)
    assert code is not None
    enter_code(user=bob, pk=method.pk, code=code[0], now=timezone.now())
    assert claim_pages(channel="email", limit=5) == []


def test_a_page_follows_a_destination_that_was_moved_while_it_was_under_way(
    incident: Incident, alice: User
):
    place = DestinationFactory(address="https://old.example.com/")
    row = NotificationFactory(
        incident=incident, user=None, destination=place, channel="webhook", address=place.address
    )
    (page,) = claim_pages(channel="webhook", limit=1)
    moved = {"address": "https://new.example.com/"}
    update_destination(destination=place, values=moved, actor=alice)  # type: ignore[arg-type]

    gone = DeliveryError("Answered 410.", permanent=True, breaks_address=True)
    record_outcomes([Outcome(page, Route(error=gone))])

    row.refresh_from_db()
    place.refresh_from_db()
    assert (row.state, row.address) == (State.PENDING, "https://new.example.com/")
    assert place.enabled


def test_the_last_step_hears_of_a_way_that_waited_for_an_earlier_one(incident: Incident, bob: User):
    told: list[tuple[int, str]] = []

    def handler(lost: set[tuple[int, str]], now: object) -> None:
        told.extend(lost)

    NotificationRuleFactory(contact_method__user=bob, delay_minutes=10)
    for cause in ("step:0:0:0", "step:0:1:0"):
        request = PageRequest(incident.pk, bob.pk, Notification.Reason.ESCALATION, cause)
        queue_pages(requests=[request], now=timezone.now())
    Notification.objects.filter(channel="email").update(due_at=timezone.now())
    refused = DeliveryError("No such user.", permanent=True)
    unreached.on_unreached(handler)
    try:
        for _ in range(2):  # the delayed way, then the address of the account
            (page,) = claim_pages(channel="email", limit=1)
            record_outcomes([Outcome(page, Route(error=refused))])
    finally:
        unreached._handlers.remove(handler)

    assert sorted(told) == [(incident.pk, "step:0:0:0"), (incident.pk, "step:0:1:0")]


# What cannot be read or rendered


def test_one_page_that_cannot_be_rendered_leaves_its_bundle_alone(
    mailbox: Mailbox, incident: Incident, bob: User, monkeypatch: pytest.MonkeyPatch
):
    others = IncidentFactory.create_batch(2, service=incident.service)
    for one in (incident, *others):
        NotificationFactory(incident=one, user=bob)
    email = CHANNELS["email"]
    render = email.render

    def render_but_one(pages: Sequence[Page]) -> Message:
        assert all(page.incident and page.incident.id != incident.pk for page in pages)
        return render(pages)

    monkeypatch.setattr(email, "render", render_but_one)
    pages = claim_pages(channel="email", limit=3)
    record_outcomes(send_parcel(email, pages, accounts_for("email")))

    assert len(mailbox.mails) == 1
    states = dict(Notification.objects.values_list("incident", "state"))
    assert states == {incident.pk: State.PENDING} | {one.pk: State.SENT for one in others}
    said = TimelineEntry.objects.get(incident=others[0])
    assert said.message == "Page sent to Bob by e-mail, in one message with 1 other"


def test_an_event_of_another_version_does_not_stop_its_channel(
    endpoint: Endpoint, incident: Incident
):
    place = DestinationFactory(address=endpoint.url)
    to_place = {"user": None, "destination": place, "channel": "webhook", "address": endpoint.url}
    old = NotificationFactory(
        incident=incident,
        reason="event",
        cause="event:1",
        details={"event": {"number": 1}},
        **to_place,
    )
    page = NotificationFactory(incident=incident, **to_place)

    deliver_due(channel="webhook")

    old.refresh_from_db()
    page.refresh_from_db()
    assert (old.state, page.state) == (State.FAILED, State.DELIVERED)
    assert len(endpoint.requests) == 1


def test_a_card_that_cannot_be_rendered_leaves_the_others_to_be_edited(
    slack: SlackStandIn, room: Destination, bob: User, monkeypatch: pytest.MonkeyPatch
):
    incidents = IncidentFactory.create_batch(2)
    for one in incidents:
        NotificationFactory(
            incident=one, user=None, destination=room, channel="slack", address=room.address
        )
    deliver_due(channel="slack")
    acknowledge_incidents(incident_ids=[one.pk for one in incidents], actor=bob)
    render = CHANNELS["slack"].render_card  # type: ignore[attr-defined]

    def render_but_one(about: PagedIncident, **values: str) -> Message:
        assert about.id != incidents[0].pk
        message: Message = render(about, **values)
        return message

    monkeypatch.setattr(CHANNELS["slack"], "render_card", render_but_one)

    edit_posts(now=timezone.now())

    assert sorted(post.edits for post in slack.posts) == [0, 1]


def test_a_stop_that_only_the_provider_knew_ends_with_start(
    twilio: Twilio, incident: Incident, bob: User
):
    phone = ContactMethodFactory(user=bob, channel="sms", address=NUMBER)
    NotificationFactory(
        incident=incident, user=bob, channel="sms", address=NUMBER, contact_method=phone
    )
    twilio.refused[NUMBER] = 21610

    deliver_due(channel="sms")

    phone.refresh_from_db()
    assert phone.health is Health.STOPPED
    start_address(channel="sms", address=NUMBER)
    phone.refresh_from_db()
    assert phone.health is Health.USABLE
    assert Notification.objects.filter(user=bob, channel="email", state=State.PENDING).exists()


# Backlogs


def test_a_claim_reads_only_what_it_takes_of_a_backlog_that_is_due_at_once(incident: Incident):
    page = NotificationFactory(incident=incident)
    Notification.objects.bulk_create(
        Notification(
            incident=incident,
            user=page.user,
            channel="email",
            reason=page.reason,
            cause=f"step:{number}",
            due_at=page.due_at,
        )
        for number in range(500)
    )
    values = {"channel": "email", "limit": 16, "lease": 30, "mates": 0, "max_turn": 9}

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE notifications_notification; SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {_CLAIM}", values)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    due = plan[plan.index("CTE due") : plan.index("CTE mates")]
    assert re.search(r"Limit .* rows=16 ", due)
    assert "Sort" not in due
