"""Keys that somebody presses in a call: what they do, and what the call says then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from notifications.channels.voice import script
from notifications.models import InboundReply, Notification
from notifications.models.preferences import Channel
from notifications.providers.twilio_voice import Menu
from notifications.services.answers import Action, act
from notifications.services.claimed import paged_incident
from notifications.services.stopping import stop_address
from opsknight.errors import OpsKnightError
from opsknight.models import User

VIA = "by telephone"
ACTIONS: dict[str, Action] = {"4": "acknowledge", "5": "escalate", "6": "resolve"}
DONE = {"acknowledge": "Acknowledged", "escalate": "Escalated", "resolve": "Resolved"}
STOP, CONFIRM, REPEAT = "1", "3", "*"
MAX_TEXT_LENGTH = 500


@dataclass(frozen=True)
class CallStep:
    """What the call says next, and which keys it waits for."""

    words: str
    menu: Menu


def press_key(
    *, notification_ids: Sequence[int], call_id: str, key: str, menu: Menu, now: datetime
) -> CallStep:
    """Do what a key means in a menu; the call is about these pages and acts as their person.

    A key that answers is obeyed once per call, however often the provider repeats it.
    """
    rows = _rows(notification_ids)
    if not rows or rows[0].user is None or not rows[0].user.is_active:
        return CallStep("This call is over.", "")
    user = rows[0].user
    if menu == "stop":
        if key != CONFIRM:
            return _main(rows)
        _stop_calls(user, rows[0].address, call_id, now)
        return CallStep("OpsKnight does not call this number any more.", "")
    if key == STOP:
        return CallStep("You are about to stop all calls to this number.", "stop")
    if key in ACTIONS:
        return CallStep(_answer_once(rows, user, call_id, key, now), "")
    return _main(rows, "" if key == REPEAT else "This key has no meaning here.")


def _rows(notification_ids: Sequence[int]) -> list[Notification]:
    """The pages of the call that still exist, all of one person."""
    rows = (
        Notification.objects.filter(
            pk__in=notification_ids, channel=Channel.VOICE, incident__isnull=False
        )
        .select_related("user", "incident__service", "incident__assignee")
        .order_by("pk")
    )
    return [row for row in rows if row.user_id == rows[0].user_id]


def _main(rows: Sequence[Notification], before: str = "") -> CallStep:
    incidents = [paged_incident(row.incident) for row in rows if row.incident is not None]
    return CallStep(f"{before} {script(incidents)}".strip(), "main")


def _answer_once(
    rows: Sequence[Notification], user: User, call_id: str, key: str, now: datetime
) -> str:
    """Act on every incident of the call; what was done already is said again, not done."""
    with transaction.atomic():
        reply, is_new = InboundReply.objects.get_or_create(
            channel=Channel.VOICE,
            message_id=f"{call_id}:{key}",
            defaults={
                "at": now,
                "address": rows[0].address,
                "user": user,
                "text": key,
                "was_understood": True,
            },
        )
        if is_new:
            reply.answer = _act(rows, user, ACTIONS[key], now)[:MAX_TEXT_LENGTH]
            reply.save(update_fields=["answer"])
    return reply.answer


def _act(rows: Sequence[Notification], user: User, action: Action, now: datetime) -> str:
    """In the order of ids, as everybody who touches several incidents does."""
    ids = sorted({row.incident_id for row in rows if row.incident_id is not None})
    said: list[str] = []
    count = 0
    for incident_id in ids:
        try:
            with transaction.atomic():
                answer = act(user=user, incident_id=incident_id, action=action, via=VIA, now=now)
        except OpsKnightError as error:
            said.append(error.message)
        else:
            count += answer.is_done
            said.append(f"{answer.news[:1].upper()}{answer.news[1:]}.")
    if len(ids) == 1:
        return said[0]
    return f"{DONE[action]}: {count} of {len(ids)} incidents."


def _stop_calls(user: User, address: str, call_id: str, now: datetime) -> None:
    """No calls to this number until its owner allows them again; SMS still come."""
    with transaction.atomic():
        stop_address(channel=Channel.VOICE, address=address, now=now)
        InboundReply.objects.get_or_create(
            channel=Channel.VOICE,
            message_id=f"{call_id}:{STOP}{CONFIRM}",
            defaults={
                "at": now,
                "address": address,
                "user": user,
                "text": "STOP",
                "was_understood": True,
            },
        )
