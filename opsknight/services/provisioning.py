"""Accounts that an administrator makes ready to use, without an invitation."""

from django.db import transaction

from opsknight.models import User
from opsknight.permissions import require_admin
from opsknight.services.accounts import set_password
from opsknight.services.configuration import save_new


@transaction.atomic
def create_user(
    *,
    actor: User,
    email: str,
    name: str,
    password: str,
    role: str = User.Role.USER,
    time_zone: str = "UTC",
    ip: str | None = None,
) -> User:
    """Create an active user who can be paged at once; for administrators; raises InvalidInput.

    `accounts.invite_user` is the way for people who choose their password themselves.
    """
    require_admin(actor)
    user = User(
        email=email.strip().lower(),
        name=name.strip(),
        role=role,
        status=User.Status.ACTIVE,
        time_zone=time_zone,
    )
    set_password(user=user, password=password)
    fields = ("email", "name", "role", "status", "time_zone")
    save_new(entity=user, fields=fields, action="user.created", actor=actor, ip=ip)
    return user
