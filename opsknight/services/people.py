"""Roles, and who may still sign in: what administrators decide about others."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from django.db import transaction
from django.utils import timezone

from opsknight.departures import end_work_of, losses_without, require_confirmation
from opsknight.errors import Conflict, InvalidInput, NotAllowed
from opsknight.models import Team, TeamMember, User, UserToken
from opsknight.permissions import require_admin
from opsknight.services.audit import changes_of, record_change, values_of
from opsknight.services.configuration import check, delete_recorded
from opsknight.services.links import withdraw_links

EDITABLE = ("email", "name", "role", "status", "time_zone")
Reasons: TypeAlias = dict[str, list[str]]

OWN = "You cannot change this for yourself: ask another administrator."
LAST = "This is the last active administrator: make somebody else one first."


@transaction.atomic
def update_user(
    *,
    actor: User,
    user: User,
    values: Mapping[str, Any],
    ip: str | None = None,
    now: datetime | None = None,
    is_confirmed: bool = False,
) -> User:
    """Change some of EDITABLE; a disabled user is signed out at once.

    An invited person who is enabled again is invited again. Raises InvalidInput with the fields,
    NotAllowed unless the actor is an administrator, and NeedsConfirmation when somebody is disabled
    whose work nobody else does, unless `is_confirmed`.
    """
    actor, user = _lock(actor, user)
    require_admin(actor)
    before = values_of(user, EDITABLE)
    wanted = {name: values[name] for name in EDITABLE if name in values}
    if reasons := reasons_against(actor=actor, user=user, values=wanted):
        raise InvalidInput("This cannot be changed.", fields=reasons)
    for name, value in wanted.items():
        setattr(user, name, value)
    check(user)
    changes = changes_of(before, user, EDITABLE)
    if not changes:
        return user
    if user.status == User.Status.DISABLED:
        _ask_before_leaving(user, now, is_confirmed=is_confirmed)
        _end_access(user)
    user.save(update_fields=[*EDITABLE, "session_epoch"])
    if user.status == User.Status.DISABLED:
        end_work_of(user, now=now or timezone.now())
    record_change(actor=actor, action=_action(changes), entity=user, changes=changes, ip=ip)
    return user


def disable_user(
    *,
    actor: User,
    user: User,
    ip: str | None = None,
    now: datetime | None = None,
    is_confirmed: bool = False,
) -> User:
    """Sign somebody out at once and keep them out; they are not paged any more either.

    Raises NeedsConfirmation as `update_user`.
    """
    return update_user(
        actor=actor,
        user=user,
        values={"status": User.Status.DISABLED},
        ip=ip,
        now=now,
        is_confirmed=is_confirmed,
    )


def enable_user(*, actor: User, user: User, ip: str | None = None) -> User:
    """Let a disabled person back in; whoever never had a password stays invited."""
    return update_user(actor=actor, user=user, values={"status": status_if_enabled(user)}, ip=ip)


@transaction.atomic
def delete_user(
    *,
    actor: User,
    user: User,
    ip: str | None = None,
    now: datetime | None = None,
    is_confirmed: bool = False,
) -> None:
    """Delete a person and what belongs to them alone; history keeps their name.

    Raises NotAllowed or Conflict with the way out, and NeedsConfirmation when nobody else does what
    this person does, unless `is_confirmed`.
    """
    actor, user = _lock(actor, user)
    require_admin(actor)
    if reason := reason_against_deletion(actor=actor, user=user):
        raise Conflict(reason)
    _ask_before_leaving(user, now, is_confirmed=is_confirmed)
    end_work_of(user, now=now or timezone.now())
    delete_recorded(entity=user, fields=EDITABLE, action="user.deleted", actor=actor, ip=ip)


def reasons_against(*, actor: User, user: User, values: Mapping[str, Any]) -> Reasons:
    """Why these values cannot be set, by field; empty when they can. `user` as it is stored."""
    role, status = values.get("role", user.role), values.get("status", user.status)
    reasons: Reasons = {}
    if actor.pk == user.pk:
        for name, value in (("role", role), ("status", status)):
            if value != getattr(user, name):
                reasons[name] = [OWN]
        return reasons
    if status not in allowed_statuses(user):
        names = " or ".join(User.Status(s).label.lower() for s in allowed_statuses(user))
        reasons["status"] = [f"{user} can be {names} only."]
    stays = role == User.Role.ADMIN and status == User.Status.ACTIVE
    if user.is_admin and not stays and not _has_other_admin(user):
        reasons["role" if role != user.role else "status"] = [LAST]
    return reasons


def allowed_statuses(user: User) -> list[str]:
    """What a person's status can become: nobody is active without a password of their own."""
    return [status_if_enabled(user), User.Status.DISABLED.value]


def status_if_enabled(user: User) -> str:
    """Active, or invited for as long as there is no password."""
    has_password = user.status == User.Status.ACTIVE or user.has_usable_password()
    return (User.Status.ACTIVE if has_password else User.Status.INVITED).value


def reason_against_deletion(*, actor: User, user: User) -> str:
    """Why this person cannot be deleted, with the way out; empty when possible."""
    if actor.pk == user.pk:
        return "You cannot delete yourself: ask another administrator."
    if user.is_admin and not _has_other_admin(user):
        return LAST
    if teams := teams_owned_alone(user):
        names = ", ".join(team.name for team in teams)
        return f"{user} is the only owner of {names}: make somebody else owner first."
    return ""


def teams_owned_alone(user: User) -> list[Team]:
    """Teams that would be left without an owner."""
    owners = TeamMember.objects.filter(role=TeamMember.Role.OWNER)
    owned = owners.filter(user=user).values("team_id")
    shared = owners.exclude(user=user).values("team_id")
    return list(Team.objects.filter(pk__in=owned).exclude(pk__in=shared))


def _lock(actor: User, user: User) -> tuple[User, User]:
    """Both as they are now.

    Locking every administrator first makes such changes wait in line: two administrators who
    demote each other cannot both succeed.
    """
    admins = User.objects.filter(role=User.Role.ADMIN, status=User.Status.ACTIVE)
    list(admins.select_for_update().order_by("pk"))
    present = User.objects.select_for_update().in_bulk({actor.pk, user.pk})
    if actor.pk not in present or user.pk not in present:
        raise NotAllowed("This account was deleted meanwhile. Reload the page.")
    return present[actor.pk], present[user.pk]


def _ask_before_leaving(user: User, now: datetime | None, *, is_confirmed: bool) -> None:
    if not is_confirmed:
        losses = losses_without([user], now=now or timezone.now())
        require_confirmation(what=f"Without {user}", losses=losses, is_confirmed=False)


def _end_access(user: User) -> None:
    user.session_epoch += 1  # so that sessions do not come back to life when enabled again
    for purpose in (UserToken.Purpose.INVITE, UserToken.Purpose.PASSWORD_RESET):
        withdraw_links(purpose=purpose, user=user)


def _action(changes: Mapping[str, Any]) -> str:
    if "status" in changes:
        return f"user.{'disabled' if changes['status'][1] == User.Status.DISABLED else 'enabled'}"
    return "user.role_changed" if "role" in changes else "user.updated"


def _has_other_admin(user: User) -> bool:
    admins = User.objects.filter(role=User.Role.ADMIN, status=User.Status.ACTIVE)
    return admins.exclude(pk=user.pk).exists()
