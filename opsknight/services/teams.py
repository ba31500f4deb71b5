"""Teams: who owns them, who leads them, who is in them."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from django.db import transaction
from django.db.models import ProtectedError

from opsknight.errors import Conflict, InvalidInput, NotAllowed
from opsknight.models import Team, TeamMember, User
from opsknight.permissions import require_admin, require_responder
from opsknight.services.audit import changes_of, record_change, values_of
from opsknight.services.configuration import check, delete_recorded, save_new

FIELDS = ("name", "description", "lead")
MEMBER_FIELDS = ("role", "receives_pages")
Reasons: TypeAlias = dict[str, list[str]]
Roles: TypeAlias = Mapping[int, str]  # user id to TeamMember.Role

LEAD = "The lead must be a member: add this person to the team, or choose a member."
OWNER = "A team keeps at least one owner: make somebody else owner first."


def broken_rules(*, lead_id: int | None, before: Roles, after: Roles) -> Reasons:
    """What is wrong with a team whose members become `after`, by field; empty when nothing.

    A team may be made without an owner; once it has one, it keeps one.
    """
    reasons: Reasons = {}
    if lead_id is not None and lead_id not in after:
        reasons["lead"] = [LEAD]
    owner = TeamMember.Role.OWNER
    if owner in before.values() and owner not in after.values():
        reasons["members"] = [OWNER]
    return reasons


@transaction.atomic
def create_team(*, actor: User, name: str, description: str = "", ip: str | None = None) -> Team:
    """Create a team that its maker owns; for responders and administrators."""
    require_responder(actor)
    team = Team(name=name.strip(), description=description)
    save_new(entity=team, fields=FIELDS, action="team.created", actor=actor, ip=ip)
    _add(actor, team, actor, role=TeamMember.Role.OWNER, receives_pages=True, ip=ip)
    return team


@transaction.atomic
def update_team(
    *, actor: User, team: Team, values: Mapping[str, Any], ip: str | None = None
) -> Team:
    """Change some of FIELDS; for responders, administrators and owners of the team."""
    team = _lock(team)
    require_editor(actor, team)
    before = values_of(team, FIELDS)
    for name in FIELDS:
        if name in values:
            setattr(team, name, values[name])
    check(team)
    roles = roles_in(team)
    if reasons := broken_rules(lead_id=team.lead_id, before=roles, after=roles):
        raise InvalidInput("The team was not changed.", fields=reasons)
    if changes := changes_of(before, team, FIELDS):
        team.save(update_fields=list(FIELDS))
        record_change(actor=actor, action="team.updated", entity=team, changes=changes, ip=ip)
    return team


@transaction.atomic
def delete_team(*, actor: User, team: Team, ip: str | None = None) -> None:
    """Delete a team that nothing belongs to any more; for administrators."""
    require_admin(actor)
    team = _lock(team)
    try:
        delete_recorded(entity=team, fields=FIELDS, action="team.deleted", actor=actor, ip=ip)
    except ProtectedError as error:
        names = ", ".join(sorted(str(entity) for entity in error.protected_objects)[:10])
        raise Conflict(f"Give what {team} owns to another team first: {names}.") from error


@transaction.atomic
def add_member(
    *,
    actor: User,
    team: Team,
    user: User,
    role: str = TeamMember.Role.MEMBER,
    receives_pages: bool = True,
    ip: str | None = None,
) -> TeamMember:
    """Add somebody; owners and administrators of the team are named by owners and admins only."""
    team = _lock(team)
    _require_role_change(actor, team, {role})
    if TeamMember.objects.filter(team=team, user=user).exists():
        raise Conflict(f"{user} is in {team} already.")
    return _add(actor, team, user, role=role, receives_pages=receives_pages, ip=ip)


@transaction.atomic
def change_member(
    *, actor: User, member: TeamMember, values: Mapping[str, Any], ip: str | None = None
) -> TeamMember:
    """Change some of MEMBER_FIELDS; raises Conflict for the last owner."""
    team = _lock(member.team)
    member = TeamMember.objects.select_related("user").get(pk=member.pk)
    before = values_of(member, MEMBER_FIELDS)
    new_role = values.get("role", member.role)
    if new_role != member.role:
        _require_not_self(actor, member)
        _require_role_change(actor, team, {member.role, new_role})
    else:
        _require_role_change(actor, team, {TeamMember.Role.MEMBER})
    roles = roles_in(team)
    _refuse(broken_rules(lead_id=None, before=roles, after={**roles, member.user_id: new_role}))
    for name in MEMBER_FIELDS:
        if name in values:
            setattr(member, name, values[name])
    check(member)
    if changes := changes_of(before, member, MEMBER_FIELDS):
        member.save(update_fields=list(MEMBER_FIELDS))
        _record_member(actor, team, member, changes, ip)
    return member


@transaction.atomic
def remove_member(*, actor: User, member: TeamMember, ip: str | None = None) -> None:
    """Take somebody out of a team; everybody may leave, but for its lead and its last owner."""
    team = _lock(member.team)
    if member.user_id != actor.pk:
        _require_role_change(actor, team, {member.role})
    roles = roles_in(team)
    rest = {user_id: role for user_id, role in roles.items() if user_id != member.user_id}
    _refuse(broken_rules(lead_id=team.lead_id, before=roles, after=rest))
    _record_member(actor, team, member, {"role": [member.role, None]}, ip)
    member.delete()


def roles_in(team: Team) -> dict[int, str]:
    """The members' ids with their roles."""
    return dict(TeamMember.objects.filter(team=team).values_list("user_id", "role"))


def may_edit(user: User, team: Team) -> bool:
    """Responders, administrators, and the owners of the team."""
    return user.is_responder or roles_in(team).get(user.pk) == TeamMember.Role.OWNER


def require_editor(user: User, team: Team) -> None:
    """Raise NotAllowed unless the person may change the team."""
    if not may_edit(user, team):
        raise NotAllowed(f"Only responders and the owners of {team} may change it.")


def _require_role_change(actor: User, team: Team, roles: set[str]) -> None:
    """Plain members come and go by every editor; owners and administrators by owners and admins."""
    own_role = roles_in(team).get(actor.pk)
    if actor.is_admin or (actor.is_active and own_role == TeamMember.Role.OWNER):
        return
    manages = actor.is_responder or (actor.is_active and own_role == TeamMember.Role.ADMIN)
    if not manages or roles != {TeamMember.Role.MEMBER}:
        raise NotAllowed(f"Only an owner of {team} or an administrator may do this.")


def _require_not_self(actor: User, member: TeamMember) -> None:
    if actor.pk == member.user_id and not actor.is_admin:
        raise NotAllowed("You cannot change your own role: ask another owner or administrator.")


def _refuse(reasons: Reasons) -> None:
    if reasons:
        raise Conflict(" ".join(text for texts in reasons.values() for text in texts))


def _add(
    actor: User, team: Team, user: User, *, role: str, receives_pages: bool, ip: str | None
) -> TeamMember:
    member = TeamMember(team=team, user=user, role=role, receives_pages=receives_pages)
    check(member)
    member.save()
    _record_member(actor, team, member, {"role": [None, role]}, ip)
    return member


def _record_member(
    actor: User, team: Team, member: TeamMember, changes: dict[str, list[Any]], ip: str | None
) -> None:
    """Membership is part of the team's history."""
    named = {f"{member.user}: {name}": change for name, change in changes.items()}
    record_change(actor=actor, action="team.members_changed", entity=team, changes=named, ip=ip)


def _lock(team: Team) -> Team:
    """The team as it is now; changes of one team wait in line."""
    return Team.objects.select_for_update(of=("self",)).get(pk=team.pk)
