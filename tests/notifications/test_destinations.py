"""Pages to what belongs to nobody: a channel of a team, an outgoing webhook."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from incidents.models import Incident, Participant, TimelineEntry
from incidents.services.lifecycle import acknowledge_incidents
from notifications import uses
from notifications.models import Destination, Notification, SandboxMessage
from notifications.services import destinations, unreached
from notifications.services.claimed import MAX_ATTEMPTS
from notifications.services.delivery import deliver_due
from notifications.services.destinations import MAX_TESTS
from notifications.services.outbox import PageRequest, queue_pages
from notifications.services.settling import cancel_settled_pages
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import AuditEntry, TeamMember, User
from tests.factories import (
    DestinationFactory,
    IncidentFactory,
    NotificationFactory,
    TeamFactory,
    UserFactory,
)
from tests.notifications.providers import Endpoint, Mailbox

pytestmark = pytest.mark.django_db
State = Notification.State
Lost = list[tuple[int, str]]


def page_place(
    incident: Incident, *places: Destination, cause: str = "step:0:0:0"
) -> frozenset[tuple[int, int]]:
    requests = [
        PageRequest(
            incident.pk, None, Notification.Reason.ESCALATION, cause, destination_id=place.pk
        )
        for place in places
    ]
    with transaction.atomic():
        return queue_pages(requests=requests, now=timezone.now()).unreached


def messages(incident: Incident) -> list[str]:
    return list(TimelineEntry.objects.filter(incident=incident).values_list("message", flat=True))


@pytest.fixture
def hook(endpoint: Endpoint) -> Destination:
    return DestinationFactory(name="Status board", address=endpoint.url)


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> Lost:
    """What is told to whoever moves on when a cause reached nobody."""
    told: Lost = []

    def remember(causes: set[tuple[int, str]], now: datetime) -> None:
        told.extend(sorted(causes))

    monkeypatch.setattr(unreached, "_handlers", [remember])
    return told


def test_a_destination_is_paged_at_once_and_without_a_notice_in_the_app(
    incident: Incident, hook: Destination
):
    unreached_people = page_place(incident, hook)

    row = Notification.objects.get()
    assert (row.user, row.destination, row.channel) == (None, hook, "webhook")
    assert (row.address, row.delay_minutes) == (hook.address, 0)
    assert not unreached_people
    assert not Participant.objects.exists()


def test_h6_a_webhook_gets_the_incident_and_the_destination_instead_of_a_person(
    endpoint: Endpoint, incident: Incident, hook: Destination
):
    page_place(incident, hook)

    deliver_due(channel="webhook")

    (request,) = endpoint.requests
    body = json.loads(request.body)
    assert body["event"]["type"] == "page"
    assert body["destination"] == {"id": hook.pk, "name": "Status board"}
    assert "recipient" not in body
    assert body["incident"]["title"] == "Error rate above 5 %"
    assert body["incident"]["service"]["name"] == "Checkout"
    assert "x-opsknight-signature" in request.headers
    assert messages(incident) == ["Page sent to Status board by webhook"]


def test_a_mailbox_of_nobody_gets_a_mail(mailbox: Mailbox, incident: Incident):
    page_place(incident, DestinationFactory(name="NOC", channel="email", address="noc@example.com"))

    deliver_due(channel="email")

    text = mailbox.mails[0].get_body(("plain",)).get_content()
    assert mailbox.recipients == ["noc@example.com"]
    assert text.startswith("NOC is paged.")


def test_without_a_mail_server_the_mail_is_kept_in_the_sandbox(
    settings: Settings, incident: Incident
):
    settings.EMAIL_URL = ""
    page_place(incident, DestinationFactory(name="NOC", channel="email", address="noc@example.com"))

    deliver_due(channel="email")

    assert "To: NOC <noc@example.com>" in SandboxMessage.objects.get().raw
    assert messages(incident) == [
        "Page to NOC by e-mail kept in the sandbox: no provider is configured"
    ]


def test_the_same_cause_twice_pages_once(incident: Incident, hook: Destination):
    page_place(incident, hook)
    page_place(incident, hook)

    assert Notification.objects.count() == 1


def test_a_deleted_destination_is_passed_over(incident: Incident, hook: Destination):
    other = DestinationFactory()
    Destination.objects.filter(pk=hook.pk).delete()

    page_place(incident, hook, other)

    assert Notification.objects.get().destination == other


def test_queries_do_not_grow_with_the_batch(
    hook: Destination, django_assert_num_queries: DjangoAssertNumQueries
):
    incidents = IncidentFactory.create_batch(10)
    requests = [
        PageRequest(
            i.pk, None, Notification.Reason.ESCALATION, "step:0:0:0", destination_id=hook.pk
        )
        for i in incidents
    ]

    # The destinations, the insert.
    with transaction.atomic(), django_assert_num_queries(2):
        queue_pages(requests=requests[:1], now=timezone.now())
    with transaction.atomic(), django_assert_num_queries(2):
        queue_pages(requests=requests, now=timezone.now())


@pytest.mark.parametrize("way", ["claim", "sweep"])
def test_an_acknowledgement_cancels_it(
    endpoint: Endpoint, incident: Incident, hook: Destination, bob: User, way: str
):
    page_place(incident, hook)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    if way == "claim":
        deliver_due(channel="webhook")
    else:
        cancel_settled_pages()

    assert Notification.objects.get().state == State.CANCELLED
    assert endpoint.requests == []
    assert messages(incident) == ["Acknowledged by Bob", "1 page cancelled"]


def test_two_steps_due_at_once_say_it_once(
    endpoint: Endpoint, incident: Incident, hook: Destination
):
    page_place(incident, hook)
    page_place(incident, hook, cause="step:0:0:1")

    deliver_due(channel="webhook")

    assert len(endpoint.requests) == 1


def test_one_that_is_gone_is_marked_broken_and_the_timeline_says_so(
    endpoint: Endpoint, incident: Incident, hook: Destination
):
    page_place(incident, hook)
    endpoint.answers = [410]

    deliver_due(channel="webhook")

    hook.refresh_from_db()
    assert (hook.enabled, hook.broken_reason) == (False, "Answered 410.")
    assert AuditEntry.objects.get(action="destination.broken").entity_label == "Status board"
    assert messages(incident) == [
        "Page to Status board by webhook failed: Answered 410. No other way is left."
    ]


def test_one_that_was_switched_off_meanwhile_is_not_used(
    endpoint: Endpoint, incident: Incident, hook: Destination
):
    page_place(incident, hook)
    Destination.objects.update(enabled=False)

    deliver_due(channel="webhook")

    assert endpoint.requests == []
    assert messages(incident) == [
        "Page to Status board by webhook failed: This destination is switched off. "
        "No other way is left."
    ]


def test_whoever_caused_it_is_told_when_nothing_else_was_reached(
    endpoint: Endpoint, incident: Incident, hook: Destination, lost: Lost
):
    page_place(incident, hook)
    endpoint.answers = [410]

    deliver_due(channel="webhook")

    assert lost == [(incident.pk, "step:0:0:0")]


@pytest.mark.parametrize("state", [State.PENDING, State.SENT, State.SANDBOXED])
def test_nobody_is_told_while_another_page_of_the_cause_is_alive(
    endpoint: Endpoint, incident: Incident, hook: Destination, bob: User, lost: Lost, state: str
):
    page_place(incident, hook)
    finished_at = None if state == State.PENDING else timezone.now()
    NotificationFactory(incident=incident, user=bob, state=state, finished_at=finished_at)
    endpoint.answers = [410]

    deliver_due(channel="webhook")

    assert lost == []


def test_a_person_without_another_way_counts_the_same(
    mailbox: Mailbox, incident: Incident, bob: User, lost: Lost
):
    NotificationFactory(incident=incident, user=bob)
    NotificationFactory(
        incident=incident, user=bob, channel="in_app", address="", state=State.DELIVERED,
        finished_at=timezone.now(),
    )  # fmt: skip
    mailbox.rcpt_answers = ["550 5.1.1 no such user"]

    deliver_due(channel="email")

    assert lost == [(incident.pk, "step:0:0:0")]


def test_a_failure_that_may_pass_is_tried_again(
    endpoint: Endpoint, incident: Incident, hook: Destination, lost: Lost
):
    page_place(incident, hook)
    endpoint.answers = [500]

    deliver_due(channel="webhook")

    assert Notification.objects.get().state == State.PENDING
    assert lost == []


def test_the_last_attempt_fails_it_and_leaves_it_in_use(
    endpoint: Endpoint, incident: Incident, hook: Destination, lost: Lost
):
    page_place(incident, hook)
    Notification.objects.update(attempts=MAX_ATTEMPTS - 1)
    endpoint.answers = [500]

    deliver_due(channel="webhook")

    hook.refresh_from_db()
    assert (Notification.objects.get().state, hook.enabled) == (State.FAILED, True)
    assert lost == [(incident.pk, "step:0:0:0")]


def test_a_lost_encryption_key_stops_only_its_own_pages(
    endpoint: Endpoint, incident: Incident, hook: Destination
):
    other = DestinationFactory(address=endpoint.url)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE notifications_destination SET secret = 'nonsense' WHERE id = %s", [hook.pk]
        )
    page_place(incident, hook, other)

    deliver_due(channel="webhook")

    states = dict(Notification.objects.values_list("destination", "state"))
    assert states == {hook.pk: State.FAILED, other.pk: State.DELIVERED}


# Tests


def test_a_test_goes_the_way_of_pages(endpoint: Endpoint, hook: Destination, alice: User):
    destinations.send_test(destination=hook, actor=alice, now=timezone.now())

    deliver_due(channel="webhook")

    (request,) = endpoint.requests
    body = json.loads(request.body)
    assert body["event"] | {"timestamp": ""} == {
        "type": "test",
        "timestamp": "",
        "reason": "test",
        "maybe_duplicate": False,
    }
    assert body["notice"]["subject"] == "Test of Status board"
    assert body["notice"]["text"].startswith("Alice tries")
    assert "incident" not in body
    assert Notification.objects.get().state == State.DELIVERED
    assert AuditEntry.objects.filter(action="destination.tested", actor=alice).exists()


def test_a_test_that_fails_for_good_marks_it_broken(
    endpoint: Endpoint, hook: Destination, alice: User, lost: Lost
):
    destinations.send_test(destination=hook, actor=alice, now=timezone.now())
    endpoint.answers = [410]

    deliver_due(channel="webhook")

    hook.refresh_from_db()
    assert hook.broken_reason == "Answered 410."
    assert lost == []


@pytest.mark.parametrize("status", [301, 401, 403, 404])
def test_a_refusal_that_may_be_repaired_fails_the_message_and_not_the_destination(
    endpoint: Endpoint, hook: Destination, alice: User, status: int
):
    destinations.send_test(destination=hook, actor=alice, now=timezone.now())
    endpoint.answers = [status]

    deliver_due(channel="webhook")

    hook.refresh_from_db()
    row = Notification.objects.get()
    assert (row.state, row.last_error[:13]) == (State.FAILED, f"Answered {status}.")
    assert (hook.enabled, hook.broken_reason) == (True, "")


def test_what_is_switched_off_is_not_tested(hook: Destination, alice: User):
    hook.enabled = False

    with pytest.raises(Conflict):
        destinations.send_test(destination=hook, actor=alice, now=timezone.now())


def test_one_test_at_a_time(hook: Destination, alice: User):
    now = timezone.now()
    destinations.send_test(destination=hook, actor=alice, now=now)

    with pytest.raises(Conflict):
        destinations.send_test(destination=hook, actor=alice, now=now + timedelta(seconds=5))


def test_an_address_gets_so_many_tests_an_hour_by_however_many_destinations(alice: User):
    places = DestinationFactory.create_batch(2, channel="email", address="ann@example.com")
    now = timezone.now()
    for number in range(MAX_TESTS):
        earlier = now - timedelta(minutes=50) + timedelta(minutes=number)
        destinations.send_test(destination=places[number % 2], actor=alice, now=earlier)

    with pytest.raises(Conflict, match="Many tests"):
        destinations.send_test(destination=places[0], actor=alice, now=now)
    destinations.send_test(destination=places[0], actor=alice, now=now + timedelta(hours=1))


def test_two_tests_one_after_another_are_two_messages(
    endpoint: Endpoint, hook: Destination, alice: User
):
    for seconds in (-60, 0):
        now = timezone.now() + timedelta(seconds=seconds)
        destinations.send_test(destination=hook, actor=alice, now=now)

    deliver_due(channel="webhook")

    assert len(endpoint.requests) == 2


# Making, changing, deleting

HOOK: dict[str, Any] = {
    "name": "Board",
    "channel": "webhook",
    "address": "https://example.com/services/T0KEN",
}


def test_a_webhook_gets_a_secret_that_no_log_shows(alice: User):
    place = destinations.create_destination(values=HOOK, actor=alice)

    assert len(place.secret) == 43
    entry = AuditEntry.objects.get(action="destination.created")
    assert "secret" not in entry.changes
    assert entry.changes["address"] == [None, "https://example.com/…"]
    assert place.masked_address == "https://example.com/…"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": ""}, "name"),
        ({"address": "ftp://example.com"}, "address"),
        ({"address": "https://user:pw@example.com"}, "address"),
        ({"channel": "email", "address": "nobody"}, "address"),
        ({"channel": "in_app"}, "channel"),
        ({"channel": "pigeon"}, "channel"),
    ],
)
def test_what_cannot_be_used_is_named(alice: User, changed: dict[str, Any], field: str):
    with pytest.raises(InvalidInput) as refused:
        destinations.create_destination(values={**HOOK, **changed}, actor=alice)  # type: ignore[typeddict-item]

    assert set(refused.value.fields) == {field}
    assert not Destination.objects.exists()


def test_a_name_is_taken_once(alice: User):
    destinations.create_destination(values=HOOK, actor=alice)  # type: ignore[arg-type]

    with pytest.raises(InvalidInput) as refused:
        destinations.create_destination(values=HOOK, actor=alice)  # type: ignore[arg-type]

    assert set(refused.value.fields) == {"name"}


@pytest.mark.parametrize("runs", ["lead", "owner", "admin"])
def test_who_runs_a_team_makes_its_channels(carol: User, runs: str):
    team = TeamFactory(members=[carol])
    if runs == "lead":
        team.lead = carol
        team.save()
    else:
        TeamMember.objects.update(role=runs)

    place = destinations.create_destination(values={**HOOK, "team": team}, actor=carol)  # type: ignore[typeddict-item]

    assert place.team == team


def test_only_administrators_let_a_schedule_rule_a_user_group(alice: User, carol: User):
    team = TeamFactory(lead=carol, members=[carol])
    values: Any = {"name": "On call", "channel": "slack", "address": "S012AB3CD", "team": team}
    room = DestinationFactory(team=team, channel="slack", address="C012AB3CD")

    with pytest.raises(InvalidInput) as refused:
        destinations.create_destination(values=values, actor=carol)
    with pytest.raises(InvalidInput):
        destinations.update_destination(
            destination=room, values={"address": " S012AB3CD"}, actor=carol
        )

    assert set(refused.value.fields) == {"address"}
    assert destinations.create_destination(values=values, actor=alice).team == team


def test_a_member_alone_does_not(carol: User):
    team = TeamFactory(members=[carol])

    with pytest.raises(InvalidInput) as refused:
        destinations.create_destination(values={**HOOK, "team": team}, actor=carol)  # type: ignore[typeddict-item]

    assert set(refused.value.fields) == {"team"}


@pytest.mark.parametrize("takes_it_away", [True, False])
def test_a_lead_cannot_give_a_channel_to_others(carol: User, takes_it_away: bool):
    team = TeamFactory(lead=carol, members=[carol])
    place = DestinationFactory(team=team)
    other = None if takes_it_away else TeamFactory()

    with pytest.raises(InvalidInput):
        destinations.update_destination(destination=place, values={"team": other}, actor=carol)


def test_pages_that_wait_follow_a_new_address(incident: Incident, hook: Destination, alice: User):
    page_place(incident, hook)

    destinations.update_destination(
        destination=hook, values={"address": "https://new.example.com/"}, actor=alice
    )

    assert Notification.objects.get().address == "https://new.example.com/"


@pytest.mark.parametrize("values", [{"address": "https://new.example.com/"}, {"enabled": True}])
def test_a_broken_one_is_used_again_after_it_was_looked_at(alice: User, values: dict[str, Any]):
    place = DestinationFactory(enabled=False, broken_reason="Answered 410.")

    destinations.update_destination(destination=place, values=values, actor=alice)  # type: ignore[arg-type]

    place.refresh_from_db()
    assert (place.enabled, place.broken_reason) == (True, "")


def test_a_new_name_mends_nothing(alice: User):
    place = DestinationFactory(enabled=False, broken_reason="Answered 410.")

    destinations.update_destination(destination=place, values={"name": "New"}, actor=alice)

    place.refresh_from_db()
    assert place.is_broken
    assert not place.enabled


def test_its_kind_stays(alice: User):
    place = DestinationFactory()

    with pytest.raises(InvalidInput) as refused:
        destinations.update_destination(
            destination=place, values={"channel": "email", "address": "a@example.com"}, actor=alice
        )

    assert set(refused.value.fields) == {"channel"}


def test_a_new_secret_replaces_one_that_cannot_be_read(hook: Destination, alice: User):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notifications_destination SET secret = 'nonsense'")
    place = Destination.objects.defer("secret").get()

    fresh = destinations.renew_secret(destination=place, actor=alice)

    assert Destination.objects.get().secret == fresh
    assert fresh not in str(AuditEntry.objects.get(action="destination.secret_renewed").changes)


def test_what_is_paged_by_something_cannot_be_deleted(
    hook: Destination, alice: User, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(uses, "_finders", [lambda place: [uses.Use("the policy Night", "/x/")]])

    with pytest.raises(Conflict, match="paged by the policy Night"):
        destinations.delete_destination(destination=hook, actor=alice)

    assert Destination.objects.exists()


def test_what_nothing_pages_can_be_deleted(hook: Destination, incident: Incident, alice: User):
    page_place(incident, hook)

    destinations.delete_destination(destination=hook, actor=alice)

    assert not Destination.objects.exists()
    assert AuditEntry.objects.get(action="destination.deleted").entity_label == "Status board"


def test_a_deleted_team_leaves_its_channels_to_the_administrators():
    place = DestinationFactory(team=TeamFactory(members=[UserFactory()]))

    place.team.delete()

    place.refresh_from_db()
    assert place.team is None
