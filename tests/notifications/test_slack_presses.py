"""Who may press a button in Slack, and what a press does."""

import time
from dataclasses import replace

import pytest
from django.test import Client
from pytest_django import Settings

from bench.stand_ins.slack import Member, SlackStandIn, signed
from incidents.models import Incident
from notifications.models import (
    Destination,
)
from opsknight.models import User
from tests.notifications.slack import (
    link,
    page_place,
    press,
    send_press,
)

pytestmark = pytest.mark.django_db


def test_an_unsigned_or_forged_or_old_press_is_refused_and_does_nothing(
    client: Client,
    slack: SlackStandIn,
    room: Destination,
    incident: Incident,
    bob_in_slack: Member,
):
    page_place(incident, room)
    card = slack.posts[0]
    good = slack.press(card, "Close", bob_in_slack)
    presses = [
        slack.press(card, "Close", bob_in_slack, secret="guessed"),
        slack.press(card, "Close", bob_in_slack, at=time.time() - 301),
        slack.press(card, "Close", bob_in_slack, at=time.time() + 301),
        replace(good, body=good.body.replace(b"Close", b"Clone") + b" "),
        replace(good, headers={"Content-Type": "application/x-www-form-urlencoded"}),
        replace(good, headers=good.headers | {"X-Slack-Request-Timestamp": "yesterday"}),
        replace(good, headers=good.headers | {"X-Slack-Request-Timestamp": "9" * 5000}),
        replace(good, body=b"\xff\xfe"),
    ]

    statuses = [send_press(client, one) for one in presses]

    incident.refresh_from_db()
    assert statuses == [403] * len(presses)
    assert incident.status == Incident.Status.TRIGGERED


def test_without_an_account_every_press_is_refused(
    client: Client, slack: SlackStandIn, settings: Settings
):
    settings.PROVIDERS_FROM_ENV = {}

    assert send_press(client, signed(b"payload={}")) == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload=nonsense",
        b"payload=[]",
        b'payload={"type":"view_submission"}',
        b'payload={"type":"block_actions","user":{"id":"U1"},"team":{"id":"T1"},"actions":[]}',
        b'payload={"type":"block_actions","user":{"id":"U1"},"team":{"id":"T1"},'
        b'"actions":[{"action_id":"opsknight:delete","value":"1"}]}',
        b'payload={"type":"block_actions","user":{"id":"U1"},"team":{"id":"T1"},'
        b'"actions":[{"action_id":"opsknight:resolve","value":"1;drop"}]}',
    ],
)
def test_what_is_no_press_of_ours_is_taken_and_forgotten(
    client: Client, slack: SlackStandIn, body: bytes
):
    assert send_press(client, signed(body)) == 200
    assert slack.requests == []


def test_a_huge_press_is_not_read(client: Client, slack: SlackStandIn):
    assert send_press(client, signed(b"x" * 300_000)) == 413


@pytest.mark.parametrize(
    "facts",
    [
        {"is_confirmed": False},  # anybody can write that down
        {"workspace": "T0ELSEWHERE"},  # its administrators write down what they like
    ],
)
def test_an_address_that_slack_has_not_confirmed_proves_nothing(
    client: Client,
    slack: SlackStandIn,
    room: Destination,
    incident: Incident,
    bob: User,
    facts: dict[str, object],
):
    page_place(incident, room)
    member = slack.add_member("U0BOB0001", "Bob", "bob@example.com", **facts)

    press(client, slack, slack.posts[0], "Close", member)

    incident.refresh_from_db()
    assert incident.status == Incident.Status.TRIGGERED
    assert "Link your account first" in slack.whispers[0]


def test_a_name_proves_nothing(
    client: Client, slack: SlackStandIn, room: Destination, incident: Incident, bob: User
):
    page_place(incident, room)
    member = slack.add_member("U0FAKE001", "Bob", "someone@elsewhere.example")

    press(client, slack, slack.posts[0], "Close", member)

    incident.refresh_from_db()
    assert incident.status == Incident.Status.TRIGGERED


def test_a_linked_account_goes_before_the_address(
    client: Client,
    slack: SlackStandIn,
    room: Destination,
    incident: Incident,
    bob: User,
    carol: User,
    bob_in_slack: Member,
):
    page_place(incident, room)
    link(carol, bob_in_slack)

    press(client, slack, slack.posts[0], "Close", bob_in_slack)

    incident.refresh_from_db()
    assert incident.resolved_by == carol


def test_a_person_who_left_does_nothing_any_more(
    client: Client,
    slack: SlackStandIn,
    room: Destination,
    incident: Incident,
    bob: User,
    bob_in_slack: Member,
):
    page_place(incident, room)
    link(bob, bob_in_slack)
    bob.status = User.Status.DISABLED
    bob.save(update_fields=["status"])

    press(client, slack, slack.posts[0], "Close", bob_in_slack)

    incident.refresh_from_db()
    assert incident.status == Incident.Status.TRIGGERED


def test_an_outsider_is_told_privately_that_the_incident_is_not_for_him(
    client: Client, slack: SlackStandIn, room: Destination, incident: Incident, eve: User
):
    incident.visibility = Incident.Visibility.PRIVATE
    incident.save(update_fields=["visibility"])
    page_place(incident, room)
    member = slack.add_member("U0EVE0001", "eve", eve.email)

    press(client, slack, slack.posts[0], "Close", member)

    incident.refresh_from_db()
    assert incident.status == Incident.Status.TRIGGERED
    assert slack.whispers == [f"There is no incident #{incident.pk}."]


def test_pressing_twice_says_who_was_first(
    client: Client,
    slack: SlackStandIn,
    room: Destination,
    incident: Incident,
    bob: User,
    carol: User,
    bob_in_slack: Member,
):
    page_place(incident, room)
    once = slack.press(slack.posts[0], "Acknowledge", bob_in_slack)
    carols = slack.add_member("U0CAROL01", "carol", carol.email)
    twice = slack.press(slack.posts[0], "Acknowledge", carols)

    send_press(client, once)
    send_press(client, twice)

    assert slack.whispers == [f"#{incident.pk} {incident.title}: already acknowledged by Bob."]


def test_a_press_works_while_slack_itself_is_slow(
    client: Client,
    slack: SlackStandIn,
    room: Destination,
    incident: Incident,
    bob: User,
    bob_in_slack: Member,
):
    page_place(incident, room)
    link(bob, bob_in_slack)
    slack.delay = 30

    assert send_press(client, slack.press(slack.posts[0], "Close", bob_in_slack)) == 200

    incident.refresh_from_db()
    assert incident.status == Incident.Status.RESOLVED
    slack.delay = 0
