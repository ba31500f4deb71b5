"""Signing in: one answer for every wrong password, and lockouts that all processes share.

A lockout is a row, so it outlives restarts, holds on every replica, and needs no Redis.
"""

import ipaddress
import threading
from datetime import datetime, timedelta

from django.contrib.auth import authenticate
from django.db import transaction
from django.db.models import Case, DateTimeField, F, Q, Value, When
from django.utils import timezone

from opsknight.errors import InvalidInput, OpsKnightError
from opsknight.models import LoginLockout, User
from opsknight.services.audit import record_event

# The fifth, tenth and fifteenth failure lock for a while; from the twentieth on each does.
LOCKS = {
    5: timedelta(minutes=1),
    10: timedelta(minutes=5),
    15: timedelta(minutes=15),
}
LAST_LOCK_FROM = 20
LAST_LOCK = timedelta(minutes=60)
# Failures older than this are forgotten.
MEMORY = timedelta(hours=24)
# Argon2 takes 100 MiB for each: a crowd at the sign-in page must not take all memory.
_hashing = threading.BoundedSemaphore(2)
WRONG = "The e-mail address or the password is wrong."


class LockedOut(OpsKnightError):
    """Too many wrong passwords for this address from this network."""

    code = "locked_out"
    status = 429

    def __init__(self, seconds: int) -> None:
        minutes = -(-seconds // 60)
        super().__init__(
            f"Too many wrong passwords. Try again in {minutes} minute{'s' if minutes > 1 else ''}, "
            "or ask an administrator for a new password."
        )
        self.retry_after_seconds = seconds


class WrongPassword(InvalidInput):
    """The address is unknown, the password is wrong, or the account may not sign in."""

    code = "wrong_password"
    status = 401


def check_sign_in(
    *, email: str, password: str, ip: str | None, now: datetime | None = None
) -> User:
    """The user these credentials belong to; the caller opens the session.

    Raises WrongPassword or LockedOut, the same for unknown addresses as for known ones; a wrong
    password costs the same time either way, as Django hashes for unknown users too.
    """
    now = now or timezone.now()
    email = email.strip().lower()
    key = lockout_key(email, ip)
    _take_attempt(key, email, ip, now)
    with _hashing:
        user = authenticate(None, username=email, password=password)
    if not isinstance(user, User):
        record_event(actor=None, action="login.failed", label=email, ip=ip)
        raise WrongPassword(WRONG)
    LoginLockout.objects.filter(key=key).delete()
    record_event(actor=user, action="login.succeeded", label=email, ip=ip)
    return user


def check_own_password(
    *, user: User, password: str, ip: str | None, now: datetime | None = None
) -> None:
    """Raise InvalidInput unless this is the person's password; guesses count as at sign-in."""
    now = now or timezone.now()
    key = lockout_key(user.email, ip)
    _take_attempt(key, user.email, ip, now)
    with _hashing:
        is_right = user.check_password(password)
    if not is_right:
        record_event(actor=user, action="login.failed", label=user.email, ip=ip)
        raise InvalidInput(
            "The password was not changed.",
            fields={"current_password": ["This is not your present password."]},
        )
    LoginLockout.objects.filter(key=key).delete()


def record_sign_out(*, user: User, ip: str | None) -> None:
    """Write that a person ended the session; the caller ends it."""
    record_event(actor=user, action="logout", label=user.email, ip=ip)


def count_failure(*, key: str, now: datetime) -> None:
    """Count one wrong password; as many at once count as many, in whatever process.

    A sign-in that succeeds meanwhile removes the row: then there is nothing left to count.
    """
    _ensure_row(key, now)
    is_old = Q(last_failed_at__lt=now - MEMORY)
    # The right-hand sides see the row as it was: `failures` still lacks this one.
    locks = [When(failures=count - 1, then=Value(now + lock)) for count, lock in LOCKS.items()]
    locks.append(When(failures__gte=LAST_LOCK_FROM - 1, then=Value(now + LAST_LOCK)))
    LoginLockout.objects.filter(key=key).update(
        failures=Case(When(is_old, then=Value(1)), default=F("failures") + 1),
        locked_until=Case(
            When(is_old, then=Value(None)),
            *locks,
            default=F("locked_until"),
            output_field=DateTimeField(null=True),
        ),
        last_failed_at=now,
    )


def lockout_key(email: str, ip: str | None) -> str:
    """Address and network: a stranger elsewhere cannot lock the owner of the address out."""
    return f"{email[:320]}|{network_of(ip)}"


def network_of(ip: str | None) -> str:
    """What counts as one place: an IPv4 address, or an IPv6 network of /64 as homes get it."""
    if ip is None:
        return "local"
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    prefix = 32 if address.version == 4 else 64
    return str(ipaddress.ip_network((address, prefix), strict=False))


def _take_attempt(key: str, email: str, ip: str | None, now: datetime) -> None:
    """Raise LockedOut, or count the attempt as a failure before the password is looked at.

    So a crowd of guesses at once has no more tries than one after the other; whoever knows the
    password takes the failure back.
    """
    with transaction.atomic():
        row = LoginLockout.objects.select_for_update().filter(key=key).first()
        if row is None:  # two first attempts at once: the second waits at the insert
            _ensure_row(key, now)
            row = LoginLockout.objects.select_for_update().filter(key=key).first()
        locked_until = row.locked_until if row is not None else None
        if locked_until is None or locked_until <= now:
            count_failure(key=key, now=now)
            return
    record_event(actor=None, action="login.blocked", label=email, ip=ip)
    raise LockedOut(max(1, int((locked_until - now).total_seconds())))


def _ensure_row(key: str, now: datetime) -> None:
    row = LoginLockout(key=key, failures=0, last_failed_at=now)
    LoginLockout.objects.bulk_create([row], ignore_conflicts=True)
