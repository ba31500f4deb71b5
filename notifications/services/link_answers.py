"""Answers by signed link: what a link still may do, and doing it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from incidents.models import Incident
from incidents.selectors import get_incident_to_act_on_for
from notifications.links import LinkAction, read_answer
from notifications.models import Notification
from notifications.services.answers import Answer, act
from opsknight.errors import NotAllowed, NotFound, OpsKnightError
from opsknight.models import User

LIFETIME = timedelta(days=7)
# What the timeline says, by the channel of the message that brought the link.
VIAS = {"email": "by e-mail link", "push": "by push"}
GONE = (
    "This link does not work any more: it is older than 7 days, or whoever it was sent to may not "
    "answer this incident any more, or not by this address. Sign in to see the incident."
)


class AnswerLinkUnusable(OpsKnightError):
    """The link is genuine and has lost its power. Says nothing about the incident."""

    code = "link_unusable"
    status = 410


@dataclass(frozen=True)
class LinkTarget:
    """What a link would do, and in whose name."""

    notification_id: int
    user: User
    incident: Incident
    action: LinkAction
    via: str


def find_link_target(*, token: str, now: datetime) -> LinkTarget:
    """What a link stands for; changes nothing.

    A link acts as whom it was sent to, whoever holds it. It dies after 7 days, with the person's
    account, with the removal of the address that it went to, and when the person may not act on
    the incident any more. A message in the sandbox went to nobody: its links are dead.

    Raises NotFound for a forged token, before any query, and AnswerLinkUnusable.
    """
    answer = read_answer(token)
    rows = Notification.objects.select_related("user")
    row = rows.filter(pk=answer.notification_id).first()
    if row is None or row.user is None or row.incident_id is None or not _is_alive(row, now):
        raise AnswerLinkUnusable(GONE)
    try:
        incident = get_incident_to_act_on_for(row.user, row.incident_id)
    except (NotFound, NotAllowed) as error:
        raise AnswerLinkUnusable(GONE) from error
    via = VIAS.get(row.channel, "by link")
    return LinkTarget(row.pk, row.user, incident, answer.action, via)


def _is_alive(row: Notification, now: datetime) -> bool:
    if row.state == Notification.State.SANDBOXED:
        return False
    if (row.finished_at or row.due_at) + LIFETIME <= now:
        return False
    is_account_address = row.user is not None and row.address == row.user.email
    return row.contact_method_id is not None or is_account_address


def answer_link(*, target: LinkTarget, now: datetime) -> Answer:
    """Do what the link says, in the name of whom it was sent to; idempotent."""
    return act(
        user=target.user,
        incident_id=target.incident.pk,
        action=target.action,
        via=target.via,
        now=now,
    )
