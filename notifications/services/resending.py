"""Sends a message again: one that failed, or once more what a destination has had already."""

from datetime import datetime
from secrets import token_hex
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from notifications.events import may_hear_of
from notifications.models import EventSubscription, Notification
from notifications.models.preferences import Channel
from notifications.services.nudging import wake_channels
from notifications.services.settling import wanted_among
from notifications.turns import turn_of
from opsknight.errors import Conflict
from opsknight.models import User
from opsknight.services.audit import record_event

State = Notification.State
Reason = Notification.Reason
NEVER_AGAIN = (Reason.VERIFICATION, Reason.TEST)


@transaction.atomic
def resend_message(
    *, message: Notification, actor: User, now: datetime, ip: str | None = None
) -> Notification:
    """Queue it once more, to where the address leads now; returns the new message.

    It has its own number and idempotency key, so that the other side does not take it for a
    repetition; an event keeps its number and has the present template. Raises Conflict when there
    is nothing to send again.
    """
    Notification.objects.select_for_update(of=("self",), no_key=True).get(pk=message.pk)
    if reason := why_not_again(message):
        raise Conflict(reason)
    copy = _copy_of(message, now)
    copy.save(force_insert=True)
    record_event(
        actor=actor,
        action="message.resent",
        label=f"#{message.pk} to {message.recipient}",
        changes={"message": [message.pk, copy.pk]},
        ip=ip,
    )
    wake_channels([copy.channel])
    return copy


def resends_of(message: Notification) -> list[Notification]:
    """What was sent because somebody sent this one again, newest first."""
    return list(_repetitions(message).defer("details", "text").order_by("-pk")[:10])


def why_not_again(message: Notification) -> str:
    """Why it cannot be sent again; empty when it can. At most four queries."""
    if message.reason == Reason.VERIFICATION:
        return "Codes are not sent again. Ask for a new one."
    if message.reason == Reason.TEST:  # of which there are so many an hour
        return "Tests are not sent again. Send another one."
    if not is_repeatable(message):
        return f"This message is {message.get_state_display().lower()}."
    if _repetitions(message).filter(state__in=Notification.UNFINISHED).exists():
        return "It is on its way again already."
    return _why_not_there(message) or _why_not_wanted(message)


def _repetitions(message: Notification) -> QuerySet[Notification]:
    return Notification.objects.filter(
        incident=message.incident, cause__startswith=f"again:{message.pk}:"
    )


def is_repeatable(message: Notification) -> bool:
    """Whether its kind and state allow it: what failed, and whatever a destination has had."""
    if message.reason in NEVER_AGAIN:
        return False
    if message.state == State.FAILED:
        return True
    had = (State.SENT, State.DELIVERED, State.SANDBOXED)
    return message.destination_id is not None and message.state in had


def _why_not_there(message: Notification) -> str:
    place, method = message.destination, message.contact_method
    if place is not None:
        return "" if place.enabled else f"{place} is switched off. Switch it on first."
    if method is not None:
        return "" if method.is_usable else "This contact method is not in use."
    is_account = message.user is not None and message.channel == Channel.EMAIL
    return "" if is_account else "This contact method was removed."


def _why_not_wanted(message: Notification) -> str:
    if message.reason == Reason.EVENT:
        place, incident = message.destination, message.incident
        assert place is not None  # noqa: S101 — events go to destinations
        assert incident is not None  # noqa: S101 — notification_reason
        if not may_hear_of(place, incident):
            return f"Incident #{incident.pk} is private: only places of its own team hear of it."
        return ""
    return "" if wanted_among([message.pk]) else "Nobody needs it any more."


def _copy_of(message: Notification, now: datetime) -> Notification:
    return Notification(
        incident_id=message.incident_id,
        user_id=message.user_id,
        in_place_of_id=message.in_place_of_id,
        destination_id=message.destination_id,
        subject=message.subject,
        text=message.text,
        link=message.link,
        details=_details_of(message),
        contact_method_id=message.contact_method_id,
        channel=message.channel,
        address=_address_of(message),
        reason=message.reason,
        cause=f"again:{message.pk}:{token_hex(4)}",
        needs_own_ack=message.needs_own_ack,
        turn=turn_of(message.reason),
        due_at=now,
        created_at=now,
    )


def _address_of(message: Notification) -> str:
    if message.destination is not None:
        return message.destination.address
    if message.contact_method is not None:
        return message.contact_method.address
    return message.user.email if message.user is not None else message.address


def _details_of(message: Notification) -> dict[str, Any]:
    """An event has the template that its subscription has now: it may have been mended."""
    details: dict[str, Any] = dict(message.details)
    if message.reason == Reason.EVENT:
        kept = EventSubscription.objects.filter(pk=details.get("subscription") or 0).first()
        if kept is not None:
            details["template"] = kept.template
    return details
