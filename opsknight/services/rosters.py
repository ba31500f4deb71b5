"""Saves a team together with the list of its members, as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField

from opsknight.models import Team, TeamMember, User
from opsknight.services import teams
from opsknight.services.configuration import invalid


@dataclass(frozen=True)
class MemberInput:
    """One person's place in the team."""

    user_id: int
    role: str = TeamMember.Role.MEMBER
    receives_pages: bool = True


@transaction.atomic
def create_team(
    *,
    actor: User,
    values: Mapping[str, Any],
    members: Sequence[MemberInput] | None,
    ip: str | None = None,
) -> Team:
    """Create a team; raises InvalidInput with the fields ("members.1.user").

    The maker is an owner of it, unless the members are given and somebody else among them is.
    """
    description = values.get("description", "")
    team = teams.create_team(actor=actor, name=values["name"], description=description, ip=ip)
    if members is not None:
        members = _with_owner(actor, members)
    return update_team(
        actor=actor,
        team=team,
        values={name: value for name, value in values.items() if name == "lead"},
        members=members,
        ip=ip,
    )


@transaction.atomic
def update_team(
    *,
    actor: User,
    team: Team,
    values: Mapping[str, Any],
    members: Sequence[MemberInput] | None,
    ip: str | None = None,
) -> Team:
    """Change a team and, unless `members` is None, let exactly these people be in it.

    Raises InvalidInput, NotAllowed, and Conflict when it would lose its last owner.
    """
    teams.require_editor(actor, team)
    gone: list[TeamMember] = []
    if members is not None:
        gone = _add_and_change(actor, team, members, ip)
    # Between the two: a new lead must be a member already, an old one may be leaving.
    team = teams.update_team(actor=actor, team=team, values=values, ip=ip)
    # Oneself last: whoever has left may not take others out.
    for member in sorted(gone, key=lambda m: m.user_id == actor.pk):
        teams.remove_member(actor=actor, member=member, ip=ip)
    return team


def _with_owner(actor: User, members: Sequence[MemberInput]) -> list[MemberInput]:
    """The members of a new team, of whom one is an owner: its maker, when nobody else is."""
    owner = TeamMember.Role.OWNER
    mine = next((m for m in members if m.user_id == actor.pk), None)
    others = [m for m in members if m.user_id != actor.pk]
    if mine is None and any(m.role == owner for m in others):
        return others
    pages = mine.receives_pages if mine else True
    return [MemberInput(actor.pk, owner, pages), *others]


def _add_and_change(
    actor: User, team: Team, members: Sequence[MemberInput], ip: str | None
) -> list[TeamMember]:
    """Add who is new, change who differs; returns who must go."""
    people = _people(members)
    present = {
        m.user_id: m for m in TeamMember.objects.filter(team=team).select_related("team", "user")
    }
    for wanted in members:
        member = present.pop(wanted.user_id, None)
        values = {"role": wanted.role, "receives_pages": wanted.receives_pages}
        if member is None:
            teams.add_member(
                actor=actor,
                team=team,
                user=people[wanted.user_id],
                role=wanted.role,
                receives_pages=wanted.receives_pages,
                ip=ip,
            )
        elif values != {name: getattr(member, name) for name in values}:
            teams.change_member(actor=actor, member=member, values=values, ip=ip)
    return list(present.values())


def _people(members: Sequence[MemberInput]) -> dict[int, User]:
    """The users by id; raises InvalidInput for unknown ones and for repetitions; one query."""
    ids = [m.user_id for m in members]
    people = User.objects.in_bulk({i for i in ids if 0 < i <= BigIntegerField.MAX_BIGINT})
    reasons: dict[str, list[str]] = {}
    for place, user_id in enumerate(ids):
        if user_id not in people:
            reasons[f"members.{place}.user"] = [f"There is no user {user_id}."]
        elif user_id in ids[:place]:
            reasons[f"members.{place}.user"] = ["This person is listed twice. Take one out."]
    if reasons:
        raise invalid(reasons)
    return people
