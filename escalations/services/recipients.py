"""Who is behind the targets of steps at one moment, found for many steps at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from escalations.models import Schedule, ScheduleLayer, TargetSnapshot
from escalations.oncall import on_call_at
from escalations.selectors import UNREADABLE, layers_of, spec_of
from opsknight.models import Team, User


@dataclass(frozen=True)
class Person:
    """Somebody who can be paged."""

    id: int
    name: str


@dataclass(frozen=True)
class Found:
    """Who is behind one target. Either people or a problem."""

    people: tuple[Person, ...] = ()
    note: str = ""  # why them, in brackets behind their names: "Primary on call"
    problem: str = ""  # why nobody, as a clause: "nobody is on call in Primary"


@dataclass(frozen=True)
class Duty:
    """Who is on call in one schedule now."""

    user_ids: tuple[int, ...]
    problem: str  # why nobody is


class Directory:
    """The people, teams and schedules that some steps name, as they are at one moment."""

    def __init__(
        self,
        *,
        users: Mapping[int, User],
        teams: Mapping[int, list[int]],
        duties: Mapping[int, Duty],
    ) -> None:
        self._users = users
        self._teams = teams  # ids of those who receive pages
        self._duties = duties

    def find(self, target: TargetSnapshot) -> Found:
        """Who is behind a target of a step."""
        match target["kind"]:
            case "user":
                return self.find_user(target["id"], target["label"])
            case "team":
                return self.find_team(target["id"], target["label"])
            case "schedule":
                return self._find_on_call(target["id"], target["label"])
            case _:
                assert_never(target["kind"])

    def find_user(self, user_id: int, label: str, note: str = "") -> Found:
        """The person, if the account is active."""
        user = self._users.get(user_id)
        if user is None:
            return Found(problem=f"the account of {label} was deleted")
        if not user.is_active:
            return Found(problem=f"{user} is {_why_inactive(user)}")
        return Found(people=(Person(user.pk, str(user)),), note=note)

    def find_team(self, team_id: int, label: str) -> Found:
        """The active members of a team who receive its pages."""
        members = self._teams.get(team_id)
        if members is None:
            return Found(problem=f"the team {label} was deleted")
        people = tuple(
            Person(user.pk, str(user)) for id in members if (user := self._users[id]).is_active
        )
        if people:
            return Found(people=people, note=f"team {label}")
        if members:
            return Found(problem=f"no one in the team {label} has an active account")
        return Found(problem=f"no one in the team {label} receives its pages")

    def _find_on_call(self, schedule_id: int, label: str) -> Found:
        duty = self._duties.get(schedule_id)
        if duty is None:
            return Found(problem=f"the schedule {label} was deleted")
        if not duty.user_ids:
            return Found(problem=duty.problem)
        note = f"{label} on call"
        found = [self.find_user(user_id, label, note) for user_id in duty.user_ids]
        people = tuple(person for one in found for person in one.people)
        return Found(people=people, note=note) if people else found[0]


def _why_inactive(user: User) -> str:
    if user.status == User.Status.INVITED:
        return "invited but has not accepted yet"
    return "not active: the account is disabled"


def load_directory(
    *,
    targets: Iterable[TargetSnapshot],
    user_ids: Iterable[int],
    team_ids: Iterable[int],
    now: datetime,
) -> Directory:
    """Look up everybody behind `targets`, and these users and teams as well; 5 queries."""
    wanted: dict[str, set[int]] = {"user": set(user_ids), "team": set(team_ids), "schedule": set()}
    for target in targets:
        wanted[target["kind"]].add(target["id"])
    teams = _receivers_of(wanted["team"])
    duties = _duties_of(wanted["schedule"], now)
    wanted["user"].update(id for members in teams.values() for id in members)
    wanted["user"].update(id for duty in duties.values() for id in duty.user_ids)
    users = User.objects.only("name", "email", "status").in_bulk(list(wanted["user"]))
    return Directory(users=users, teams=teams, duties=duties)


def _receivers_of(team_ids: set[int]) -> dict[int, list[int]]:
    """The members of existing teams who receive pages, by name; 1 query."""
    rows = (
        Team.objects.filter(pk__in=team_ids)
        .order_by("memberships__user__name", "memberships__user_id")
        .values_list("pk", "memberships__user_id", "memberships__receives_pages")
    )
    teams: dict[int, list[int]] = {}
    for team_id, user_id, receives_pages in rows:
        members = teams.setdefault(team_id, [])
        if receives_pages:
            members.append(user_id)
    return teams


def _duties_of(schedule_ids: set[int], now: datetime) -> dict[int, Duty]:
    """Who is on call in existing schedules; 3 queries."""
    layers: dict[int, list[ScheduleLayer]] = {}
    for layer in layers_of(schedule_ids):
        layers.setdefault(layer.schedule_id, []).append(layer)
    return {
        schedule.pk: _duty_in(schedule, layers.get(schedule.pk, []), now)
        for schedule in Schedule.objects.filter(pk__in=schedule_ids)
    }


def _duty_in(schedule: Schedule, layers: list[ScheduleLayer], now: datetime) -> Duty:
    if not layers:
        return Duty((), f"the schedule {schedule} has no layers")
    if not any(layer.members.all() for layer in layers):
        return Duty((), f"the schedule {schedule} has nobody in its rotations")
    try:
        user_ids = on_call_at(spec_of(schedule, layers), now)
    except UNREADABLE as error:
        # One broken schedule must not keep the other targets from being paged.
        return Duty((), f"the schedule {schedule} cannot be calculated ({error})")
    return Duty(user_ids, "" if user_ids else f"nobody is on call in {schedule}")


def load_administrators() -> Found:
    """All active administrators: paged when nobody else is left; 1 query."""
    admins = User.objects.filter(role=User.Role.ADMIN, status=User.Status.ACTIVE)
    people = tuple(Person(user.pk, str(user)) for user in admins.only("name", "email"))
    if not people:
        return Found(problem="there is no active administrator")
    return Found(people=people, note="administrator" if len(people) == 1 else "administrators")
