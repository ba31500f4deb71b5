"""Outgoing webhooks of services and teams: who hears of what, once, and of nothing private."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from incidents.models import Incident, Service, TimelineEntry
from incidents.services.lifecycle import (
    acknowledge_incidents,
    add_note,
    open_incident,
    resolve_incidents,
)
from incidents.services.timeline import build_entry
from notifications.events import EVENTS, LABELS
from notifications.models import Destination, EventCursor, EventSubscription, Notification
from notifications.services.delivery import deliver_due
from notifications.services.events import SETTLING, start_following, tell_events
from opsknight.models import Team, User
from tests.factories import (
    DestinationFactory,
    EventSubscriptionFactory,
    IncidentFactory,
    ServiceFactory,
    TeamFactory,
)
from tests.notifications.providers import Endpoint

pytestmark = pytest.mark.django_db
State = Notification.State
Kind = TimelineEntry.Kind


@pytest.fixture(autouse=True)
def following(db: None) -> None:
    """Somebody follows something already."""
    start_following(now=timezone.now())


@pytest.fixture
def team(carol: User) -> Team:
    return TeamFactory(name="Payments", members=[carol])


@pytest.fixture
def service(team: Team) -> Service:
    return ServiceFactory(name="Checkout", team=team)


@pytest.fixture
def hook(endpoint: Endpoint, team: Team) -> Destination:
    return DestinationFactory(name="Board", team=team, address=endpoint.url)


def follow(place: Destination, **values: Any) -> EventSubscription:
    return EventSubscriptionFactory(destination=place, **values)


def note(incident: Incident, text: str = "On it") -> TimelineEntry:
    entry = build_entry(incident_id=incident.pk, kind=Kind.NOTE, message=text, now=timezone.now())
    entry.save()
    return entry


def told(place: Destination) -> list[str]:
    """The events that a destination hears of, in order."""
    rows = Notification.objects.filter(destination=place).order_by("pk")
    return [row.details["event"]["type"] for row in rows]


def tell() -> int:
    return tell_events(now=timezone.now())


def test_a_follower_of_a_service_hears_of_every_turn(
    service: Service, hook: Destination, endpoint: Endpoint, bob: User
):
    follow(hook, service=service)
    incident = open_incident(service=service, title="Down", actor=bob)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    resolve_incidents(incident_ids=[incident.pk], actor=bob)

    tell()
    deliver_due(channel="webhook")

    types = {request.json["event"]["type"] for request in endpoint.requests}
    assert types == {"incident.triggered", "incident.acknowledged", "incident.resolved"}


def test_the_body_says_what_happened_and_who_did_it(
    service: Service, hook: Destination, endpoint: Endpoint, bob: User
):
    follow(hook, service=service, events=["incident.acknowledged"])
    incident = open_incident(service=service, title="Down", actor=bob)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    entry = TimelineEntry.objects.get(kind=Kind.ACKNOWLEDGED)

    tell()
    deliver_due(channel="webhook")

    [request] = endpoint.requests
    assert request.json["event"] == {
        "id": entry.pk,
        "type": "incident.acknowledged",
        "timestamp": entry.at.isoformat(),
        "message": "Acknowledged by Bob",
        "actor": {"id": bob.pk, "name": "Bob"},
        "reason": "event",
        "maybe_duplicate": False,
    }
    assert request.json["destination"] == {"id": hook.pk, "name": "Board"}
    assert request.json["incident"]["service"] == {"id": service.pk, "name": "Checkout"}


def test_a_follower_of_a_team_hears_of_all_its_services_only(team: Team, hook: Destination):
    follow(hook, service=None, team=team)
    note(IncidentFactory(service=ServiceFactory(team=team)))
    note(IncidentFactory(service=ServiceFactory(team=team)))
    note(IncidentFactory(service=ServiceFactory(team=TeamFactory())))

    tell()

    assert told(hook) == ["incident.note", "incident.note"]


def test_only_chosen_events_are_told(service: Service, hook: Destination):
    follow(hook, service=service, events=["incident.resolved"])
    note(IncidentFactory(service=service))

    assert tell() == 0


def test_two_subscriptions_of_one_destination_tell_it_once(
    service: Service, team: Team, hook: Destination
):
    follow(hook, service=None, team=team)
    follow(hook, service=service)
    note(IncidentFactory(service=service))

    tell()

    assert told(hook) == ["incident.note"]


def test_nothing_is_told_twice(service: Service, hook: Destination):
    follow(hook, service=service)
    note(IncidentFactory(service=service))
    tell()

    assert [tell(), tell_events(now=timezone.now() + 2 * SETTLING), tell()] == [0, 0, 0]


def test_what_happened_before_it_was_followed_is_not_told(service: Service, hook: Destination):
    note(IncidentFactory(service=service))
    follow(hook, service=service, created_at=timezone.now())

    assert tell() == 0


@pytest.mark.parametrize("switched_off", ["subscription", "destination"])
def test_what_is_switched_off_hears_nothing(switched_off: str, service: Service, hook: Destination):
    subscription = follow(hook, service=service, enabled=switched_off != "subscription")
    Destination.objects.filter(pk=hook.pk).update(enabled=switched_off != "destination")
    note(IncidentFactory(service=service))

    assert tell() == 0
    assert subscription.destination == hook


def test_followers_of_another_team_hear_nothing_private(service: Service, endpoint: Endpoint):
    others = DestinationFactory(team=TeamFactory(), address=endpoint.url)
    everybodys = DestinationFactory(team=None, address=endpoint.url)
    for place in (others, everybodys):
        follow(place, service=service)
    note(IncidentFactory(service=service, visibility="private"))

    assert tell() == 0


def test_the_own_team_hears_of_private_incidents(service: Service, hook: Destination):
    follow(hook, service=service)
    note(IncidentFactory(service=service, visibility="private"))

    tell()

    assert told(hook) == ["incident.note"]


def test_a_place_that_left_the_team_hears_nothing_private_that_still_waits(
    service: Service, hook: Destination, endpoint: Endpoint
):
    follow(hook, service=service)
    note(IncidentFactory(service=service, visibility="private"))
    tell()
    Destination.objects.filter(pk=hook.pk).update(team=TeamFactory())

    deliver_due(channel="webhook")

    row = Notification.objects.get()
    assert (row.state, "private" in row.last_error, endpoint.requests) == (State.FAILED, True, [])


def test_events_of_an_incident_that_is_over_are_still_sent(
    service: Service, hook: Destination, endpoint: Endpoint
):
    follow(hook, service=service)
    note(IncidentFactory(service=service, status="resolved"))
    tell()

    deliver_due(channel="webhook")

    assert Notification.objects.get().state == State.DELIVERED


def test_events_write_nothing_on_the_timeline(
    service: Service, hook: Destination, endpoint: Endpoint
):
    follow(hook, service=service)
    incident = IncidentFactory(service=service)
    note(incident)
    endpoint.answers = [404]
    tell()

    deliver_due(channel="webhook")

    assert Notification.objects.get().state == State.FAILED
    assert TimelineEntry.objects.filter(incident=incident).count() == 1


def test_a_dead_destination_is_switched_off_and_hears_no_more(
    service: Service, hook: Destination, endpoint: Endpoint
):
    follow(hook, service=service)
    note(IncidentFactory(service=service))
    endpoint.answers = [410]
    tell()
    deliver_due(channel="webhook")

    note(IncidentFactory(service=service))

    assert tell() == 0


def test_a_template_writes_the_body(service: Service, hook: Destination, endpoint: Endpoint):
    template = '{"text": {{ ("#" ~ incident.id ~ " " ~ event.message)|tojson }}}'
    follow(hook, service=service, template=template)
    incident = IncidentFactory(service=service)
    note(incident, 'Said "no"\nand left')
    tell()

    deliver_due(channel="webhook")

    [request] = endpoint.requests
    assert request.json == {"text": f'#{incident.pk} Said "no"\nand left'}


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ('{"text": {{ event.message }}}', "does not make JSON"),
        ("{{ event.message|round }}", "is no number"),
    ],
)
def test_a_template_that_does_not_render_fails_its_message_and_no_other(
    template: str, reason: str, service: Service, hook: Destination, endpoint: Endpoint
):
    follow(hook, service=service, template=template)
    other = DestinationFactory(address=endpoint.url)
    follow(other, service=service)
    note(IncidentFactory(service=service))
    tell()

    deliver_due(channel="webhook")

    failed = Notification.objects.get(destination=hook)
    assert (failed.state, reason in failed.last_error) == (State.FAILED, True)
    assert Notification.objects.get(destination=other).state == State.DELIVERED
    hook.refresh_from_db()
    assert hook.enabled


def test_every_event_has_a_name_for_people():
    assert set(EVENTS.values()) == set(LABELS)


def test_the_cursor_follows_when_everything_has_settled(service: Service, hook: Destination):
    follow(hook, service=service)
    entry = note(IncidentFactory(service=service))
    now = timezone.now()

    for seconds in (10, 20, 30):
        tell_events(now=now + timedelta(seconds=seconds))

    assert EventCursor.objects.get().read_until >= entry.pk


@pytest.mark.django_db(transaction=True)
def test_an_entry_that_becomes_visible_late_is_told(service: Service, hook: Destination):
    follow(hook, service=service)
    incident = IncidentFactory(service=service)
    may_commit, is_written = threading.Event(), threading.Event()
    late = threading.Thread(target=_note_late, args=(incident, is_written, may_commit))
    late.start()
    is_written.wait(10)
    note(incident, "later, but committed first")
    now = timezone.now()
    for seconds in (10, 20, 30):
        tell_events(now=now + timedelta(seconds=seconds))

    may_commit.set()
    late.join()
    tell_events(now=now + timedelta(seconds=40))

    rows = Notification.objects.order_by("pk")
    said = [row.details["event"]["message"] for row in rows]
    assert said == ["later, but committed first", "earlier, but committed last"]


def _note_late(
    incident: Incident, is_written: threading.Event, may_commit: threading.Event
) -> None:
    close_old_connections()
    with transaction.atomic():
        note(incident, "earlier, but committed last")
        is_written.set()
        may_commit.wait(10)
    connection.close()


def test_notes_are_told_by_whatever_door_they_came(service: Service, hook: Destination, bob: User):
    follow(hook, service=service)
    add_note(incident_id=IncidentFactory(service=service).pk, actor=bob, text="By the page")

    tell()

    assert Notification.objects.get().details["event"]["message"] == "By the page"


def test_without_followers_nothing_is_read(django_assert_num_queries: Any):
    EventCursor.objects.all().delete()

    with django_assert_num_queries(3):  # savepoint, cursor, release
        assert tell() == 0
