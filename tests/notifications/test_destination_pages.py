"""The pages of destinations: who sees and changes what, and what they say."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from incidents.models import Incident
from notifications import uses
from notifications.models import Destination, Notification
from notifications.services.delivery import deliver_due
from opsknight.models import AuditEntry, Team, TeamMember, User
from tests.factories import DestinationFactory, IncidentFactory, NotificationFactory, TeamFactory
from tests.notifications.providers import Endpoint

pytestmark = pytest.mark.django_db
TOKEN = "https://hooks.example.com/T0KEN"
FORM = {"name": "Board", "channel": "webhook", "address": TOKEN, "team": ""}


@pytest.fixture
def team(carol: User) -> Team:
    return TeamFactory(name="Payments", members=[carol])


@pytest.fixture
def channel(team: Team) -> Destination:
    """Of carol's team, which she does not lead."""
    return DestinationFactory(name="Payments board", team=team, address=TOKEN)


@pytest.fixture
def lead(team: Team, carol: User) -> User:
    TeamMember.objects.filter(team=team, user=carol).update(role="owner")
    return carol


def url(name: str, *args: Any) -> str:
    return reverse(f"notifications:{name}", args=args)


def page_row(incident: Incident, place: Destination, **values: Any) -> Notification:
    return NotificationFactory(
        incident=incident, user=None, destination=place, channel="webhook",
        address=place.address, **values,
    )  # fmt: skip


GETS = ["destination", "destination_edit", "destination_delete", "destination_secret"]
POSTS = [
    "destination_test",
    "destination_enable",
    "destination_disable",
    "destination_delete",
    "destination_edit",
    "destination_renew_secret",
]
CHANGES = [("get", name) for name in GETS[1:]] + [("post", name) for name in POSTS]


@pytest.mark.parametrize("name", GETS)
def test_out_of_sight_is_not_found(client: Client, channel: Destination, eve: User, name: str):
    client.force_login(eve)

    assert client.get(url(name, channel.pk)).status_code == 404


@pytest.mark.parametrize("name", POSTS)
def test_out_of_sight_cannot_be_changed(client: Client, channel: Destination, eve: User, name: str):
    client.force_login(eve)

    assert client.post(url(name, channel.pk)).status_code == 404


@pytest.mark.parametrize("who", ["bob", "carol"])
@pytest.mark.parametrize(("method", "name"), CHANGES)
def test_who_may_see_it_may_not_change_it(
    client: Client, request: pytest.FixtureRequest, channel: Destination, who: str, method: str,
    name: str,
):  # fmt: skip
    client.force_login(request.getfixturevalue(who))

    assert client.get(url("destination", channel.pk)).status_code == 200
    assert getattr(client, method)(url(name, channel.pk)).status_code == 403


@pytest.mark.parametrize("name", GETS)
def test_who_leads_the_team_may(client: Client, channel: Destination, lead: User, name: str):
    client.force_login(lead)

    assert client.get(url(name, channel.pk)).status_code == 200


@pytest.mark.parametrize(
    ("who", "status"), [("eve", 403), ("carol", 403), ("bob", 403), ("alice", 200)]
)
def test_who_may_make_one(
    client: Client, request: pytest.FixtureRequest, team: Team, who: str, status: int
):
    client.force_login(request.getfixturevalue(who))

    assert client.get(url("destination_new")).status_code == status
    assert client.post(url("destination_new"), {"name": ""}).status_code in (status, 422)


def test_the_list_shows_to_each_what_is_theirs(
    client: Client, channel: Destination, eve: User, carol: User, bob: User, alice: User
):
    DestinationFactory(name="Status board")
    shown = {}
    for person in (eve, carol, bob, alice):
        client.force_login(person)
        page = client.get(url("destinations")).content.decode()
        shown[person.name] = ("Payments board" in page, "Status board" in page)

    assert shown == {
        "Eve": (False, False),
        "Carol": (True, False),
        "Bob": (True, True),
        "Alice": (True, True),
    }


def test_the_list_costs_the_same_for_many_rows(client: Client, bob: User, incident: Incident):
    client.force_login(bob)
    counts = []
    for number in (1, 9):
        for place in DestinationFactory.create_batch(number, team=TeamFactory()):
            page_row(incident, place)
        with CaptureQueriesContext(connection) as queries:
            client.get(url("destinations"))
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_tokens_are_shown_only_to_who_may_change_it(
    client: Client, channel: Destination, bob: User, alice: User
):
    client.force_login(bob)
    seen = client.get(url("destination", channel.pk)).content.decode()
    seen += client.get(url("destinations")).content.decode()
    client.force_login(alice)
    full = client.get(url("destination", channel.pk)).content.decode()

    assert "T0KEN" not in seen
    assert "https://hooks.example.com/…" in seen
    assert TOKEN in full


def test_an_administrator_makes_one_and_sees_its_secret(client: Client, alice: User):
    client.force_login(alice)

    response = client.post(url("destination_new"), FORM, follow=True)

    place = Destination.objects.get()
    secret = client.get(url("destination_secret", place.pk)).content.decode()
    assert response.redirect_chain == [(url("destination", place.pk), 302)]
    assert place.secret in secret
    assert place.secret not in response.content.decode()


def test_a_lead_makes_a_channel_of_the_own_team_only(client: Client, team: Team, lead: User):
    other = TeamFactory(name="Others")
    client.force_login(lead)

    refused = [
        client.post(url("destination_new"), FORM | {"team": pk}).status_code
        for pk in ("", other.pk)
    ]
    made = client.post(url("destination_new"), FORM | {"team": team.pk})

    assert refused == [422, 422]
    assert made.status_code == 302
    assert Destination.objects.get().team == team


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"address": "ftp://x"}, "starts with https://"),
        ({"name": "Payments board"}, "already exists"),
        ({"channel": "pigeon"}, "pigeon"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    client: Client, channel: Destination, alice: User, changed: dict[str, str], text: str
):
    client.force_login(alice)

    response = client.post(url("destination_new"), FORM | changed)

    assert response.status_code == 422
    assert text in response.content.decode()


def test_editing_keeps_the_kind_and_is_audited(client: Client, channel: Destination, lead: User):
    client.force_login(lead)
    form = {"name": "New board", "address": TOKEN, "team": channel.team_id, "channel": "email"}

    response = client.post(url("destination_edit", channel.pk), form)

    channel.refresh_from_db()
    assert response.status_code == 302
    assert (channel.name, channel.channel) == ("New board", "webhook")
    changes = AuditEntry.objects.get(action="destination.updated").changes
    assert changes == {"name": ["Payments board", "New board"]}


def test_the_test_button_sends_and_the_page_shows_it(
    client: Client, endpoint: Endpoint, alice: User
):
    place = DestinationFactory(name="Board", address=endpoint.url)
    client.force_login(alice)

    client.post(url("destination_test", place.pk))
    deliver_due(channel="webhook")
    page = client.get(url("destination", place.pk)).content.decode()

    assert len(endpoint.requests) == 1
    assert "Test of Board" in page
    assert "Delivered" in page
    assert "Send again" not in page  # which would be refused


def test_a_broken_one_says_why_and_is_switched_on_again(client: Client, alice: User):
    place = DestinationFactory(enabled=False, broken_reason="Answered 410.")
    client.force_login(alice)

    page = client.get(url("destination", place.pk)).content.decode()
    refused = client.post(url("destination_test", place.pk), follow=True).content.decode()
    client.post(url("destination_enable", place.pk))

    place.refresh_from_db()
    assert "Answered 410." in page
    assert "is switched off. Switch it on first." in refused
    assert (place.enabled, place.broken_reason) == (True, "")


def test_what_went_there_is_sent_again_only_while_it_is_in_use_and_is_marked(
    client: Client, endpoint: Endpoint, incident: Incident, alice: User
):
    place = DestinationFactory(name="Board", address=endpoint.url)
    row = page_row(incident, place, state="delivered", finished_at=timezone.now())
    client.force_login(alice)

    before = client.get(url("destination", place.pk)).content.decode()
    client.post(url("message_resend", row.pk))
    endpoint.answers = [503]
    deliver_due(channel="webhook")
    after = client.get(url("destination", place.pk)).content.decode()
    client.post(url("destination_disable", place.pk))
    off = client.get(url("destination", place.pk)).content.decode()

    assert "Send again" in before
    assert "sent again" not in before
    assert "· sent again" in after
    assert "· waits for the next attempt" in after
    assert "Send again" not in off
    assert "it hears of no events" in off


def test_the_list_draws_each_kind(client: Client, alice: User):
    for kind, address in (("slack", "C012AB3CD"), ("email", "noc@example.com")):
        DestinationFactory(channel=kind, address=address)
    client.force_login(alice)

    page = client.get(url("destinations")).content.decode()

    assert 'aria-label="Slack"' in page
    assert 'aria-label="E-mail"' in page
    assert 'aria-label="Webhook"' not in page


def test_switching_off_keeps_it_off(client: Client, channel: Destination, lead: User):
    client.force_login(lead)

    client.post(url("destination_disable", channel.pk))

    channel.refresh_from_db()
    assert not channel.enabled


def test_deleting_names_what_pages_it(
    client: Client, channel: Destination, alice: User, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(uses, "_finders", [lambda place: [uses.Use("the policy Night", "/p/")]])
    client.force_login(alice)

    asked = client.get(url("destination_delete", channel.pk)).content.decode()
    refused = client.post(url("destination_delete", channel.pk), follow=True).content.decode()

    assert '<a href="/p/">the policy Night</a>' in asked
    assert "is paged by the policy Night" in refused
    assert Destination.objects.exists()


def test_what_nothing_pages_is_deleted(client: Client, channel: Destination, lead: User):
    client.force_login(lead)

    response = client.post(url("destination_delete", channel.pk))

    assert response["Location"] == url("destinations")
    assert not Destination.objects.exists()


def test_incidents_out_of_sight_stay_nameless(client: Client, channel: Destination, alice: User):
    page_row(IncidentFactory(title="Secret breach", visibility="private"), channel)
    client.force_login(alice)

    page = client.get(url("destination", channel.pk)).content.decode()

    assert "Secret breach" not in page
    assert "that you may not see" in page


def test_the_incident_shows_the_destination_in_its_pages(
    client: Client, channel: Destination, incident: Incident, bob: User
):
    page_row(
        incident, channel, state="failed", finished_at=timezone.now(), last_error="Answered 410."
    )
    client.force_login(bob)

    panel = client.get(url("deliveries_panel", incident.pk)).content.decode()

    assert "Payments board" in panel
    assert url("destination", channel.pk) in panel
    assert "Answered 410." in panel
    assert "T0KEN" not in panel


def test_a_kept_test_is_seen_by_who_sees_the_destination(
    client: Client, settings: Settings, team: Team, alice: User, bob: User, eve: User
):
    settings.EMAIL_URL = ""
    place = DestinationFactory(name="NOC", channel="email", address="noc@example.com", team=team)
    client.force_login(alice)
    client.post(url("destination_test", place.pk))
    deliver_due(channel="email")
    message = Notification.objects.get().sandbox_message
    statuses = []
    for person in (bob, eve):
        client.force_login(person)
        statuses.append(client.get(url("sandbox_message", message.pk)).status_code)

    assert statuses == [200, 404]


def test_an_odd_number_is_not_found(client: Client, alice: User):
    client.force_login(alice)

    assert client.get(f"/destinations/{10**30}/").status_code == 404
