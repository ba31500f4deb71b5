"""A Slack workspace for tests: who is in it, and what happens to its messages."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.test import Client
from django.utils import timezone

from bench.stand_ins.slack import (
    SIGNING_SECRET,
    TOKEN,
    Member,
    Post,
    SignedPress,
    SlackStandIn,
)
from incidents.models import Incident
from notifications.models import ChatAccount, Destination, Notification, PostedMessage
from notifications.services.delivery import deliver_due
from notifications.services.outbox import PageRequest, queue_pages
from notifications.services.post_edits import edit_posts
from opsknight.models import User

ROOM = "C0CHECKOUT"
GROUP = "S0ONCALL1"
ADDRESS = "/api/providers/slack/interactions/"


def account_of(slack: SlackStandIn) -> dict[str, str]:
    """What PROVIDERS_FROM_ENV holds of it."""
    return {"bot_token": TOKEN, "signing_secret": SIGNING_SECRET, "api_url": slack.api_url}


@contextmanager
def running_slack() -> Iterator[SlackStandIn]:
    """A workspace with one channel, on a free port."""
    slack = SlackStandIn()
    slack.add_room(ROOM, "checkout")
    with slack.running():
        yield slack


def page_place(incident: Incident, place: Destination, step: int = 0) -> Notification:
    """Page a destination as a step of a policy does, and send it."""
    cause = f"step:0:0:{step}"
    request = PageRequest(
        incident.pk, None, Notification.Reason.ESCALATION, cause, destination_id=place.pk
    )
    with transaction.atomic():
        queue_pages(requests=[request], now=timezone.now())
    deliver_due(channel="slack")
    return Notification.objects.get(incident=incident, destination=place, cause=cause)


def page_person(incident: Incident, user: User) -> None:
    """Page a person as a step of a policy does, and send what goes to Slack."""
    request = PageRequest(incident.pk, user.pk, Notification.Reason.ESCALATION, "step:0:0:0")
    with transaction.atomic():
        queue_pages(requests=[request], now=timezone.now())
    deliver_due(channel="slack")


def edit_now() -> int:
    """The sweep, as if every back-off and lease were over."""
    PostedMessage.objects.update(edit_at=None)
    return edit_posts(now=timezone.now())


def send_press(client: Client, press: SignedPress) -> int:
    """Let Slack report a press; returns the status of our answer."""
    headers = dict(press.headers)
    kind = headers.pop("Content-Type")
    return client.post(ADDRESS, press.body, content_type=kind, headers=headers).status_code


def press(client: Client, slack: SlackStandIn, post: Post, label: str, member: Member) -> None:
    """Press a button; the message then shows what came of it."""
    assert send_press(client, slack.press(post, label, member)) == 200
    edit_now()


def deliver_later() -> None:
    """Send what is due at whatever time."""
    Notification.objects.filter(state="pending").update(due_at=timezone.now())
    deliver_due(channel="slack")


def link(user: User, member: Member) -> ChatAccount:
    """An account that was linked before."""
    return ChatAccount.objects.create(
        user=user, channel="slack", workspace=member.workspace, member=member.id
    )


def age_posts(incident: Incident) -> None:
    """Let what was posted be a minute old, so that what happens now is later."""
    PostedMessage.objects.filter(incident=incident).update(
        created_at=timezone.now() - timedelta(minutes=1)
    )
