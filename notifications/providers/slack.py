"""Slack by a bot: channels, direct messages, threads, edits, and the members of user groups."""

import json
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from notifications.channels.base import EDIT_SECONDS, SEND_SECONDS, DeliveryError, Message, Posted
from notifications.channels.slack import without_buttons
from notifications.models import Notification
from notifications.models.preferences import is_user_group
from notifications.providers.base import Field, Provider, ProviderConfig, Sent
from notifications.providers.slack_api import NO_LAYOUT, NO_THREAD, SlackError, call_slack

BROADCAST, THREAD_ONLY = "broadcast", "thread"


class SlackProvider(Provider):
    """One workspace. Buttons need the signing secret, by which presses are believed."""

    kind = "slack"
    label = "Slack"
    channels = ("slack",)
    edits = True
    only_one = True
    fields = (
        Field("bot_token", "Bot token", is_secret=True, help_text="Begins with xoxb-."),
        Field(
            "signing_secret",
            "Signing secret",
            is_secret=True,
            is_required=False,
            help_text="Proves that a press comes from Slack. Without it messages have no buttons.",
        ),
        Field(
            "threads",
            "Further pages about an incident",
            is_required=False,
            default=BROADCAST,
            choices=(
                (BROADCAST, "In the thread, and shown in the channel"),
                (THREAD_ONLY, "In the thread only"),
            ),
        ),
        Field(
            "api_url",
            "Address of the API",
            is_required=False,
            default="https://slack.com/api",
            help_text="Only for a proxy, or for tests.",
        ),
    )

    def takes(self, config: ProviderConfig, message: Message) -> bool:
        """Ids of channels, members and user groups; not the address of an incoming webhook."""
        return not message.address.startswith("http")

    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: UUID
    ) -> Sent:
        """Post it. Slack drops no repetitions; that one may be one stands in the message."""
        if is_user_group(message.address):
            return _set_members(config, message)
        arguments = {
            "channel": message.address,
            "text": message.text,
            "attachments": _attachments(config, message.data["attachments"]),
            "unfurl_links": "false",
            "unfurl_media": "false",
            **_thread(config, message),
        }
        answer = _post(config, arguments)
        posted = Posted(config.key, str(answer.get("channel", "")), str(answer.get("ts", "")))
        if not posted.place or not posted.message_id:
            raise DeliveryError(
                "Slack answered without a message.", may_have_arrived=True, provider_is_down=True
            )
        return Sent(
            message_id=f"{posted.place}:{posted.message_id}",
            state=Notification.State.DELIVERED,
            answer="ok",
            posted=posted,
        )

    def edit(self, message: Message, *, config: ProviderConfig, posted: Posted) -> None:
        """Replace what the message says."""
        arguments = {
            "channel": posted.place,
            "ts": posted.message_id,
            "text": message.text,
            "attachments": _attachments(config, message.data["attachments"]),
        }
        call_slack(config, "chat.update", arguments, seconds=EDIT_SECONDS)


def _post(config: ProviderConfig, arguments: dict[str, str]) -> dict[str, Any]:
    """Post, a second time without what Slack refused: a page in plain words is better than none."""
    started = time.monotonic()
    try:
        return call_slack(config, "chat.postMessage", arguments)
    except SlackError as error:
        plainer = _without_refused(arguments, error.code)
        if plainer == arguments:
            raise
    left = max(SEND_SECONDS - (time.monotonic() - started), 1.0)
    return call_slack(config, "chat.postMessage", plainer, seconds=left)


def _without_refused(arguments: dict[str, str], code: str) -> dict[str, str]:
    if code in NO_THREAD:
        alone = ("thread_ts", "reply_broadcast")
        return {name: value for name, value in arguments.items() if name not in alone}
    return arguments | {"attachments": "[]"} if code in NO_LAYOUT else arguments


def _attachments(config: ProviderConfig, attachments: Sequence[dict[str, Any]]) -> str:
    shown = attachments if config["signing_secret"] else without_buttons(attachments)
    return json.dumps(shown)


def _thread(config: ProviderConfig, message: Message) -> dict[str, str]:
    """Where it belongs, if this account posted that message."""
    thread: Posted | None = message.data["thread"]
    if thread is None or thread.provider != config.key:
        return {}
    is_shown = message.data["broadcast"] and config["threads"] != THREAD_ONLY
    return {"thread_ts": thread.message_id, "reply_broadcast": "true" if is_shown else "false"}


def _set_members(config: ProviderConfig, message: Message) -> Sent:
    """Make those who are on call the members of a user group; a test only looks it up."""
    group, members = message.address, message.data["members"]
    if message.data["is_test"]:
        call_slack(config, "usergroups.users.list", {"usergroup": group})
        return Sent(state=Notification.State.DELIVERED, answer="The user group is there.")
    if not message.data["is_notice"]:
        raise DeliveryError(
            "A user group is told who is on call; page a channel instead.", permanent=True
        )
    if not members:
        # Slack refuses an empty group. Who was on call last stays in it, and the log says why.
        raise DeliveryError("Nobody who is on call has linked a Slack account.", permanent=True)
    arguments = {"usergroup": group, "users": ",".join(members)}
    call_slack(config, "usergroups.users.update", arguments)
    return Sent(
        state=Notification.State.DELIVERED,
        answer=f"{len(members)} of {message.data['on_call']} on call are its members now.",
    )
