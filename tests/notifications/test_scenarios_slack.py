"""G4 to G6 and H1 to H5: Slack."""

import logging
from datetime import datetime, time, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins.slack import Member, SlackStandIn
from escalations.models import OnCallAnnouncement
from escalations.services.announcements import tell_channels
from escalations.services.manual import escalate_incidents
from incidents.models import Incident, TimelineEntry
from incidents.services.lifecycle import acknowledge_incidents, resolve_incidents
from notifications.channels.slack import LOUD, OVER, TAKEN
from notifications.models import (
    ChatAccount,
    ContactMethod,
    DeliveryAttempt,
    Destination,
    Notification,
)
from notifications.services.delivery import deliver_due
from opsknight.models import User
from tests.escalations.walk import escalating, policy_of, take_all
from tests.factories import (
    AnnouncementFactory,
    ContactMethodFactory,
    DestinationFactory,
    NotificationRuleFactory,
    OverrideFactory,
    ScheduleFactory,
    ServiceFactory,
)
from tests.notifications.slack import (
    GROUP,
    ROOM,
    account_of,
    age_posts,
    deliver_later,
    edit_now,
    link,
    page_person,
    page_place,
    press,
)

pytestmark = pytest.mark.django_db
State = Notification.State
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
def joe(slack: SlackStandIn) -> Member:
    """A member whose address nobody here has."""
    return slack.add_member("U0JOE0001", "Joe", "joe@elsewhere.example")


@pytest.fixture
def started(room: Destination, bob: User) -> Incident:
    """Its policy has paged the channel, will after half an hour again, and nobody else."""
    policy = policy_of((0, [room]), (30, [room]))
    service = ServiceFactory(name="Checkout")
    incident = escalating(service, timezone.now(), policy, title="Errors", description="5 % fail")
    take_all(timezone.now())
    deliver_due(channel="slack")
    return incident


# G4 to G6


def test_g4_the_message_turns_amber_red_and_green_as_the_incident_moves_on(
    slack: SlackStandIn, started: Incident, bob: User
):
    card = slack.posts[0]
    assert (card.colour, list(card.buttons)) == (LOUD, ["Acknowledge", "Escalate", "Close"])
    assert "5 % fail" in card.words

    acknowledge_incidents(incident_ids=[started.pk], actor=bob)
    edit_now()
    assert (card.colour, list(card.buttons)) == (TAKEN, ["Close"])
    assert card.text.startswith("*Acknowledged*")
    assert "Acknowledged by Bob" in card.words

    age_posts(started)
    escalate_incidents(incidents=[started], step=None, actor=bob, now=timezone.now())
    take_all(timezone.now())
    deliver_due(channel="slack")
    edit_now()
    assert card.text.startswith("*Escalated*")
    assert (card.colour, list(card.buttons)) == (LOUD, ["Acknowledge", "Escalate", "Close"])
    reply = slack.posts[1]
    assert (reply.thread_ts, reply.is_broadcast) == (card.ts, True)

    resolve_incidents(incident_ids=[started.pk], actor=bob)
    edit_now()
    assert (card.colour, list(card.buttons)) == (OVER, [])
    assert "Resolved by Bob" in card.words
    assert "5 % fail" not in card.words
    assert len(slack.posts) == 2


def test_g5_a_change_without_its_log_row_is_logged_and_the_next_one_is_shown(
    slack: SlackStandIn, started: Incident, bob: User, caplog: pytest.LogCaptureFixture
):
    acknowledge_incidents(incident_ids=[started.pk], actor=bob)
    TimelineEntry.objects.filter(kind=TimelineEntry.Kind.ACKNOWLEDGED).delete()

    with caplog.at_level(logging.ERROR):
        edit_now()
    resolve_incidents(incident_ids=[started.pk], actor=bob)
    edit_now()

    assert "Nothing on the timeline says who acknowledged" in caplog.text
    assert slack.posts[0].edits == 2
    assert "Resolved by Bob" in slack.posts[0].words


def test_g5_an_edit_that_slack_refuses_is_skipped_and_the_next_one_is_shown(
    slack: SlackStandIn, started: Incident, bob: User, caplog: pytest.LogCaptureFixture
):
    card = slack.posts.pop()
    acknowledge_incidents(incident_ids=[started.pk], actor=bob)
    with caplog.at_level(logging.ERROR):
        edit_now()
    edit_now()
    asked = [request.path for request in slack.requests].count("/api/chat.update")
    slack.posts.append(card)

    resolve_incidents(incident_ids=[started.pk], actor=bob)
    edit_now()

    assert "does not show acknowledged: The message was deleted." in caplog.text
    assert asked == 1
    assert card.colour == OVER


def test_g6_changes_while_nobody_could_edit_are_shown_as_one(
    slack: SlackStandIn, started: Incident, bob: User
):
    acknowledge_incidents(incident_ids=[started.pk], actor=bob)
    resolve_incidents(incident_ids=[started.pk], actor=bob)

    edit_now()
    edit_now()

    card = slack.posts[0]
    assert card.edits == 1
    assert "Resolved by Bob" in card.words
    assert "Acknowledged" not in card.text + card.words


# H1


def test_h1_a_channel_as_a_step_gets_the_incident(slack: SlackStandIn, started: Incident):
    card = slack.posts[0]

    assert (card.room, card.thread_ts) == (ROOM, "")
    assert f"|#{started.pk} Errors>" in card.text
    assert "Checkout" in card.words
    assert Notification.objects.get().state == State.DELIVERED


def test_h1_the_second_escalation_is_a_reply_that_the_channel_sees(
    slack: SlackStandIn, started: Incident
):
    take_all(timezone.now() + HALF_AN_HOUR)
    deliver_later()

    card, reply = slack.posts
    assert (reply.thread_ts, reply.is_broadcast) == (card.ts, True)
    assert "Escalated" in reply.text


def test_h1_the_second_escalation_stays_in_the_thread_if_the_account_says_so(
    slack: SlackStandIn, started: Incident, settings: Settings
):
    settings.PROVIDERS_FROM_ENV = {"slack": account_of(slack) | {"threads": "thread"}}

    take_all(timezone.now() + HALF_AN_HOUR)
    deliver_later()

    assert (slack.posts[1].thread_ts, slack.posts[1].is_broadcast) == (slack.posts[0].ts, False)


# H2


def test_h2_a_press_of_a_stranger_is_answered_with_a_private_link_and_does_nothing(
    client: Client, slack: SlackStandIn, started: Incident, joe: Member
):
    press(client, slack, slack.posts[0], "Acknowledge", joe)

    started.refresh_from_db()
    assert started.status == Incident.Status.TRIGGERED
    assert "Link your account first" in slack.whispers[0]
    assert len(slack.posts) == 1


def test_h2_after_linking_acknowledge_works_and_only_close_is_left(
    client: Client, slack: SlackStandIn, started: Incident, joe: Member, bob: User
):
    press(client, slack, slack.posts[0], "Acknowledge", joe)
    address = slack.whispers[0].split("<")[1].split("|")[0]
    client.force_login(bob)
    assert "Joe" in client.get(address).content.decode()

    client.post(address)
    press(client, slack, slack.posts[0], "Acknowledge", joe)

    started.refresh_from_db()
    assert (started.status, started.acknowledged_by) == (Incident.Status.ACKNOWLEDGED, bob)
    assert "Acknowledged by Bob in Slack" in slack.posts[0].words
    assert list(slack.posts[0].buttons) == ["Close"]
    assert ChatAccount.objects.get().user == bob
    assert len(slack.whispers) == 1


def test_h2_a_member_with_a_confirmed_address_needs_no_linking(
    client: Client, slack: SlackStandIn, started: Incident, bob_in_slack: Member, bob: User
):
    press(client, slack, slack.posts[0], "Close", bob_in_slack)

    started.refresh_from_db()
    assert (started.status, started.resolved_by) == (Incident.Status.RESOLVED, bob)
    assert slack.whispers == []


def test_h2_escalate_works_from_the_button(
    client: Client, slack: SlackStandIn, started: Incident, bob_in_slack: Member, bob: User
):
    age_posts(started)

    press(client, slack, slack.posts[0], "Escalate", bob_in_slack)
    take_all(timezone.now())
    deliver_due(channel="slack")
    edit_now()

    assert slack.posts[1].thread_ts == slack.posts[0].ts
    assert slack.posts[0].text.startswith("*Escalated*")


# H3


def test_h3_the_close_button_of_a_direct_message_closes_and_the_message_says_so(
    client: Client, slack: SlackStandIn, incident: Incident, bob_in_slack: Member, bob: User
):
    NotificationRuleFactory(contact_method=direct_messages(bob, bob_in_slack))
    page_person(incident, bob)

    press(client, slack, slack.posts[0], "Close", bob_in_slack)

    incident.refresh_from_db()
    assert incident.status == Incident.Status.RESOLVED
    assert slack.posts[0].room == "D0BOB0001"
    assert (slack.posts[0].colour, list(slack.posts[0].buttons)) == (OVER, [])


def test_h3_an_older_method_with_status_updates_changes_nothing_about_it(
    client: Client, slack: SlackStandIn, incident: Incident, bob_in_slack: Member, bob: User
):
    now = timezone.now()
    ContactMethodFactory(
        user=bob, channel="sms", address="+4915123456789", verified_at=now, status_updates=True
    )
    NotificationRuleFactory(contact_method=direct_messages(bob, bob_in_slack))
    page_person(incident, bob)

    press(client, slack, slack.posts[0], "Close", bob_in_slack)

    incident.refresh_from_db()
    assert incident.status == Incident.Status.RESOLVED
    assert slack.posts[0].colour == OVER


def direct_messages(user: User, member: Member) -> ContactMethod:
    return ContactMethodFactory(
        user=user, channel="slack", address=member.id, verified_at=timezone.now()
    )


# H4


def test_h4_the_list_of_channels_is_exactly_those_of_the_bot(
    client: Client, slack: SlackStandIn, alice: User
):
    slack.add_room("C0OTHERS1", "others", has_bot=False)
    slack.add_room("G0SECRET1", "secret", is_private=True)
    slack.add_room("C0OLD0001", "old", is_archived=True)
    slack.add_room("C0ALERTS1", "alerts")
    client.force_login(alice)

    answer = client.get("/api/v1/destinations/slack-channels")

    assert answer.json() == [
        {"id": "C0ALERTS1", "name": "alerts", "is_private": False},
        {"id": ROOM, "name": "checkout", "is_private": False},
        {"id": "G0SECRET1", "name": "secret", "is_private": True},
    ]


def test_h4_the_form_of_a_destination_offers_the_channels_of_the_bot(
    client: Client, slack: SlackStandIn, alice: User
):
    slack.add_room("C0OTHERS1", "others", has_bot=False)
    client.force_login(alice)

    page = client.get("/destinations/slack-channels/").content.decode()

    assert f'<option value="{ROOM}">#checkout</option>' in page
    assert "others" not in page


# H5


def announce(group: Destination, people: list[User], at: datetime) -> None:
    """A schedule with these people on call sets the group's members at `at`; a minute later."""
    for number, user in enumerate(people):
        AnnouncementFactory(
            schedule=ScheduleFactory(name=f"Rota {number}", members=[user]),
            destination=group,
            when=OnCallAnnouncement.When.TIMES,
            time=time(at.hour, at.minute),
            looked_at=at - timedelta(minutes=1),
        )


@pytest.fixture
def group(slack: SlackStandIn) -> Destination:
    slack.groups[GROUP] = ["U0OLD0001"]
    return DestinationFactory(name="@oncall", channel="slack", address=GROUP)


def test_h5_at_the_set_time_the_members_of_the_group_become_who_is_on_call(
    slack: SlackStandIn, group: Destination, bob: User, bob_in_slack: Member
):
    link(bob, bob_in_slack)
    at = timezone.now().replace(second=0, microsecond=0)
    announce(group, [bob], at)

    tell_channels(now=at - timedelta(seconds=5))
    deliver_due(channel="slack")
    assert slack.groups[GROUP] == ["U0OLD0001"]
    tell_channels(now=at)
    deliver_due(channel="slack")

    assert slack.groups[GROUP] == [bob_in_slack.id]
    assert slack.posts == []
    assert Notification.objects.get().state == State.DELIVERED


def test_h5_only_linked_people_become_members(
    slack: SlackStandIn, group: Destination, bob: User, carol: User, bob_in_slack: Member
):
    link(bob, bob_in_slack)
    schedule = ScheduleFactory(members=[bob])
    OverrideFactory(
        schedule=schedule,
        kind="add",
        user=carol,
        starts_at=timezone.now() - HALF_AN_HOUR,
        ends_at=timezone.now() + HALF_AN_HOUR,
    )
    AnnouncementFactory(schedule=schedule, destination=group)

    tell_channels(now=timezone.now())
    deliver_due(channel="slack")

    assert slack.groups[GROUP] == [bob_in_slack.id]
    assert DeliveryAttempt.objects.get().detail == "1 of 2 on call are its members now."


def test_h5_without_a_linked_person_the_group_stays_and_the_delivery_says_why(
    slack: SlackStandIn, group: Destination, bob: User
):
    at = timezone.now().replace(second=0, microsecond=0)
    announce(group, [bob], at)

    tell_channels(now=at)
    deliver_due(channel="slack")

    assert slack.groups[GROUP] == ["U0OLD0001"]
    row = Notification.objects.get()
    assert row.state == State.FAILED
    assert row.last_error == "Nobody who is on call has linked a Slack account."


def test_h5_a_group_cannot_be_paged(slack: SlackStandIn, incident: Incident, group: Destination):
    page = page_place(incident, group)

    assert page.state == State.FAILED
    assert "page a channel instead" in page.last_error
