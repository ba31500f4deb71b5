"""Slack: what messages say, what errors mean, and who may press."""

import json
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins.server import Reply, json_reply
from bench.stand_ins.slack import Member, SlackStandIn
from incidents.models import Incident
from incidents.services.lifecycle import resolve_incidents
from notifications.channels import CHANNELS
from notifications.channels.slack import LOUD
from notifications.models import (
    DeliveryAttempt,
    Destination,
    Notification,
    PostedMessage,
)
from notifications.models import Provider as Account
from notifications.models.preferences import clean_address
from notifications.services.accounts import accounts_for
from notifications.services.claims import claim_pages
from notifications.services.delivery import deliver_due, send_parcel
from notifications.services.destinations import send_test
from notifications.services.outcomes import record_outcomes
from notifications.services.post_edits import edit_posts
from opsknight.models import User
from tests.factories import (
    DestinationFactory,
    IncidentFactory,
    NotificationFactory,
)
from tests.notifications.slack import (
    GROUP,
    ROOM,
    account_of,
    edit_now,
    page_place,
    press,
    running_slack,
)

pytestmark = pytest.mark.django_db
State = Notification.State


@pytest.fixture
def hook(slack: SlackStandIn, settings: Settings) -> Destination:
    settings.WEBHOOK_ALLOW_PRIVATE = True
    return DestinationFactory(name="Hook", channel="slack", address=slack.hook_url)


# What messages say


def test_titles_can_neither_mention_nor_link(
    slack: SlackStandIn, room: Destination, incident: Incident
):
    incident.title = "<!channel> & <https://evil.example|click>\nnow"
    incident.save(update_fields=["title"])

    page_place(incident, room)

    text = slack.posts[0].text
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; now" in text


def test_a_long_incident_stays_within_what_slack_takes(
    slack: SlackStandIn, room: Destination, incident: Incident
):
    incident.title, incident.description = "é" * 500, "line\n" * 10_000
    incident.save(update_fields=["title", "description"])

    page_place(incident, room)

    texts = [b["text"]["text"] for b in slack.posts[0].attachments[0]["blocks"] if "text" in b]
    assert max(len(text) for text in texts) <= 3000
    assert len(slack.posts[0].text) < 500


def test_several_pages_become_one_message_with_a_button_for_all(
    client: Client, slack: SlackStandIn, room: Destination, bob: User, bob_in_slack: Member
):
    service = IncidentFactory().service
    incidents = [IncidentFactory(service=service) for _ in range(20)]
    for one in incidents:
        NotificationFactory(
            incident=one, user=None, destination=room, channel="slack", address=ROOM
        )
    pages = claim_pages(channel="slack", limit=20)
    record_outcomes(send_parcel(CHANNELS["slack"], pages, accounts_for("slack")))

    press(client, slack, slack.posts[0], "Acknowledge all", bob_in_slack)

    (post,) = slack.posts
    assert post.text == f"*20 open on {service.name}*"
    assert "… and 5 more" in post.words
    assert {one.status for one in Incident.objects.filter(service=service)} == {
        "triggered", "acknowledged",
    }  # fmt: skip
    assert slack.whispers == ["20 of 20 acknowledged."]
    assert not PostedMessage.objects.exists()


def test_without_a_signing_secret_messages_have_no_buttons(
    slack: SlackStandIn, room: Destination, incident: Incident, settings: Settings
):
    settings.PROVIDERS_FROM_ENV = {"slack": account_of(slack) | {"signing_secret": ""}}

    page_place(incident, room)

    assert slack.posts[0].buttons == {}


def test_a_repetition_says_so(slack: SlackStandIn, room: Destination, incident: Incident):
    NotificationFactory(
        incident=incident, user=None, destination=room, channel="slack", address=ROOM,
        maybe_duplicate=True,
    )  # fmt: skip

    deliver_due(channel="slack")

    assert "the first may have arrived, too" in slack.posts[0].words


def test_a_test_of_a_channel_arrives(slack: SlackStandIn, room: Destination, alice: User):
    send_test(destination=room, actor=alice, now=timezone.now())

    deliver_due(channel="slack")

    assert slack.posts[0].text == "*Test of #checkout*"
    assert "Nothing is wrong." in slack.posts[0].words


def test_a_test_of_a_user_group_changes_nobody(slack: SlackStandIn, alice: User):
    slack.groups[GROUP] = ["U0OLD0001"]
    group = DestinationFactory(channel="slack", address=GROUP)
    row = send_test(destination=group, actor=alice, now=timezone.now())

    deliver_due(channel="slack")

    row.refresh_from_db()
    assert row.state == State.DELIVERED
    assert slack.groups[GROUP] == ["U0OLD0001"]


# Incoming webhooks


def test_an_incoming_webhook_gets_the_card_without_buttons(
    slack: SlackStandIn, hook: Destination, incident: Incident
):
    page = page_place(incident, hook)

    (body,) = slack.hooked
    assert page.state == State.DELIVERED
    assert incident.title in body["text"]
    assert body["attachments"][0]["color"] == LOUD
    assert "actions" not in {block["type"] for block in body["attachments"][0]["blocks"]}
    assert not PostedMessage.objects.exists()


def test_a_removed_webhook_is_switched_off(
    slack: SlackStandIn, hook: Destination, incident: Incident
):
    hook.address = f"{slack.url}/services/T0/B0/removed"
    hook.save(update_fields=["address"])

    page = page_place(incident, hook)

    hook.refresh_from_db()
    assert (page.state, hook.enabled) == (State.FAILED, False)
    assert hook.broken_reason == "Slack knows no such webhook: it was removed."


def test_a_webhook_that_lies_has_failed(slack: SlackStandIn, hook: Destination, incident: Incident):
    slack.faults.append(Reply(200, b"<html>Sign in to the hotel's network</html>"))

    page = page_place(incident, hook)

    assert page.state == State.FAILED


def test_a_webhook_into_a_private_network_is_refused(
    slack: SlackStandIn, hook: Destination, incident: Incident, settings: Settings
):
    settings.WEBHOOK_ALLOW_PRIVATE = False

    page = page_place(incident, hook)

    assert page.last_error == "The address leads into a private network."
    assert slack.hooked == []


# What errors mean


@pytest.mark.parametrize(
    ("fault", "state", "waits"),
    [
        (json_reply({"ok": False, "error": "internal_error"}), State.PENDING, 5),  # lies with 200
        (json_reply({"ok": False, "error": "ratelimited"}, 429, retry_after="120"), "pending", 120),
        (json_reply({"ok": False, "error": "ratelimited"}, 429), State.PENDING, 5),
        (Reply(503, b"upstream"), State.PENDING, 5),
        (Reply(200, b"<html>no API</html>"), State.PENDING, 5),
        (Reply(200, b'{"ok": true', cut_after=5), State.PENDING, 5),  # half-closed
        (Reply(is_silent=True), State.PENDING, 5),
        (Reply(200, b"x" * 10_000_000), State.PENDING, 5),  # more than we read
        (json_reply({"ok": False, "error": "msg_too_long"}), State.FAILED, 0),
        (json_reply({"ok": False, "error": "never_heard_of"}), State.FAILED, 0),
        (json_reply(["ok"]), State.PENDING, 5),
    ],
)
def test_a_failing_slack_is_classified(
    slack: SlackStandIn,
    room: Destination,
    incident: Incident,
    fault: Reply,
    state: State,
    waits: int,
):
    slack.faults.append(fault)

    page = page_place(incident, room)

    room.refresh_from_db()
    assert (page.state, room.enabled) == (state, True)
    if waits:
        assert timedelta(0) < page.due_at - timezone.now() <= timedelta(seconds=waits * 1.3)
        assert page.due_at - timezone.now() > timedelta(seconds=waits * 0.6)


def test_an_answer_that_was_lost_marks_the_repetition(
    slack: SlackStandIn, room: Destination, incident: Incident
):
    slack.faults.append(Reply(is_silent=True))

    page = page_place(incident, room)

    assert page.maybe_duplicate
    assert page.delivery_attempts.get().outcome == DeliveryAttempt.Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("facts", "is_broken"),
    [
        ({"is_archived": True}, True),
        ({"has_bot": False}, False),  # inviting it is all it takes
        ({"has_bot": False, "is_private": True}, True),
    ],
)
def test_a_channel_that_is_gone_is_switched_off(
    slack: SlackStandIn,
    room: Destination,
    incident: Incident,
    facts: dict[str, bool],
    is_broken: bool,
):
    slack.add_room(ROOM, "checkout", **facts)

    page = page_place(incident, room)

    room.refresh_from_db()
    assert page.state == State.FAILED
    assert room.is_broken == is_broken


def test_a_revoked_token_is_shown_and_the_next_workspace_is_asked(
    slack: SlackStandIn, room: Destination, incident: Incident
):
    slack.is_revoked = True
    with running_slack() as other:
        Account.objects.create(
            kind="slack",
            name="Second workspace",
            settings={"api_url": other.api_url},
            secrets=json.dumps({"bot_token": other.token}),
            position=1,
        )
        Account.objects.create(
            kind="slack",
            name="First workspace",
            settings={"api_url": slack.api_url},
            secrets=json.dumps({"bot_token": slack.token}),
        )

        page = page_place(incident, room)

        assert [post.room for post in other.posts] == [ROOM]
    attempts = page.delivery_attempts.order_by("pk")
    assert [(a.provider, a.detail) for a in attempts] == [
        ("First workspace", "The Slack workspace revoked the bot's token."),
        ("Second workspace", "ok"),
    ]
    room.refresh_from_db()
    assert (page.state, room.enabled) == (State.DELIVERED, True)


def test_with_the_only_token_revoked_the_page_waits_and_says_why(
    slack: SlackStandIn, room: Destination, incident: Incident
):
    slack.is_revoked = True

    page = page_place(incident, room)

    room.refresh_from_db()
    assert (page.state, room.enabled) == (State.PENDING, True)
    assert page.last_error == "The Slack workspace revoked the bot's token."


def test_an_edit_that_must_wait_is_tried_again(
    slack: SlackStandIn, room: Destination, incident: Incident, bob: User
):
    page_place(incident, room)
    resolve_incidents(incident_ids=[incident.pk], actor=bob)
    slack.faults.append(json_reply({"ok": False, "error": "ratelimited"}, 429, retry_after="30"))

    edit_posts(now=timezone.now())
    post = PostedMessage.objects.get()
    assert (post.shown, post.edits_failed) == ("triggered", 1)
    assert post.edit_at is not None
    assert post.edit_at > timezone.now() + timedelta(seconds=25)
    edit_now()

    assert slack.posts[0].text.startswith("*Resolved*")


def test_an_edit_whose_account_is_gone_is_given_up(
    slack: SlackStandIn, room: Destination, incident: Incident, bob: User, settings: Settings
):
    page_place(incident, room)
    settings.PROVIDERS_FROM_ENV = {}
    resolve_incidents(incident_ids=[incident.pk], actor=bob)

    edit_now()

    assert edit_now() == 0
    assert slack.posts[0].edits == 0


def test_a_message_that_shows_the_truth_is_not_edited(
    slack: SlackStandIn, room: Destination, incident: Incident
):
    page_place(incident, room)

    assert edit_now() == 0


# Which channels there are


def test_channels_are_listed_for_who_makes_destinations_only(
    client: Client, slack: SlackStandIn, carol: User
):
    client.force_login(carol)

    assert client.get("/destinations/slack-channels/").status_code == 403
    assert client.get("/api/v1/destinations/slack-channels").status_code == 403


def test_a_list_of_channels_that_slack_refuses_says_why(
    client: Client, slack: SlackStandIn, alice: User
):
    slack.is_revoked = True
    client.force_login(alice)

    page = client.get("/destinations/slack-channels/").content.decode()
    answer = client.get("/api/v1/destinations/slack-channels")

    assert "revoked the bot&#x27;s token" in page
    assert answer.status_code == 409


@pytest.mark.parametrize("address", ["#general", "C1", "general", "c012ab3cd", "ftp://x/"])
def test_an_address_in_slack_is_an_id_or_a_webhook(address: str):
    with pytest.raises(ValidationError):
        clean_address("slack", address)
