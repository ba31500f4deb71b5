"""Reading a Slack workspace: its members and the channels that the bot is in."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from notifications.channels.base import DeliveryError
from notifications.providers.base import ProviderConfig
from notifications.providers.slack_api import call_slack

# Somebody waits for the answer: Slack itself gives up after 3 s.
SECONDS = 1.0
PAGE_SIZE = 200
MAX_PAGES = 20


@dataclass(frozen=True)
class SlackMember:
    """Somebody in the workspace."""

    id: str
    workspace: str
    name: str
    verified_email: str  # lower case; empty unless Slack says that it was confirmed


@dataclass(frozen=True)
class SlackRoom:
    """A channel."""

    id: str
    name: str
    is_private: bool


def find_member(config: ProviderConfig, member: str) -> SlackMember | None:
    """A member by id; None for strangers. Raises DeliveryError."""
    return _found(config, "users.info", {"user": member})


def find_member_by_email(config: ProviderConfig, email: str) -> SlackMember | None:
    """A member by e-mail address; None for strangers. Raises DeliveryError."""
    return _found(config, "users.lookupByEmail", {"email": email})


def workspace_of(config: ProviderConfig) -> str:
    """The id of the bot's own workspace, asked for once per process; raises DeliveryError."""
    return _workspace(config["api_url"], config["bot_token"])


@lru_cache(maxsize=32)
def _workspace(api_url: str, bot_token: str) -> str:
    """Failures are not remembered."""
    config = ProviderConfig("", "slack", "", {"api_url": api_url, "bot_token": bot_token})
    return str(call_slack(config, "auth.test", {}, seconds=SECONDS)["team_id"])


def rooms_of_bot(config: ProviderConfig) -> list[SlackRoom]:
    """The channels that the bot is in, by name, at most 4,000; raises DeliveryError."""
    rooms: list[SlackRoom] = []
    cursor = ""
    for _ in range(MAX_PAGES):
        arguments = {
            "types": "public_channel,private_channel",
            "exclude_archived": "true",
            "limit": str(PAGE_SIZE),
        }
        answer = call_slack(config, "users.conversations", arguments | {"cursor": cursor})
        rooms += [_room(one) for one in answer.get("channels", [])]
        cursor = (answer.get("response_metadata") or {}).get("next_cursor", "")
        if not cursor:
            break
    return sorted(rooms, key=lambda room: room.name)


def _found(config: ProviderConfig, method: str, arguments: dict[str, str]) -> SlackMember | None:
    try:
        answer = call_slack(config, method, arguments, seconds=SECONDS)
    except DeliveryError as error:
        if error.breaks_address:  # "user_not_found"
            return None
        raise
    return _member(answer["user"])


def _member(said: dict[str, Any]) -> SlackMember | None:
    """None for bots, closed accounts, and people of other workspaces in shared channels."""
    if said.get("deleted") or said.get("is_bot") or said.get("is_stranger"):
        return None
    profile = said.get("profile") or {}
    email = str(profile.get("email", "")).lower() if said.get("is_email_confirmed") else ""
    name = str(profile.get("real_name") or said.get("name") or said["id"])
    return SlackMember(said["id"], str(said.get("team_id", "")), name, email)


def _room(said: dict[str, Any]) -> SlackRoom:
    return SlackRoom(said["id"], str(said.get("name", "")), bool(said.get("is_private")))
