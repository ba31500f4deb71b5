"""What people do in Telegram: link themselves, write to the bot, press its buttons."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from notifications.channels import CHANNELS
from notifications.models.preferences import Channel
from notifications.reply_grammar import Verb, parse_reply
from notifications.services.answers import Action, act
from notifications.services.replies import answer_reply
from notifications.services.telegram_accounts import (
    Member,
    find_telegram_person,
    link_telegram,
)
from opsknight.errors import OpsKnightError
from opsknight.models import User
from opsknight.wake import Wake, wake

MAX_INCIDENTS = 50
NAMED = 3  # so many obstacles are told one by one
DONE = {"acknowledge": "acknowledged", "resolve": "resolved", "escalate": "escalated"}
UNKNOWN = (
    "OpsKnight does not know you yet. Open your notification settings there, choose “Link "
    "Telegram” and write here what they show."
)
HELP = (
    "Your pages come here. Press the buttons below them to answer. /stop ends them, /start lets "
    "them come again."
)

STOPPED = "No pages come here any more. /start lets them come again."


@dataclass(frozen=True)
class Press:
    """Somebody pressed a button of ours."""

    member: Member
    action: Action
    incident_ids: tuple[int, ...]


def answer_press(*, press: Press, now: datetime) -> str:
    """Do it; returns what only the one who pressed is told. Pressing twice does nothing."""
    user = find_telegram_person(press.member.id)
    if user is None:
        return UNKNOWN
    told = [_act(user, press.action, pk, now) for pk in press.incident_ids[:MAX_INCIDENTS]]
    wake(Wake.EDIT_POSTS)
    return _summary(told, press.action)


def answer_private(*, member: Member, text: str, message_id: str, now: datetime) -> str:
    """What to say to somebody who wrote to the bot alone; links whoever brings a code.

    Replies such as "ack 12" are understood as in an SMS.
    """
    command, _, rest = text.strip().partition(" ")
    name = command.partition("@")[0].lower()
    if name == "/start" and rest.strip():
        return _link(member, rest.strip(), now)
    if name == "/id":
        return f"The number of this chat is {member.id}."
    user = find_telegram_person(member.id)
    if user is None:
        return UNKNOWN
    said = text.strip().removeprefix("/")
    reply = parse_reply(said)
    if reply is None:
        return f"You are {user} here. {HELP}"
    answer = answer_reply(
        channel=Channel.TELEGRAM,
        address=str(member.id),
        text=said,
        message_id=message_id,
        now=now,
    )
    return STOPPED if reply.verb == Verb.STOP else answer


def answer_group(*, chat_id: int, text: str) -> str:
    """What to say in a group: its number, for whoever sets up a destination; else nothing."""
    command = text.strip().partition(" ")[0].partition("@")[0].lower()
    if command not in ("/id", "/start"):
        return ""
    return f"The number of this chat is {chat_id}. Enter it as the address of a destination."


def _link(member: Member, code: str, now: datetime) -> str:
    try:
        user = link_telegram(code=code, member=member, now=now)
    except OpsKnightError as error:
        return error.message
    return f"You are {user} in OpsKnight. {HELP}"


def _act(user: User, action: Action, incident_id: int, now: datetime) -> str:
    """One incident; returns what stood in the way, empty when it was done."""
    via = CHANNELS[Channel.TELEGRAM].phrase
    try:
        answer = act(user=user, incident_id=incident_id, action=action, via=via, now=now)
    except OpsKnightError as error:
        return error.message
    return "" if answer.is_done else answer.text


def _summary(told: Sequence[str], action: Action) -> str:
    """How many were done, and every distinct obstacle."""
    obstacles = Counter(text for text in told if text)
    done = len(told) - obstacles.total()
    lines = list(obstacles)[:NAMED]
    if len(obstacles) > NAMED:
        lines.append(f"… and {len(obstacles) - NAMED} more.")
    if len(told) > 1:
        lines.insert(0, f"{done} of {len(told)} {DONE[action]}.")
    return "\n".join(lines) or f"{DONE[action].capitalize()}."
