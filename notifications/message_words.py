"""Messages in words: what became of one, how late it was, to where, and why it waits."""

from datetime import timedelta

from notifications.channels import CHANNELS
from notifications.events import LABELS
from notifications.models import Notification
from notifications.models.preferences import PHONE_CHANNELS, Channel
from opsknight.services.audit import without_path

State = Notification.State
WORTH_TELLING = timedelta(seconds=10)
SHOWN_DIGITS = 3


def outcome_of(message: Notification) -> str:
    """Its state, with how long after it was wanted it came: "Delivered (after 5m)"."""
    late = lateness_of(message)
    label = message.get_state_display()
    return f"{label} (after {_spelled(late)})" if late is not None else label


def lateness_of(message: Notification) -> timedelta | None:
    """How long after its planned time it went out; None: in time, or not at all."""
    if message.state not in (State.SENT, State.DELIVERED) or message.finished_at is None:
        return None
    planned = message.created_at + timedelta(minutes=message.delay_minutes)
    late = message.finished_at - planned
    return late if late >= WORTH_TELLING else None


def _spelled(time: timedelta) -> str:
    seconds = int(time.total_seconds())
    if seconds < 60:
        return f"{seconds}s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes}m" if minutes else f"{hours}h"


def waiting_for(message: Notification) -> str:
    """Why a message has not gone out yet; empty when it has."""
    if message.state == State.SENDING:
        return "On its way"
    if message.state != State.PENDING:
        return ""
    if message.waits_for:
        return f"Waits {message.get_waits_for_display()}"
    if message.delay_minutes:
        return f"Waits {message.delay_minutes} min for somebody to acknowledge"
    return "Waits for its turn"


def subject_of(message: Notification) -> str:
    """What it is about where that is no incident. Codes are nobody's business."""
    if message.reason == Notification.Reason.VERIFICATION:
        return "A code that proves whose address it is"
    return message.subject


def cause_of(message: Notification) -> str:
    """Why it was sent, in a word or two."""
    if message.reason != Notification.Reason.EVENT:
        return message.get_reason_display()
    name = message.details.get("event", {}).get("type", "")
    return f"Event: {LABELS.get(name, name).lower()}"


def phrase_of(message: Notification) -> str:
    """By what way: "by e-mail"."""
    return CHANNELS[message.channel].phrase


def masked_address(message: Notification) -> str:
    """Enough to recognise an address that one knows, and no more."""
    return masked(message.channel, message.address)


def masked(channel: str, address: str) -> str:
    """The same of an address on a channel."""
    if "://" in address:
        return without_path(address)
    if channel in PHONE_CHANNELS:
        return f"{address[:3]}…{address[-SHOWN_DIGITS:]}"
    if channel == Channel.EMAIL:
        name, _, domain = address.rpartition("@")
        return f"{name[:1]}…@{domain}"
    return address
