"""Slack: what messages say, what errors mean, and who may press."""

from dataclasses import asdict

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins.server import Reply
from bench.stand_ins.slack import Member, SlackStandIn
from incidents.models import Incident, TimelineEntry
from incidents.services.lifecycle import resolve_incidents
from incidents.services.timeline import build_entry
from notifications.channels import CHANNELS
from notifications.channels.slack import LOUD, OVER, TAKEN
from notifications.events import event_of
from notifications.models import (
    Destination,
    Notification,
    PostedMessage,
)
from notifications.models.preferences import clean_address
from notifications.services.accounts import accounts_for
from notifications.services.claims import claim_pages
from notifications.services.delivery import deliver_due, send_parcel
from notifications.services.destinations import send_test
from notifications.services.outcomes import record_outcomes
from opsknight.models import User
from tests.factories import (
    DestinationFactory,
    IncidentFactory,
    NotificationFactory,
    ServiceFactory,
)
from tests.notifications.slack import (
    GROUP,
    ROOM,
    account_of,
    edit_now,
    page_place,
    press,
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


@pytest.fixture
def flood(slack: SlackStandIn, room: Destination) -> list[Incident]:
    """20 incidents of one service that went out as one message."""
    service = ServiceFactory(name="Checkout")
    incidents = [IncidentFactory(service=service) for _ in range(20)]
    for one in incidents:
        NotificationFactory(
            incident=one, user=None, destination=room, channel="slack", address=ROOM
        )
    pages = claim_pages(channel="slack", limit=20)
    record_outcomes(send_parcel(CHANNELS["slack"], pages, accounts_for("slack")))
    return incidents


def test_several_pages_become_one_message_with_buttons_for_all(
    client: Client,
    slack: SlackStandIn,
    flood: list[Incident],
    bob: User,
    bob_in_slack: Member,
):
    (post,) = slack.posts
    assert post.text == "*20 open on Checkout*"
    assert "… and 5 more" in post.words

    press(client, slack, post, "Acknowledge all", bob_in_slack)

    assert set(Incident.objects.values_list("status", flat=True)) == {"acknowledged"}
    assert slack.whispers == ["20 of 20 acknowledged."]
    assert (post.colour, list(post.buttons)) == (TAKEN, ["Close all"])
    assert "acknowledged" in post.words


def test_a_list_shows_what_has_become_of_each_and_is_edited_once(
    slack: SlackStandIn, flood: list[Incident], bob: User
):
    resolve_incidents(incident_ids=[i.pk for i in flood[:18]], actor=bob)
    edit_now()
    (post,) = slack.posts
    assert (post.text, post.colour, post.edits) == ("*2 open on Checkout*", LOUD, 1)
    assert post.buttons["Close all"]["value"] == f"{flood[18].pk},{flood[19].pk}"
    assert " resolved" in post.words

    resolve_incidents(incident_ids=[i.pk for i in flood[18:]], actor=bob)
    edit_now()

    assert (post.text, post.colour, post.edits) == ("*All 20 resolved on Checkout*", OVER, 2)
    assert post.buttons == {}


def test_a_further_page_about_one_of_a_list_is_a_reply(
    slack: SlackStandIn, flood: list[Incident], room: Destination
):
    page_place(flood[3], room, step=1)

    assert slack.posts[1].thread_ts == slack.posts[0].ts


def test_a_list_of_endless_titles_stays_within_what_slack_takes(
    slack: SlackStandIn, room: Destination
):
    service = ServiceFactory()
    for _ in range(15):
        NotificationFactory(
            incident=IncidentFactory(service=service, title="<" * 500),
            user=None, destination=room, channel="slack", address=ROOM,
        )  # fmt: skip
    pages = claim_pages(channel="slack", limit=20)

    send_parcel(CHANNELS["slack"], pages, accounts_for("slack"))

    text = slack.posts[0].attachments[0]["blocks"][0]["text"]["text"]
    assert len(text) <= 3000
    assert text.splitlines()[-1].endswith("more")


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


# Events that a channel follows


def follow(incident: Incident, room: Destination, kind: TimelineEntry.Kind, message: str) -> None:
    """Tell the channel of one entry of the timeline, and send that."""
    entry = build_entry(incident_id=incident.pk, kind=kind, message=message, now=timezone.now())
    entry.save()
    told = {name: value for name, value in asdict(event_of(entry)).items() if name != "template"}
    NotificationFactory(
        incident=incident,
        user=None,
        destination=room,
        channel="slack",
        address=ROOM,
        reason=Notification.Reason.EVENT,
        cause=f"event:{entry.pk}",
        details={"event": told},
    )
    deliver_due(channel="slack")


def test_a_channel_that_follows_gets_a_card_and_then_replies_in_its_thread(
    slack: SlackStandIn, room: Destination, incident: Incident, bob: User
):
    Kind = TimelineEntry.Kind
    follow(incident, room, Kind.TRIGGERED, "Opened by Bob")
    follow(incident, room, Kind.NOTE, "<!here> try turning it off\nand on")
    resolve_incidents(incident_ids=[incident.pk], actor=bob)
    edit_now()

    card, reply = slack.posts
    assert (card.colour, card.buttons) == (OVER, {})
    assert (reply.thread_ts, reply.is_broadcast) == (card.ts, False)
    assert reply.text.startswith("&lt;!here&gt; try turning it off and on: <http")


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


def test_the_manifest_in_the_guide_names_our_address(settings: Settings):
    guide = (settings.BASE_DIR / "docs/how-to/slack.md").read_text()

    assert f"request_url: https://ops.example.com{reverse('slack_interactions')}" in guide
