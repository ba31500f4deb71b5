"""Pages about followers: who sees them, who makes and changes them, and replays."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from incidents.models import Incident, Service
from notifications.models import Destination, EventCursor, EventSubscription, Notification
from notifications.services.subscriptions import create_subscription, update_subscription
from opsknight.errors import InvalidInput
from opsknight.models import AuditEntry, Team, TeamMember, User
from tests.factories import (
    DestinationFactory,
    EventSubscriptionFactory,
    IncidentFactory,
    NotificationFactory,
    ServiceFactory,
    TeamFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def team(carol: User) -> Team:
    return TeamFactory(name="Payments", members=[carol])


@pytest.fixture
def lead(team: Team, carol: User) -> User:
    TeamMember.objects.filter(team=team, user=carol).update(role="owner")
    return carol


@pytest.fixture
def service(team: Team) -> Service:
    return ServiceFactory(name="Checkout", team=team)


@pytest.fixture
def board(team: Team) -> Destination:
    return DestinationFactory(name="Payments board", team=team)


@pytest.fixture
def subscription(board: Destination, service: Service) -> EventSubscription:
    return EventSubscriptionFactory(destination=board, service=service)


def url(name: str, *args: Any) -> str:
    return reverse(f"notifications:{name}", args=args)


def signed_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


@pytest.mark.parametrize("name", ["subscription", "subscription_delete"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_stranger_finds_no_subscription(
    name: str, method: str, client: Client, subscription: EventSubscription, eve: User
):
    answer = getattr(signed_in(client, eve), method)(url(name, subscription.pk))

    assert answer.status_code == 404


@pytest.mark.parametrize("name", ["subscription", "subscription_delete"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_who_only_sees_a_destination_may_not_change_what_it_follows(
    name: str, method: str, client: Client, subscription: EventSubscription, carol: User
):
    answer = getattr(signed_in(client, carol), method)(url(name, subscription.pk))

    assert answer.status_code == 403
    assert EventSubscription.objects.exists()


def test_a_plain_user_may_not_let_anything_follow(client: Client, eve: User):
    assert signed_in(client, eve).get(url("subscription_new")).status_code == 403


def test_a_lead_lets_a_channel_follow_the_teams_service(
    client: Client, lead: User, board: Destination, service: Service
):
    form = {"destination": board.pk, "service": service.pk, "events": ["incident.resolved"],
            "enabled": "on"}  # fmt: skip

    answer = signed_in(client, lead).post(url("subscription_new"), form)

    made = EventSubscription.objects.get()
    assert (answer.status_code, made.destination, made.service) == (302, board, service)
    assert made.events == ["incident.resolved"]
    assert EventCursor.objects.exists()
    assert AuditEntry.objects.get(action="event_subscription.created").actor == lead


def test_nobody_lets_a_channel_follow_what_one_may_not_see(
    client: Client, lead: User, board: Destination
):
    others = ServiceFactory(team=TeamFactory())
    form = {"destination": board.pk, "service": others.pk, "enabled": "on"}

    answer = signed_in(client, lead).post(url("subscription_new"), form)

    assert answer.status_code == 422
    assert not EventSubscription.objects.exists()


def test_nobody_uses_a_destination_that_one_may_not_change(bob: User, service: Service):
    with pytest.raises(InvalidInput) as refused:
        create_subscription(
            values={"destination": DestinationFactory(), "service": service, "team": None},
            actor=bob,
            now=timezone.now(),
        )

    assert "destination" in refused.value.fields


@pytest.mark.parametrize("chosen", [{}, {"service": True, "team": True}])
def test_either_a_service_or_a_team_is_followed(
    chosen: dict[str, bool], alice: User, board: Destination, service: Service, team: Team
):
    with pytest.raises(InvalidInput, match="service or a team"):
        create_subscription(
            values={
                "destination": board,
                "service": service if chosen.get("service") else None,
                "team": team if chosen.get("team") else None,
            },
            actor=alice,
            now=timezone.now(),
        )


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"events": ["incident.exploded"]}, "events"),
        ({"template": "{% for x in y %}{% endfor %}"}, "template"),
        ({"template": "{{ event.message"}, "template"),
    ],
)
def test_bad_values_are_refused_at_their_field(
    values: dict[str, Any], field: str, alice: User, subscription: EventSubscription
):
    with pytest.raises(InvalidInput) as refused:
        update_subscription(subscription=subscription, values=values, actor=alice)  # type: ignore[arg-type]

    assert list(refused.value.fields) == [field]


def test_only_webhooks_have_a_template(alice: User, service: Service):
    mailbox = DestinationFactory(channel="email", address="ops@example.com")
    subscription = EventSubscriptionFactory(destination=mailbox, service=service)

    with pytest.raises(InvalidInput, match="webhooks"):
        update_subscription(subscription=subscription, values={"template": "{}"}, actor=alice)


def test_the_same_cannot_be_followed_twice(alice: User, subscription: EventSubscription):
    values = {"destination": subscription.destination, "service": subscription.service}

    with pytest.raises(InvalidInput):
        create_subscription(values=values, actor=alice, now=timezone.now())  # type: ignore[arg-type]


def test_a_change_is_saved_and_audited(client: Client, lead: User, subscription: EventSubscription):
    form = {"events": ["incident.note"], "template": '{"a": 1}'}

    signed_in(client, lead).post(url("subscription", subscription.pk), form)

    subscription.refresh_from_db()
    assert (subscription.events, subscription.enabled) == (["incident.note"], False)
    assert AuditEntry.objects.filter(action="event_subscription.updated").exists()


def test_the_body_is_previewed_without_saving(
    client: Client, lead: User, subscription: EventSubscription
):
    form = {"template": '{"said": {{ event.message|tojson }}}', "preview": "1", "enabled": "on"}

    answer = signed_in(client, lead).post(url("subscription", subscription.pk), form)

    assert answer.status_code == 200
    assert "Acknowledged by Bob Ray" in answer.content.decode()
    subscription.refresh_from_db()
    assert subscription.template == ""


@pytest.mark.parametrize("template", ["{{ event.message }}", "[" * 1000 + "]" * 1000])
def test_a_preview_that_is_no_json_says_why_at_the_field(
    client: Client, lead: User, subscription: EventSubscription, template: str
):
    form = {"template": template, "preview": "1", "enabled": "on"}

    answer = signed_in(client, lead).post(url("subscription", subscription.pk), form)

    assert answer.status_code == 422
    assert "does not make JSON" in answer.content.decode()


def test_deleting_asks_first(client: Client, lead: User, subscription: EventSubscription):
    browser = signed_in(client, lead)

    asked = browser.get(url("subscription_delete", subscription.pk))
    browser.post(url("subscription_delete", subscription.pk))

    assert asked.status_code == 200
    assert not EventSubscription.objects.exists()


@pytest.mark.parametrize("name", ["service_followers", "team_followers"])
def test_panels_show_followers_only_to_who_may_see_their_destination(
    name: str, client: Client, service: Service, team: Team, carol: User, eve: User
):
    followed = {"service_followers": service, "team_followers": team}[name]
    field = name.removesuffix("_followers")
    values = {"service": None, "team": None} | {field: followed}
    EventSubscriptionFactory(destination=DestinationFactory(name="Board", team=team), **values)

    seen = signed_in(client, carol).get(url(name, followed.pk)).content.decode()
    hidden = signed_in(client, eve).get(url(name, followed.pk)).content.decode()

    assert ("Board" in seen, "Board" in hidden) == (True, False)


def test_a_panel_without_followers_leads_those_on_who_could_add_one(
    client: Client, service: Service, team: Team, lead: User, eve: User
):
    def panel_of(user: User) -> str:
        return signed_in(client, user).get(url("service_followers", service.pk)).content.decode()

    without_a_place = panel_of(lead)
    DestinationFactory(team=team)

    assert url("destination_new") in without_a_place
    assert url("subscription_new") in panel_of(lead)
    assert panel_of(eve).strip() == ""


def test_the_page_of_a_destination_offers_to_replay_its_last_messages(
    client: Client, lead: User, board: Destination, service: Service
):
    incident = IncidentFactory(service=service)
    row = NotificationFactory(
        incident=incident, user=None, destination=board, channel="webhook", address=board.address,
        state=Notification.State.DELIVERED, finished_at=timezone.now(),
    )  # fmt: skip

    page = signed_in(client, lead).get(url("destination", board.pk)).content.decode()

    assert url("message_resend", row.pk) in page


def test_what_one_may_not_see_is_not_offered_to_be_replayed(
    client: Client, alice: User, board: Destination, service: Service
):
    incident: Incident = IncidentFactory(service=service, visibility="private", title="Leak")
    row = NotificationFactory(
        incident=incident, user=None, destination=board, channel="webhook", address=board.address,
        state=Notification.State.DELIVERED, finished_at=timezone.now(),
        reason=Notification.Reason.EVENT, details={"event": {"message": "Leak closed"}},
    )  # fmt: skip

    page = signed_in(client, alice).get(url("destination", board.pk)).content.decode()

    assert url("message_resend", row.pk) not in page
    assert "Leak" not in page
