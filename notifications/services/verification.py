"""Codes that prove whose an address is: sent there, entered by the owner, good for 20 minutes."""

import secrets
from datetime import datetime, timedelta
from math import ceil
from uuid import uuid4

from django.db import transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from notifications.models import ContactMethod, Notification, VerificationCode
from notifications.models.preferences import Channel
from notifications.selectors import get_contact_method_for
from notifications.services.notices import NoticeRequest, build_notice
from notifications.services.nudging import wake_channels
from notifications.services.reply_codes import lock_telephones
from notifications.services.rule_pages import queue_new_rule
from notifications.services.stopping import has_stopped
from opsknight.errors import Conflict, InvalidInput, OpsKnightError
from opsknight.models import User
from opsknight.services.audit import record_change

LIFETIME = timedelta(minutes=20)
MAX_TRIES = 5
# To one address, so that nobody can be flooded with codes; and from one person.
MAX_SENDS = 3
SENDS_WITHIN = timedelta(minutes=15)
MAX_SENDS_OF_PERSON = 10
# In a day: to one address, whoever asks for them and by whatever channel; and from one person.
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MAX_SENDS_A_DAY = 12
MAX_SENDS_OF_PERSON_A_DAY = 30
# Whose address a code can be sent to. The others prove themselves when they are linked.
CODE_CHANNELS = (Channel.EMAIL, Channel.SMS, Channel.VOICE, Channel.WHATSAPP)
BATCH = 500


class TooManyCodes(OpsKnightError):
    """Codes were sent often enough; wait a while."""

    code = "rate_limited"
    status = 429


def needs_code(user: User, channel: str, address: str) -> bool:
    """Whether somebody has to prove that the address is theirs.

    Not the account's own address, and not a URL, whose owner knows its secret.
    """
    if channel not in CODE_CHANNELS:
        return False
    return (channel, address) != (Channel.EMAIL, user.email)


def send_code(*, user: User, pk: int, now: datetime, ip: str | None = None) -> ContactMethod:
    """Send a fresh code to an address of the person's own; the one before counts no more.

    Raises Conflict where none is needed or wanted, TooManyCodes, NotFound.
    """
    method = get_contact_method_for(user, pk)
    if method.is_verified:
        raise Conflict("This address is verified already.")
    if method.channel not in CODE_CHANNELS:
        raise Conflict("No code can be sent there. Link it again instead.")
    if not method.enabled:
        raise Conflict("This address is switched off. Switch it on first.")
    if method.stopped_at is not None or has_stopped(channel=method.channel, address=method.address):
        raise Conflict("This number answered STOP. Send START from it first.")
    with transaction.atomic():
        _check_limits(user, method, now)
        code = f"{secrets.randbelow(1_000_000):06d}"
        VerificationCode.objects.update_or_create(
            contact_method=method,
            defaults={
                "code_hash": _hash(method.pk, code),
                "expires_at": now + LIFETIME,
                "attempts_left": MAX_TRIES,
                "sent_at": now,
            },
        )
        _message(method, code, now).save(force_insert=True)
        record_change(actor=user, action="contact_method.code_sent", entity=method, ip=ip)
        wake_channels([method.channel])
    return method


def _check_limits(user: User, method: ContactMethod, now: datetime) -> None:
    """Locks the person and the address, so that two requests at once count each other.

    A number is one address, by whatever channel and from however many people codes go there: it
    may be a stranger's, who did not ask for any of them, and each costs.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    lock_telephones([method.address])
    codes = Notification.objects.filter(incident=None, reason=Notification.Reason.VERIFICATION)
    of_person = codes.filter(user=user)
    to_address = codes.filter(address=method.address)
    by_this_way = to_address.filter(user=user, channel=method.channel)
    for rows, most, within, where in (
        (by_this_way, MAX_SENDS, SENDS_WITHIN, "to this address"),
        (to_address, MAX_SENDS_A_DAY, DAY, "to this address"),
        (of_person, MAX_SENDS_OF_PERSON, SENDS_WITHIN, "for you"),
        (of_person, MAX_SENDS_OF_PERSON_A_DAY, DAY, "for you"),
    ):
        lately = rows.filter(created_at__gt=now - within).order_by("-created_at")
        times = list(lately.values_list("created_at", flat=True)[:most])
        if len(times) == most:
            raise TooManyCodes(
                f"{most} codes were sent {where} of late. The last one counts; another can be "
                f"sent in {_in_words(times[-1] + within - now)}."
            )


def _in_words(time: timedelta) -> str:
    unit, name = (HOUR, "hour") if time > 2 * HOUR else (HOUR / 60, "minute")
    count = ceil(time / unit)
    return f"{count} {name}{'s' if count > 1 else ''}"


def _message(method: ContactMethod, code: str, now: datetime) -> Notification:
    request = NoticeRequest(
        user_id=method.user_id,
        subject="Your OpsKnight code",
        text=f"{code} is your OpsKnight code. It is good for 20 minutes. "
        "If you did not ask for it, do nothing.",
        link="",
        cause=f"verify:{uuid4()}",
    )
    reason = Notification.Reason.VERIFICATION
    row = build_notice(request, method.channel, method.address, now, reason)
    row.contact_method_id = method.pk
    return row


def enter_code(
    *, user: User, pk: int, code: str, now: datetime, ip: str | None = None
) -> ContactMethod:
    """Verify an address by the code that was sent there; its rules are in use from now on.

    Raises InvalidInput for a wrong or an old code, Conflict for an address that needs none.
    """
    method = get_contact_method_for(user, pk)
    if method.is_verified:
        raise Conflict("This address is verified already.")
    if problem := _what_is_wrong(method, "".join(code.split()), now):
        raise InvalidInput(problem, fields={"code": [problem]})
    with transaction.atomic():
        method.verified_at = now
        method.save(update_fields=["verified_at"])
        VerificationCode.objects.filter(contact_method=method).delete()
        _forget_texts(method)
        record_change(
            actor=user,
            action="contact_method.verified",
            entity=method,
            changes={"verified_at": [None, now.isoformat()]},
            ip=ip,
        )
        for rule in method.rules.select_related("contact_method"):
            queue_new_rule(rule=rule, now=now)
    return method


@transaction.atomic
def _what_is_wrong(method: ContactMethod, code: str, now: datetime) -> str:
    """Empty if it is the code; a try is used up whatever comes of it."""
    rows = VerificationCode.objects.select_for_update().filter(contact_method=method)
    sent = rows.filter(expires_at__gt=now, attempts_left__gt=0).first()
    if sent is None:
        return "No code is good any more: it is too old, or was tried too often. Send another."
    sent.attempts_left -= 1
    sent.save(update_fields=["attempts_left"])
    if constant_time_compare(sent.code_hash, _hash(method.pk, code)):
        return ""
    left = sent.attempts_left
    if not left:
        return "This code is not right, and was the last try. Send another."
    return f"This code is not right. {left} {'tries are' if left > 1 else 'try is'} left."


def _hash(method_id: int, code: str) -> str:
    """Six digits are found by trying, unless one lacks the key of the installation."""
    digest = salted_hmac("opsknight.verification", f"{method_id}:{code}", algorithm="sha256")
    return digest.hexdigest()


def _forget_texts(method: ContactMethod, instead: str = "The code was used.") -> None:
    """Take codes that are of no use any more out of the outbox and the sandbox."""
    rows = Notification.objects.filter(
        contact_method=method, reason=Notification.Reason.VERIFICATION
    )
    rows.update(text=instead)
    for row in rows.filter(sandbox_message__isnull=False).select_related("sandbox_message"):
        row.sandbox_message.delete()


def delete_unverified(*, now: datetime) -> int:
    """Delete addresses whose code has expired unused, with their rules; returns how many.

    Verified ones stay, and so do those to which no code was ever sent.
    """
    with transaction.atomic():
        expired = (
            ContactMethod.objects.select_for_update(of=("self",), skip_locked=True)
            .defer("secret")
            .filter(verified_at=None, verification_code__expires_at__lte=now)
            .order_by("pk")[:BATCH]
        )
        count = 0
        for method in expired:
            record_change(actor=None, action="contact_method.expired", entity=method)
            _forget_texts(method, "The code was not used in time.")
            method.delete()
            count += 1
    return count
