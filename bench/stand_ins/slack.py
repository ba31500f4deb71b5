"""A Slack workspace: its Web API, an incoming webhook, and members who press buttons.

As in https://docs.slack.dev/reference/methods : tokens are checked, errors are Slack's words in an
answer of 200, and presses are signed as Slack signs them.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from slack_sdk.signature import SignatureVerifier

from bench.stand_ins.server import Reply, Request, StandIn, json_reply

WORKSPACE = "T0WORKSPACE"
TOKEN = "xoxb-stand-in"
SIGNING_SECRET = "stand-in-secret"
PAGE_SIZE = 2  # of lists: everybody who reads one has to follow cursors


@dataclass(frozen=True)
class Member:
    """Somebody in the workspace."""

    id: str
    name: str
    email: str
    is_confirmed: bool = True
    workspace: str = WORKSPACE


@dataclass
class Room:
    """A channel."""

    id: str
    name: str
    has_bot: bool = True
    is_private: bool = False
    is_archived: bool = False


@dataclass
class Post:
    """One message as the workspace shows it."""

    room: str
    ts: str
    text: str
    attachments: list[dict[str, Any]]
    thread_ts: str = ""
    is_broadcast: bool = False
    edits: int = 0

    @property
    def colour(self) -> str:
        """Of its card; empty without one."""
        return str(self.attachments[0]["color"]) if self.attachments else ""

    @property
    def words(self) -> str:
        """All that can be read in the card."""
        return json.dumps(self.attachments, ensure_ascii=False)

    @property
    def buttons(self) -> dict[str, dict[str, Any]]:
        """Those that can be pressed, by their labels."""
        return {
            element["text"]["text"]: element
            for one in self.attachments
            for block in one["blocks"]
            if block["type"] == "actions"
            for element in block["elements"]
        }


@dataclass(frozen=True)
class SignedPress:
    """A press as Slack would report it to the app."""

    body: bytes
    headers: dict[str, str] = field(repr=False)


class SlackStandIn(StandIn):
    """One workspace with a bot in it."""

    def __init__(self) -> None:
        super().__init__()
        self.token = TOKEN
        self.is_revoked = False
        self.members: dict[str, Member] = {}
        self.rooms: dict[str, Room] = {}
        self.groups: dict[str, list[str]] = {}
        self.posts: list[Post] = []
        self.hooked: list[dict[str, Any]] = []  # what came by the incoming webhook
        self.whispers: list[str] = []  # what only the member who pressed sees
        self._count = 0

    @property
    def api_url(self) -> str:
        """For the account of the bot."""
        return f"{self.url}/api"

    @property
    def hook_url(self) -> str:
        """An incoming webhook."""
        return f"{self.url}/services/T0/B0/secret"

    def add_member(self, member: str, name: str, email: str, **facts: Any) -> Member:
        """Let somebody join."""
        self.members[member] = Member(member, name, email, **facts)
        return self.members[member]

    def add_room(self, room: str, name: str, **facts: Any) -> Room:
        """Open a channel."""
        self.rooms[room] = Room(room, name, **facts)
        return self.rooms[room]

    def press(
        self,
        post: Post,
        label: str,
        member: Member,
        *,
        at: float | None = None,
        secret: str = SIGNING_SECRET,
    ) -> SignedPress:
        """What the app hears when this member presses that button; raises KeyError without it."""
        pressed = post.buttons[label]
        payload = {
            "type": "block_actions",
            "user": {"id": member.id, "username": member.name, "team_id": member.workspace},
            "team": {"id": WORKSPACE},
            "container": {"type": "message", "message_ts": post.ts, "channel_id": post.room},
            "response_url": f"{self.url}/actions/{WORKSPACE}/1/x",
            "actions": [
                {
                    "type": "button",
                    "action_id": pressed["action_id"],
                    "value": pressed.get("value", ""),
                }
            ],
        }
        return signed(urlencode({"payload": json.dumps(payload)}).encode(), at=at, secret=secret)

    def answer(self, request: Request) -> Reply:
        """By the address: a method, the incoming webhook, or a whisper."""
        if request.path.startswith("/services/"):
            return self._hook(request)
        if request.path.startswith("/actions/"):
            self.whispers.append(request.json["text"])
            return Reply(200, b"ok")
        method = request.path.removeprefix("/api/")
        return json_reply(self._call(method, request))

    def _hook(self, request: Request) -> Reply:
        if request.path != "/services/T0/B0/secret":
            return Reply(404, b"no_service")
        body = request.json
        if not body.get("text"):
            return Reply(400, b"no_text")
        self.hooked.append(body)
        return Reply(200, b"ok")

    def _call(self, method: str, request: Request) -> dict[str, Any]:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _error("invalid_auth")
        if self.is_revoked:
            return _error("token_revoked")
        methods: dict[str, Callable[[dict[str, str]], dict[str, Any]]] = {
            "auth.test": lambda _: {"team_id": WORKSPACE, "user_id": "U0BOT"},
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "users.info": self._member,
            "users.lookupByEmail": self._member_by_email,
            "users.conversations": self._rooms_of_bot,
            "usergroups.list": self._list_groups,
            "usergroups.users.list": self._list_group,
            "usergroups.users.update": self._set_group,
        }
        if method not in methods:
            return _error("unknown_method")
        said = methods[method]({name: values[-1] for name, values in request.form.items()})
        return {"ok": True} | said

    def _post(self, arguments: dict[str, str]) -> dict[str, Any]:
        address = arguments["channel"]
        member, room = self.members.get(address), self.rooms.get(address)
        if room is not None and room.is_archived:
            return _error("is_archived")
        if room is not None and not room.has_bot:
            return _error("channel_not_found" if room.is_private else "not_in_channel")
        if room is None and member is None:
            return _error("channel_not_found")
        attachments = json.loads(arguments["attachments"])
        if not arguments["text"] and not attachments:
            return _error("no_text")
        self._count += 1
        post = Post(
            room=room.id if room is not None else f"D{address[1:]}",
            ts=f"1700000000.{self._count:06}",
            text=arguments["text"],
            attachments=attachments,
            thread_ts=arguments.get("thread_ts", ""),
            is_broadcast=arguments.get("reply_broadcast") == "true",
        )
        self.posts.append(post)
        return {"channel": post.room, "ts": post.ts}

    def _update(self, arguments: dict[str, str]) -> dict[str, Any]:
        key = (arguments["channel"], arguments["ts"])
        post = next((p for p in self.posts if (p.room, p.ts) == key), None)
        if post is None:
            return _error("message_not_found")
        post.text, post.attachments = arguments["text"], json.loads(arguments["attachments"])
        post.edits += 1
        return {"channel": post.room, "ts": post.ts}

    def _member(self, arguments: dict[str, str]) -> dict[str, Any]:
        member = self.members.get(arguments.get("user", ""))
        return {"user": _described(member)} if member else _error("user_not_found")

    def _member_by_email(self, arguments: dict[str, str]) -> dict[str, Any]:
        email = arguments.get("email", "").lower()
        found = [m for m in self.members.values() if m.email.lower() == email]
        return {"user": _described(found[0])} if found else _error("users_not_found")

    def _rooms_of_bot(self, arguments: dict[str, str]) -> dict[str, Any]:
        kinds = arguments.get("types", "public_channel").split(",")
        mine = [
            room
            for room in self.rooms.values()
            if room.has_bot
            and ("private_channel" if room.is_private else "public_channel") in kinds
            and not (room.is_archived and arguments.get("exclude_archived") == "true")
        ]
        start = int(arguments.get("cursor") or 0)
        end = start + PAGE_SIZE
        return {
            "channels": [
                {"id": room.id, "name": room.name, "is_private": room.is_private}
                for room in mine[start:end]
            ],
            "response_metadata": {"next_cursor": str(end) if end < len(mine) else ""},
        }

    def _list_groups(self, arguments: dict[str, str]) -> dict[str, Any]:
        return {"usergroups": [{"id": pk, "name": pk, "handle": pk.lower()} for pk in self.groups]}

    def _list_group(self, arguments: dict[str, str]) -> dict[str, Any]:
        group = arguments["usergroup"]
        if group not in self.groups:
            return _error("no_such_subteam")
        return {"users": self.groups[group]}

    def _set_group(self, arguments: dict[str, str]) -> dict[str, Any]:
        group, members = arguments["usergroup"], arguments["users"].split(",")
        if group not in self.groups:
            return _error("no_such_subteam")
        if not all(member in self.members for member in members):
            return _error("invalid_users")
        self.groups[group] = members
        return {"usergroup": {"id": group, "users": members}}


def signed(body: bytes, *, at: float | None = None, secret: str = SIGNING_SECRET) -> SignedPress:
    """Anything as Slack would sign it."""
    stamp = str(int(time.time() if at is None else at))
    signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body) or ""
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": signature,
    }
    return SignedPress(body, headers)


def _described(member: Member) -> dict[str, Any]:
    return {
        "id": member.id,
        "team_id": member.workspace,
        "name": member.name,
        "deleted": False,
        "is_bot": False,
        "is_email_confirmed": member.is_confirmed,
        "profile": {"real_name": member.name, "email": member.email},
    }


def _error(code: str) -> dict[str, Any]:
    return {"ok": False, "error": code}
