"""Accounts: the first administrator, invitations, passwords, sign-out everywhere."""

from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from opsknight.errors import Conflict, InvalidInput
from opsknight.models import User, UserToken
from opsknight.services.audit import changes_of, record_change, values_of
from opsknight.services.configuration import check
from opsknight.services.links import issue_link, take_link, withdraw_links
from opsknight.services.login import check_own_password

PROFILE_FIELDS = ("name", "time_zone")


def has_administrator() -> bool:
    """Whether somebody can configure this installation."""
    return User.objects.filter(role=User.Role.ADMIN, status=User.Status.ACTIVE).exists()


@transaction.atomic
def create_setup_link(*, now: datetime | None = None) -> str:
    """The token of a new set-up link; links printed before stop working."""
    return issue_link(purpose=UserToken.Purpose.SETUP, user=None, now=now or timezone.now())


@transaction.atomic
def set_up(
    *,
    token: str,
    email: str,
    name: str,
    password: str,
    time_zone: str = "UTC",
    ip: str | None = None,
    now: datetime | None = None,
) -> User:
    """Create the first administrator by the set-up link.

    Raises LinkUnusable, Conflict when there is an administrator, InvalidInput for the fields.
    """
    now = now or timezone.now()
    take_link(purpose=UserToken.Purpose.SETUP, token=token, now=now)
    if has_administrator():
        raise Conflict("There is an administrator already. Sign in, or ask for an invitation.")
    return _make_administrator(email, name, password, time_zone, ip=ip)


@transaction.atomic
def ensure_administrator(*, email: str, password: str) -> User | None:
    """Make this person the first administrator; None when there is one already.

    The operator of the machine may thereby also take back an installation without administrator:
    an existing account of that address becomes one. Raises InvalidInput.
    """
    if has_administrator():
        return None
    user = _make_administrator(email, "Administrator", password, "UTC", ip=None)
    withdraw_links(purpose=UserToken.Purpose.SETUP, user=None)
    return user


def _make_administrator(
    email: str, name: str, password: str, time_zone: str, *, ip: str | None
) -> User:
    email = email.strip().lower()
    user = User.objects.filter(email=email).first() or User(
        email=email, name=name.strip(), time_zone=time_zone
    )
    is_new = user.pk is None
    user.role, user.status = User.Role.ADMIN, User.Status.ACTIVE
    set_password(user=user, password=password)
    check(user)
    user.save()
    changes = changes_of(None, user, ("email", "name", "role", "status"))
    action = "user.created" if is_new else "user.updated"
    record_change(actor=user, action=action, entity=user, changes=changes, ip=ip)
    return user


@transaction.atomic
def invite_user(
    *,
    actor: User,
    email: str,
    name: str,
    role: str = User.Role.USER,
    time_zone: str = "UTC",
    ip: str | None = None,
    now: datetime | None = None,
) -> tuple[User, str]:
    """Create an invited user and the token of the invitation; raises InvalidInput."""
    user = User(email=email.strip().lower(), name=name.strip(), role=role, time_zone=time_zone)
    user.set_unusable_password()
    check(user)
    user.save()
    changes = changes_of(None, user, ("email", "name", "role", "time_zone"))
    record_change(actor=actor, action="user.invited", entity=user, changes=changes, ip=ip)
    now = now or timezone.now()
    return user, issue_link(purpose=UserToken.Purpose.INVITE, user=user, now=now)


@transaction.atomic
def renew_invitation(
    *, actor: User, user: User, ip: str | None = None, now: datetime | None = None
) -> str:
    """A new invitation for somebody who has not accepted yet; the old link stops working."""
    if user.status != User.Status.INVITED:
        raise Conflict(f"{user} has an account already. Make a link for a new password instead.")
    record_change(actor=actor, action="user.invited", entity=user, ip=ip)
    now = now or timezone.now()
    return issue_link(purpose=UserToken.Purpose.INVITE, user=user, now=now)


@transaction.atomic
def accept_invitation(
    *,
    token: str,
    name: str,
    password: str,
    time_zone: str = "UTC",
    ip: str | None = None,
    now: datetime | None = None,
) -> User:
    """Turn an invited person into an active user; raises LinkUnusable or InvalidInput."""
    now = now or timezone.now()
    user = _owner_of(take_link(purpose=UserToken.Purpose.INVITE, token=token, now=now))
    if user.status != User.Status.INVITED:
        raise Conflict("This account is in use or disabled. Sign in, or ask an administrator.")
    user.name, user.time_zone, user.status = name.strip(), time_zone, User.Status.ACTIVE
    set_password(user=user, password=password)
    check(user)
    user.save(update_fields=["name", "time_zone", "status", "password"])
    record_change(actor=user, action="user.joined", entity=user, ip=ip)
    return user


@transaction.atomic
def create_reset_link(
    *, actor: User, user: User, ip: str | None = None, now: datetime | None = None
) -> str:
    """The token of a link with which an active user sets a new password within an hour."""
    if not user.is_active:
        raise Conflict(f"{user} is {user.get_status_display().lower()} and cannot sign in.")
    record_change(actor=actor, action="user.password_reset_link", entity=user, ip=ip)
    now = now or timezone.now()
    return issue_link(purpose=UserToken.Purpose.PASSWORD_RESET, user=user, now=now)


@transaction.atomic
def reset_password(
    *, token: str, password: str, ip: str | None = None, now: datetime | None = None
) -> User:
    """Set a new password by a link and end every session; raises LinkUnusable or InvalidInput."""
    now = now or timezone.now()
    user = _owner_of(take_link(purpose=UserToken.Purpose.PASSWORD_RESET, token=token, now=now))
    if not user.is_active:
        raise Conflict("This account is disabled. Ask an administrator.")
    set_password(user=user, password=password)
    user.session_epoch += 1
    user.save(update_fields=["password", "session_epoch"])
    record_change(actor=user, action="user.password_reset", entity=user, ip=ip)
    return user


def change_password(
    *, user: User, current: str, new: str, ip: str | None = None, now: datetime | None = None
) -> None:
    """Change one's own password, which ends every session whose hash is not renewed.

    The guess is counted outside the transaction. Raises InvalidInput or LockedOut.
    """
    check_own_password(user=user, password=current, ip=ip, now=now)
    with transaction.atomic():
        set_password(user=user, password=new, field="new_password")
        user.save(update_fields=["password"])
        withdraw_links(purpose=UserToken.Purpose.PASSWORD_RESET, user=user)
        record_change(actor=user, action="user.password_changed", entity=user, ip=ip)


@transaction.atomic
def sign_out_everywhere(*, user: User, actor: User, ip: str | None = None) -> None:
    """End every session of a person. API keys stay: they are revoked one by one."""
    locked = User.objects.select_for_update().get(pk=user.pk)
    locked.session_epoch += 1
    locked.save(update_fields=["session_epoch"])
    user.session_epoch = locked.session_epoch
    record_change(actor=actor, action="session.revoked_all", entity=user, ip=ip)


@transaction.atomic
def change_profile(*, user: User, name: str, time_zone: str, ip: str | None = None) -> None:
    """Change one's own name and time zone; raises InvalidInput."""
    stored = User.objects.get(pk=user.pk)
    before = values_of(stored, PROFILE_FIELDS)
    user.name, user.time_zone = name.strip(), time_zone
    check(user)
    user.save(update_fields=list(PROFILE_FIELDS))
    if changes := changes_of(before, user, PROFILE_FIELDS):
        record_change(actor=user, action="user.updated", entity=user, changes=changes, ip=ip)


def set_password(*, user: User, password: str, field: str = "password") -> None:
    """Set it on the object, unsaved; raises InvalidInput that names every broken rule."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput("Choose another password.", fields={field: error.messages}) from error
    user.set_password(password)


def _owner_of(link: UserToken) -> User:
    """The person of a link, locked until the end of the transaction."""
    return User.objects.select_for_update().get(usertoken=link)
