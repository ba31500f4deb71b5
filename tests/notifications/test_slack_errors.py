"""What errors of Slack mean for pages and edits."""

from datetime import timedelta
from threading import Thread

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins.server import Reply, json_reply
from bench.stand_ins.slack import SlackStandIn
from incidents.models import Incident
from incidents.services.lifecycle import acknowledge_incidents, resolve_incidents
from notifications.channels import CHANNELS
from notifications.channels.base import Notice
from notifications.holds import forget_holds
from notifications.models import (
    DeliveryAttempt,
    Destination,
    Notification,
    PostedMessage,
)
from notifications.services.post_edits import MAX_FAILURES, edit_posts
from opsknight.models import User
from tests.factories import IncidentFactory
from tests.notifications.sending import notice_of
from tests.notifications.slack import (
    ROOM,
    edit_now,
    page_place,
)

pytestmark = pytest.mark.django_db
State = Notification.State


@pytest.mark.parametrize(
    ("fault", "state", "waits"),
    [
        (json_reply({"ok": False, "error": "internal_error"}), State.PENDING, 5),  # lies with 200
        (json_reply({"ok": False, "error": "ratelimited"}, 429, retry_after="40"), "pending", 40),
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


@pytest.mark.parametrize("code", ["cannot_reply_to_message", "invalid_blocks"])
def test_what_slack_refuses_of_a_message_is_left_out(
    slack: SlackStandIn, room: Destination, incident: Incident, code: str
):
    page_place(incident, room)
    if code == "invalid_blocks":
        incident = IncidentFactory(title="Disk full")
    slack.faults.append(json_reply({"ok": False, "error": code}))

    page = page_place(incident, room, step=1)

    assert page.state == State.DELIVERED
    assert slack.posts[-1].thread_ts == ""
    assert slack.posts[-1].attachments == []
    assert f"#{incident.pk}" in slack.posts[-1].text


@pytest.mark.parametrize("answer", [b"<html>no API</html>", b'{"ok": true}'])
def test_an_answer_that_cannot_be_understood_may_hide_a_message(
    slack: SlackStandIn, room: Destination, incident: Incident, answer: bytes
):
    slack.faults.append(Reply(200, answer))

    assert page_place(incident, room).maybe_duplicate


def test_a_long_notice_stays_within_what_slack_takes():
    notice = Notice("Long", "x" * 5000, f"/schedules/{'y' * 300}/", {})

    message = CHANNELS["slack"].render([notice_of("slack", ROOM, notice)])

    assert len(message.data["attachments"][0]["blocks"][0]["text"]["text"]) <= 3000


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
    assert (post.shown, post.edits_failed) == ("triggered", 0)
    assert post.edit_at is not None
    assert post.edit_at > timezone.now() + timedelta(seconds=25)
    forget_holds()
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


def test_an_edit_that_keeps_failing_is_given_up_and_logged(
    slack: SlackStandIn,
    room: Destination,
    incident: Incident,
    bob: User,
    caplog: pytest.LogCaptureFixture,
):
    page_place(incident, room)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    slack.faults.extend([Reply(503)] * 20)

    tries = 0
    while edit_now():
        tries += 1

    assert tries == MAX_FAILURES
    assert "does not show acknowledged: Slack answered 503." in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_slack_that_hangs_holds_back_one_run_of_edits_and_no_page(
    slack: SlackStandIn, room: Destination, incident: Incident, bob: User
):
    page_place(incident, room)
    other = IncidentFactory()
    resolve_incidents(incident_ids=[incident.pk], actor=bob)
    slack.faults.append(Reply(200, b'{"ok": true}', delay=2))
    run = Thread(target=run_edits)
    run.start()
    slack.wait_for(lambda: slack.requests[-1].path == "/api/chat.update")

    assert edit_posts(now=timezone.now()) == 0
    page_place(other, room)

    assert len(slack.posts) == 2
    run.join()


def run_edits() -> None:
    """A run in a thread of its own."""
    edit_posts(now=timezone.now())
    connection.close()
