"""What a press of a button in Slack does."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from notifications.providers.base import ProviderConfig
from notifications.services.answers import Action, act
from notifications.services.chat_accounts import LinkOffer, find_person, link_url
from opsknight.errors import OpsKnightError
from opsknight.models import User
from opsknight.wake import Wake, wake

VIA = "in Slack"
DONE = {"acknowledge": "acknowledged", "resolve": "resolved", "escalate": "escalated"}
NAMED = 3  # so many refusals are told one by one


@dataclass(frozen=True)
class Press:
    """Somebody pressed a button of ours."""

    workspace: str
    member: str
    member_name: str
    action: Action
    incident_ids: tuple[int, ...]
    response_url: str  # where only the member sees the answer


def answer_press(*, press: Press, account: ProviderConfig, now: datetime) -> str:
    """Do it; returns what only the member is told, in mrkdwn. Empty: the message shows it.

    A member that is nobody here is told how to link the account. Pressing twice does nothing.
    """
    user = find_person(account=account, workspace=press.workspace, member=press.member)
    if user is None:
        url = link_url(LinkOffer(press.workspace, press.member, press.member_name))
        return (
            f"Link your account first, so that OpsKnight knows who you are: <{url}|Link my "
            "account>. Then press again."
        )
    told = [_act(user, press.action, pk, now) for pk in press.incident_ids]
    wake(Wake.EDIT_POSTS)
    return _summary(told, press.action)


def _act(user: User, action: Action, incident_id: int, now: datetime) -> str:
    """One incident; returns what stood in the way, empty when it was done."""
    try:
        answer = act(user=user, incident_id=incident_id, action=action, via=VIA, now=now)
    except OpsKnightError as error:
        return error.message
    return "" if answer.is_done else answer.text


def _summary(told: list[str], action: Action) -> str:
    """Nothing for one that was done: its message changes. Else every distinct obstacle."""
    refusals = Counter(text for text in told if text)
    done = len(told) - refusals.total()
    lines = [_escaped(text) for text in list(refusals)[:NAMED]]
    if len(refusals) > NAMED:
        lines.append(f"… and {len(refusals) - NAMED} more.")
    if len(told) > 1:
        lines.insert(0, f"{done} of {len(told)} {DONE[action]}.")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
