"""Answers by signed link: what a link still may do, and doing it."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from incidents.models import Incident
from incidents.selectors import get_incident_to_act_on_for
from notifications.links import SignedAnswer, read_answer
from notifications.models import Notification
from notifications.models.preferences import Channel
from notifications.services.answers import Action, Answer, act
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
    incidents: tuple[Incident, ...]  # one, unless it is about all that a message named
    action: Action
    via: str


def find_link_target(*, token: str, now: datetime) -> LinkTarget:
    """What a link stands for; changes nothing.

    A link acts as whom it was sent to, whoever holds it. It dies after 7 days, with the person's
    account, when the address that it went to is removed or another's, and when the person may not
    act on the incident any more. A message in the sandbox went to nobody: its links are dead.

    Raises NotFound for a forged token, before any query, and AnswerLinkUnusable.
    """
    answer = read_answer(token)
    rows = Notification.objects.select_related("user", "contact_method")
    row = rows.defer("contact_method__secret").filter(pk=answer.notification_id).first()
    if row is None or row.user is None or row.incident_id is None or not _is_alive(row, now):
        raise AnswerLinkUnusable(GONE)
    incidents = tuple(_incidents(row.user, _incident_ids(row, answer)))
    if not incidents:
        raise AnswerLinkUnusable(GONE)
    action: Action = "resolve" if answer.action == "resolve" else "acknowledge"
    return LinkTarget(row.pk, row.user, incidents, action, VIAS.get(row.channel, "by link"))


def _incident_ids(row: Notification, answer: SignedAnswer) -> list[int]:
    """What the link is about: one page, or all that went out as one message with it."""
    ids = [row.incident_id] if row.incident_id is not None else []
    if answer.action != "acknowledge_all" or row.bundle is None:
        return ids
    mates = Notification.objects.filter(
        bundle=row.bundle, user=row.user, channel=row.channel, address=row.address
    ).exclude(incident=None)
    return sorted({*ids, *mates.values_list("incident_id", flat=True)})


def _incidents(user: User, ids: list[int]) -> Iterator[Incident]:
    """Those of them that the person may act on."""
    for pk in ids:
        with suppress(NotFound, NotAllowed):
            yield get_incident_to_act_on_for(user, pk)


def _is_alive(row: Notification, now: datetime) -> bool:
    if row.state == Notification.State.SANDBOXED:
        return False
    if (row.finished_at or row.due_at) + LIFETIME <= now:
        return False
    method = row.contact_method
    if method is None:
        return row.user is not None and row.address == row.user.email
    # A browser keeps its messages when its push service moves it.
    is_there = method.channel == Channel.PUSH or method.address == row.address
    return is_there and method.user_id == row.user_id


def answer_link(*, target: LinkTarget, now: datetime) -> list[Answer]:
    """Do what the link says, in the name of whom it was sent to; idempotent."""
    return [
        act(
            user=target.user,
            incident_id=incident.pk,
            action=target.action,
            via=target.via,
            now=now,
        )
        for incident in target.incidents
    ]
