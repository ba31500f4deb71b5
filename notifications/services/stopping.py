"""STOP and START: the owner of a telephone decides whether anything comes there."""

from datetime import datetime

from notifications.models import ContactMethod, InboundReply
from notifications.reply_grammar import Verb, parse_reply
from opsknight.models import User
from opsknight.services.audit import record_change

# So many understood replies are looked through for the last STOP or START.
LOOKED_AT = 50


def stop_address(*, channel: str, address: str, now: datetime) -> User | None:
    """Send nothing there any more by this channel, whoever has it; ends status updates, too.

    Other channels of the same number go on. The caller holds the transaction. Returns whose
    number it is, if anybody's; again does nothing.
    """
    methods = _methods(channel, address)
    for method in methods:
        if method.stopped_at is not None:
            continue
        method.stopped_at = now
        method.status_updates, method.status_updates_since = False, None
        method.save(update_fields=["stopped_at", "status_updates", "status_updates_since"])
        _audit(method, "contact_method.stopped", [None, str(now)])
    return methods[0].user if methods else None


def start_address(*, channel: str, address: str) -> bool:
    """Send there again; returns whether it had been stopped. Status updates must be asked for anew.

    The caller holds the transaction.
    """
    stopped = [m for m in _methods(channel, address) if m.stopped_at is not None]
    for method in stopped:
        before, method.stopped_at = method.stopped_at, None
        method.save(update_fields=["stopped_at"])
        _audit(method, "contact_method.started", [str(before), None])
    return bool(stopped)


def has_stopped(*, channel: str, address: str) -> bool:
    """The last that the number said was STOP, even if it belonged to nobody or to somebody else.

    To be asked before a code of verification goes out: whoever adds a stranger's number again
    must not undo the stranger's word.
    """
    replies = InboundReply.objects.filter(channel=channel, address=address, was_understood=True)
    for text in replies.order_by("-at", "-pk").values_list("text", flat=True)[:LOOKED_AT]:
        reply = parse_reply(text)
        if reply is not None and reply.verb in (Verb.STOP, Verb.START):
            return reply.verb == Verb.STOP
    return False


def _methods(channel: str, address: str) -> list[ContactMethod]:
    rows = ContactMethod.objects.select_for_update(of=("self",)).defer("secret")
    rows = rows.filter(channel=channel, address=address)
    return list(rows.select_related("user").order_by("pk"))


def _audit(method: ContactMethod, action: str, change: list[str | None]) -> None:
    """Whoever holds the telephone did it, which need not be the person of the account."""
    record_change(actor=None, action=action, entity=method, changes={"stopped_at": change})
