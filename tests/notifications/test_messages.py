"""The log of outgoing messages: who sees and sends again what, in which order."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from incidents.models import Incident
from notifications.message_log import (
    MessageSearch,
    narrowed_messages,
    page_of_messages,
    visible_messages,
)
from notifications.message_words import outcome_of
from notifications.models import ContactMethod, DeliveryAttempt, Notification
from notifications.services.delivery import deliver_due
from notifications.services.resending import resend_message
from opsknight.errors import Conflict
from opsknight.models import AuditEntry, Team, User
from tests.factories import (
    ContactMethodFactory,
    DestinationFactory,
    EventSubscriptionFactory,
    IncidentFactory,
    NotificationFactory,
    ServiceFactory,
    TeamFactory,
)
from tests.notifications.providers import Endpoint

pytestmark = pytest.mark.django_db
State = Notification.State
Reason = Notification.Reason


def sent(incident: Incident | None, user: User | None, **values: Any) -> Notification:
    values = {"state": State.SENT, "finished_at": timezone.now()} | values
    return NotificationFactory(incident=incident, user=user, **values)


def failed(incident: Incident | None, user: User | None, **values: Any) -> Notification:
    return sent(incident, user, state=State.FAILED, last_error="Answered 500.", **values)


def to_place(incident: Incident, **values: Any) -> Notification:
    place = values.pop("place")
    return sent(
        incident, None, destination=place, channel="webhook", address=place.address, **values
    )


def event_row(incident: Incident, **values: Any) -> Notification:
    event = {
        "id": 7,
        "type": "incident.note",
        "at": "2026-01-01T12:00:00+00:00",
        "message": "On it",
        "actor": None,
    }
    details = {"event": event, "template": "", "subscription": 0} | values.pop("details", {})
    return to_place(incident, reason=Reason.EVENT, cause="event:7", details=details, **values)


def url(name: str, *args: Any) -> str:
    return reverse(f"notifications:{name}", args=args)


def resend(message: Notification, actor: User) -> Notification:
    return resend_message(message=message, actor=actor, now=timezone.now())


@pytest.fixture
def private(incident: Incident) -> Incident:
    """Of the same service: only carol's team sees it."""
    return IncidentFactory(service=incident.service, visibility="private", title="Card data leaked")


# Who sees what


def test_the_log_shows_only_what_one_may_see(
    incident: Incident, alice: User, bob: User, carol: User, eve: User
):
    row = sent(incident, bob)

    seen = {user.name: visible_messages(user).filter(pk=row.pk).exists()
            for user in (alice, bob, carol, eve)}  # fmt: skip

    assert seen == {"Alice": True, "Bob": True, "Carol": True, "Eve": False}


def test_messages_about_a_private_incident_are_as_private(
    private: Incident, alice: User, bob: User, carol: User, eve: User
):
    place = DestinationFactory(team=TeamFactory(members=[eve]))
    rows = [sent(private, carol), to_place(private, place=place), event_row(private, place=place)]

    seen = {user.name: visible_messages(user).count() for user in (alice, bob, carol, eve)}

    assert seen == {"Alice": 0, "Bob": 0, "Carol": len(rows), "Eve": 0}
    carol.memberships.all().delete()
    assert visible_messages(carol).count() == 0


def test_the_page_of_a_private_message_names_nothing(client: Client, private: Incident, bob: User):
    row = to_place(private, place=DestinationFactory())
    client.force_login(bob)

    answers = [client.get(url("messages")), client.get(url("message", row.pk))]

    assert [answer.status_code for answer in answers] == [200, 404]
    assert b"Card data" not in answers[0].content + answers[1].content


def test_notices_to_others_are_seen_by_administrators_alone(alice: User, bob: User, carol: User):
    sent(None, carol, reason=Reason.ON_CALL, subject="You are on call")

    assert visible_messages(alice).count() == 1
    assert visible_messages(bob).count() == 0
    assert visible_messages(carol).count() == 1


def test_codes_are_never_shown(client: Client, alice: User, bob: User):
    row = sent(None, bob, reason=Reason.VERIFICATION, subject="Code 123456", text="123456")
    client.force_login(alice)

    shown = client.get(url("messages")).content + client.get(url("message", row.pk)).content

    assert b"123456" not in shown


def test_addresses_of_others_are_masked(client: Client, incident: Incident, alice: User, bob: User):
    sms = sent(incident, bob, channel="sms", address="+4915123456789")
    client.force_login(alice)

    masked = client.get(url("message", sms.pk)).content.decode()
    client.force_login(bob)
    own = client.get(url("message", sms.pk)).content.decode()

    assert "+49…789" in masked
    assert "+4915123456789" not in masked
    assert "+4915123456789" in own


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_stranger_finds_no_message(method: str, client: Client, incident: Incident, eve: User):
    row = to_place(incident, place=DestinationFactory(), state=State.FAILED)
    client.force_login(eve)

    name = "message" if method == "get" else "message_resend"

    assert getattr(client, method)(url(name, row.pk)).status_code == 404


def test_who_only_sees_a_message_may_not_send_it_again(client: Client, eve: User, bob: User):
    row = failed(IncidentFactory(service=ServiceFactory()), bob)
    client.force_login(eve)

    seen, answer = client.get(url("message", row.pk)), client.post(url("message_resend", row.pk))

    assert (seen.status_code, answer.status_code) == (200, 403)
    assert b"Send again" not in seen.content


def test_events_are_sent_again_only_by_who_runs_the_destination(
    client: Client, incident: Incident, alice: User, bob: User, endpoint: Endpoint
):
    row = event_row(incident, place=DestinationFactory(address=endpoint.url))
    client.force_login(bob)
    refused = client.post(url("message_resend", row.pk))
    client.force_login(alice)
    taken = client.post(url("message_resend", row.pk))

    assert (refused.status_code, taken.status_code) == (403, 302)


# Order and search


def test_d8_unsent_messages_come_first_then_the_latest_sent(incident: Incident, bob: User):
    now = timezone.now()
    old = sent(incident, bob, address="1", finished_at=now - timedelta(hours=2))
    waits = NotificationFactory(incident=incident, user=bob, address="2")
    new = sent(incident, bob, address="3", finished_at=now - timedelta(hours=1))
    later = NotificationFactory(incident=incident, user=bob, address="4")

    page = page_of_messages(visible_messages(bob), "")

    assert [row.pk for row in page.rows] == [later.pk, waits.pk, new.pk, old.pk]


def test_pages_of_the_log_follow_each_other_without_gap(incident: Incident, bob: User):
    now = timezone.now()
    for number in range(3):
        NotificationFactory(incident=incident, user=bob, address=f"w{number}")
        sent(incident, bob, address=f"s{number}", finished_at=now)
    found, position = [], ""
    while True:
        page = page_of_messages(visible_messages(bob), position, size=2)
        found += [row.pk for row in page.rows]
        position = page.older
        if not position:
            break

    assert found == [row.pk for row in page_of_messages(visible_messages(bob), "").rows]
    assert len(set(found)) == 6


@pytest.mark.parametrize("position", ["", "x", "1-2-3", "waiting-", "99999999999999999999-1"])
def test_a_position_that_is_not_ours_shows_the_beginning(
    position: str, incident: Incident, bob: User
):
    row = sent(incident, bob)

    assert page_of_messages(visible_messages(bob), position).rows == [row]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"state": "failed"}, ["Bob"]),
        ({"state": "reached"}, ["Carol"]),
        ({"state": "waiting"}, ["Board"]),
        ({"channel": "webhook"}, ["Board"]),
        ({"q": "oar"}, ["Board"]),
        ({"q": "nobody"}, []),
        ({"reason": "assignment"}, ["Carol"]),
        ({"state": "nonsense", "channel": "in_app"}, ["Board", "Carol", "Bob"]),
    ],
)
def test_the_log_is_narrowed_by_its_address(
    query: dict[str, str], names: list[str], incident: Incident, alice: User, bob: User, carol: User
):
    failed(incident, bob, finished_at=timezone.now() - timedelta(minutes=1))
    sent(incident, carol, reason=Reason.ASSIGNMENT)
    place = DestinationFactory(name="Board")
    to_place(incident, place=place, state=State.PENDING, finished_at=None)

    found = narrowed_messages(visible_messages(alice), MessageSearch.parse(query))

    assert [str(row.recipient) for row in page_of_messages(found, "").rows] == names


def test_the_log_costs_the_same_for_one_row_and_for_ten(
    client: Client, incident: Incident, bob: User
):
    client.force_login(bob)
    sent(incident, bob)
    with CaptureQueriesContext(
        connection,
    ) as one:
        client.get(url("messages"))
    for number in range(9):
        sent(incident, bob, address=f"{number}@example.com")
    with CaptureQueriesContext(connection) as ten:
        client.get(url("messages"))

    assert len(ten) == len(one)


# In words


@pytest.mark.parametrize(
    ("late", "delay", "words"),
    [
        (timedelta(seconds=2), 0, "Delivered"),
        (timedelta(seconds=40), 0, "Delivered (after 40s)"),
        (timedelta(minutes=5), 0, "Delivered (after 5m)"),
        (timedelta(minutes=65), 0, "Delivered (after 1h 5m)"),
        (timedelta(minutes=35), 30, "Delivered (after 5m)"),  # planned for half an hour later
        (timedelta(minutes=1), 30, "Delivered"),  # pulled forward
    ],
)
def test_d7_the_log_says_how_late_a_delivery_was(
    late: timedelta, delay: int, words: str, incident: Incident, bob: User
):
    row = sent(incident, bob, state=State.DELIVERED, delay_minutes=delay)
    row.finished_at = row.created_at + late

    assert outcome_of(row) == words


def test_d7_the_page_of_the_message_says_so_too(client: Client, incident: Incident, bob: User):
    now = timezone.now()
    row = sent(
        incident, bob, state=State.DELIVERED, created_at=now - timedelta(minutes=5), finished_at=now
    )
    client.force_login(bob)

    pages = [client.get(url("message", row.pk)), client.get(url("messages"))]

    assert ["Delivered (after 5m)" in page.content.decode() for page in pages] == [True, True]


def test_the_page_shows_every_attempt_with_its_answer(
    client: Client, incident: Incident, bob: User
):
    row = failed(incident, bob)
    for outcome, detail in (("failed", "Answered 500."), ("unknown", "fell silent")):
        DeliveryAttempt.objects.create(
            notification=row, outcome=outcome, detail=detail, provider="Main relay", duration_ms=123
        )
    client.force_login(bob)

    shown = client.get(url("message", row.pk)).content.decode()

    assert ["Answered 500." in shown, "fell silent" in shown, "123 ms" in shown] == [True] * 3


def test_the_panel_of_an_incident_shows_attempts_and_why_a_page_waits(
    client: Client, incident: Incident, bob: User
):
    row = NotificationFactory(incident=incident, user=bob, waits_for="limit", attempts=1)
    DeliveryAttempt.objects.create(
        notification=row, outcome="failed", detail="Answered 503.", provider="Relay", duration_ms=9
    )
    client.force_login(bob)

    shown = client.get(url("deliveries_panel", incident.pk)).content.decode()

    assert "waits for a free slot" in shown
    assert "Failed by Relay in 9 ms: Answered 503." in shown


# Once more


def test_why_not_again_is_said_only_where_one_may_wonder(
    client: Client, incident: Incident, bob: User
):
    went = NotificationFactory(
        incident=incident, user=bob, state="sent", cause="step:1", finished_at=timezone.now()
    )
    lost = failed(incident, bob, address=bob.email)
    Incident.objects.filter(pk=incident.pk).update(status="acknowledged")
    client.force_login(bob)

    pages = [client.get(url("message", row.pk)).content.decode() for row in (went, lost)]

    assert "It cannot be sent again" not in pages[0]
    assert "It cannot be sent again: Nobody needs it any more." in pages[1]


def test_a_failed_page_is_sent_again(incident: Incident, bob: User, mailbox: Any):
    row = failed(incident, bob, address=bob.email)

    copy = resend(row, bob)
    deliver_due(channel="email")

    copy.refresh_from_db()
    assert (copy.state, mailbox.recipients) == (State.SENT, [bob.email])
    assert copy.idempotency_key != row.idempotency_key
    entry = AuditEntry.objects.get(action="message.resent")
    assert (entry.actor, entry.entity_label) == (bob, f"#{row.pk} to Bob")


def test_an_event_is_replayed_with_its_number_a_new_signature_and_the_present_template(
    incident: Incident, alice: User, endpoint: Endpoint
):
    place = DestinationFactory(address=endpoint.url)
    subscription = EventSubscriptionFactory(
        destination=place, service=incident.service, template='{"n": {{ event.id }}}'
    )
    row = event_row(
        incident, place=place, details={"subscription": subscription.pk, "template": "{{ old }}"}
    )

    resend(row, alice)
    deliver_due(channel="webhook")

    [request] = endpoint.requests
    assert request.json == {"n": 7}
    stamp = int(request.headers["x-opsknight-timestamp"]) / 1000
    assert abs(timezone.now().timestamp() - stamp) < 60
    assert request.headers["x-opsknight-signature"].startswith("sha256=")
    assert request.headers["idempotency-key"] != str(row.idempotency_key)


def test_a_second_press_while_the_first_is_on_its_way_sends_nothing(incident: Incident, bob: User):
    row = failed(incident, bob, address=bob.email)
    resend(row, bob)

    with pytest.raises(Conflict, match="on its way"):
        resend(row, bob)


def test_a_page_nobody_needs_any_more_is_not_sent_again(bob: User):
    row = failed(IncidentFactory(status="resolved"), bob, address=bob.email)

    with pytest.raises(Conflict, match="Nobody needs it"):
        resend(row, bob)


@pytest.mark.parametrize("state", [State.PENDING, State.SENT, State.CANCELLED])
def test_pages_to_people_are_sent_again_only_when_they_failed(
    state: str, incident: Incident, bob: User
):
    finished_at = None if state == State.PENDING else timezone.now()
    row = sent(incident, bob, state=state, finished_at=finished_at)

    with pytest.raises(Conflict):
        resend(row, bob)


def test_an_event_of_an_incident_that_became_private_is_not_replayed_elsewhere(
    incident: Incident, alice: User, team: Team
):
    row = event_row(incident, place=DestinationFactory(team=team))
    Incident.objects.update(visibility="private")

    with pytest.raises(Conflict, match="private"):
        resend(Notification.objects.get(pk=row.pk), alice)


@pytest.fixture
def team(db: None) -> Team:
    return TeamFactory()


@pytest.mark.parametrize(
    ("method", "reason"),
    [({"enabled": False}, "not in use"), (None, "was removed")],
)
def test_an_address_that_is_not_in_use_gets_nothing(
    method: dict[str, Any] | None, reason: str, incident: Incident, bob: User
):
    kept = ContactMethodFactory(user=bob, **(method or {}))
    row = failed(incident, bob, channel="sms", contact_method=kept, address="+4915123456789")
    if method is None:
        ContactMethod.objects.all().delete()
        row = Notification.objects.get(pk=row.pk)

    with pytest.raises(Conflict, match=reason):
        resend(row, bob)


@pytest.mark.parametrize("reason", [Reason.VERIFICATION, Reason.TEST])
def test_what_is_limited_by_the_hour_is_not_sent_again(alice: User, bob: User, reason: Reason):
    row = failed(None, bob, reason=reason, subject="Code or test")

    with pytest.raises(Conflict, match="not sent again"):
        resend(row, alice)
