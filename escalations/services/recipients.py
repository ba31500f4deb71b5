"""Who is behind the targets of steps at one moment, found for many steps at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from escalations.models import TargetSnapshot
from escalations.oncall import on_call_at
from escalations.selectors import UNREADABLE, Rota, rotas_of
from notifications.models import Destination
from opsknight.models import Team, User

_USERS = "SELECT id, name, email, status FROM opsknight_user WHERE id = ANY(%s)"


@dataclass(frozen=True)
class Person:
    """Somebody who can be paged."""

    id: int
    name: str


@dataclass(frozen=True)
class Place:
    """A channel of a team or an outgoing webhook."""

    id: int
    name: str


@dataclass(frozen=True)
class Found:
    """Who is behind one target. Either people, or a place, or a problem."""

    people: tuple[Person, ...] = ()
    place: Place | None = None
    note: str = ""  # why them, in brackets behind their names: "Primary on call"
    problem: str = ""  # why nobody, as a clause: "nobody is on call in Primary"


@dataclass(frozen=True)
class Duty:
    """Who is on call in one schedule now."""

    user_ids: tuple[int, ...]
    problem: str


@dataclass(frozen=True)
class Crew:
    """One team: who receives its pages, and who leads it."""

    receiver_ids: tuple[int, ...]
    lead_id: int | None


class Directory:
    """The people, teams, schedules and destinations that some steps name, at one moment."""

    def __init__(
        self,
        *,
        users: Mapping[int, User],
        crews: Mapping[int, Crew],
        duties: Mapping[int, Duty],
        places: Mapping[int, Destination],
    ) -> None:
        self._users = users
        self._crews = crews
        self._duties = duties
        self._places = places

    def find(self, target: TargetSnapshot) -> Found:
        """Who is behind a target of a step."""
        match target["kind"]:
            case "user":
                return self.find_user(target["id"], target["label"])
            case "team":
                return self.find_team(target["id"], target["label"])
            case "team_leads":
                return self._find_lead(target["id"], target["label"])
            case "schedule":
                return self._find_on_call(target["id"], target["label"])
            case "destination":
                return self._find_place(target["id"], target["label"])
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
        crew = self._crews.get(team_id)
        if crew is None:
            return Found(problem=f"the team {label} was deleted")
        people = self._active(crew.receiver_ids)
        if people:
            return Found(people=people, note=f"team {label}")
        if crew.receiver_ids:
            return Found(problem=f"no one in the team {label} has an active account")
        return Found(problem=f"no one in the team {label} receives its pages")

    def _find_lead(self, team_id: int, label: str) -> Found:
        crew = self._crews.get(team_id)
        if crew is None:
            return Found(problem=f"the team {label} was deleted")
        if crew.lead_id is None:
            return Found(problem=f"the team {label} has no lead")
        return self.find_user(crew.lead_id, f"the lead of {label}", note=f"lead of {label}")

    def _find_on_call(self, schedule_id: int, label: str) -> Found:
        duty = self._duties.get(schedule_id)
        if duty is None:
            return Found(problem=f"the schedule {label} was deleted")
        people = self._active(duty.user_ids)
        if people:
            return Found(people=people, note=f"{label} on call")
        if duty.user_ids:
            return Found(problem=f"no one on call in {label} has an active account")
        return Found(problem=duty.problem)

    def _find_place(self, destination_id: int, label: str) -> Found:
        place = self._places.get(destination_id)
        if place is None:
            return Found(problem=f"the destination {label} was deleted")
        if not place.enabled:
            return Found(problem=f"the destination {place} is switched off")
        return Found(place=Place(place.pk, str(place)))

    def _active(self, user_ids: Iterable[int]) -> tuple[Person, ...]:
        users = (self._users.get(user_id) for user_id in user_ids)
        return tuple(Person(user.pk, str(user)) for user in users if user and user.is_active)


def _why_inactive(user: User) -> str:
    if user.status == User.Status.INVITED:
        return "invited but has not accepted yet"
    return "not active: the account is disabled"


@dataclass(frozen=True)
class Book:
    """Everybody behind some targets, at whatever moment from `since` on it was read for."""

    users: Mapping[int, User]
    crews: Mapping[int, Crew]
    rotas: Mapping[int, Rota]
    places: Mapping[int, Destination]

    def at(self, moment: datetime) -> Directory:
        """Who is behind the targets at one moment; no query."""
        duties = duties_at(self.rotas, moment)
        return Directory(users=self.users, crews=self.crews, duties=duties, places=self.places)


def load_directory(
    *,
    targets: Iterable[TargetSnapshot],
    user_ids: Iterable[int],
    team_ids: Iterable[int],
    now: datetime,
) -> Directory:
    """Look up everybody behind `targets` now; as many queries as `load_book`."""
    book = load_book(targets=targets, user_ids=user_ids, team_ids=team_ids, since=now)
    return book.at(now)


def load_book(
    *,
    targets: Iterable[TargetSnapshot],
    user_ids: Iterable[int],
    team_ids: Iterable[int],
    since: datetime,
) -> Book:
    """Look up everybody behind `targets`, and these users and teams as well.

    One query; eight more where schedules are named, one more each where teams and destinations
    are.
    """
    ids: dict[str, set[int]] = {"user": set(user_ids), "team": set(team_ids)}
    for target in targets:
        kind = "team" if target["kind"] == "team_leads" else target["kind"]
        ids.setdefault(kind, set()).add(target["id"])
    crews = _crews_of(ids["team"])
    for crew in crews.values():
        ids["user"].update(crew.receiver_ids, () if crew.lead_id is None else (crew.lead_id,))
    schedules = ids.get("schedule")
    rotas = rotas_of(schedules, since=since) if schedules else {}
    users = {user.pk: user for user in User.objects.raw(_USERS, [[*ids["user"]]])}
    for rota in rotas.values():
        users |= rota.people
    return Book(users, crews, rotas, _places_of(ids.get("destination", set())))


def _crews_of(team_ids: set[int]) -> dict[int, Crew]:
    """Existing teams with the members who receive pages, by name; 1 query if any is named."""
    if not team_ids:
        return {}
    rows = (
        Team.objects.filter(pk__in=team_ids)
        .order_by("memberships__user__name", "memberships__user_id")
        .values_list("pk", "lead_id", "memberships__user_id", "memberships__receives_pages")
    )
    crews: dict[int, Crew] = {}
    for team_id, lead_id, user_id, receives_pages in rows:
        receivers = crews[team_id].receiver_ids if team_id in crews else ()
        more = (user_id,) if receives_pages else ()
        crews[team_id] = Crew((*receivers, *more), lead_id)
    return crews


def _places_of(destination_ids: set[int]) -> dict[int, Destination]:
    """Existing destinations; 1 query if any is named."""
    if not destination_ids:
        return {}
    return Destination.objects.only("name", "enabled").in_bulk(list(destination_ids))


def duties_at(rotas: Mapping[int, Rota], at: datetime) -> dict[int, Duty]:
    """Who is on call in schedules at one moment; no query."""
    return {pk: _duty_in(rota, at) for pk, rota in rotas.items()}


def _duty_in(rota: Rota, at: datetime) -> Duty:
    schedule = rota.schedule
    if rota.problem:
        # One broken schedule must not keep the other targets from being paged.
        return Duty((), f"the schedule {schedule} cannot be calculated ({rota.problem})")
    try:
        user_ids = on_call_at(rota.spec, at)
    except UNREADABLE as error:
        return Duty((), f"the schedule {schedule} cannot be calculated ({error})")
    if user_ids:
        return Duty(user_ids, "")
    return Duty((), _why_nobody(rota))


def _why_nobody(rota: Rota) -> str:
    if not rota.layers:
        return f"the schedule {rota.schedule} has no layers"
    is_rotation = [layer.source == layer.Source.ROTATION for layer in rota.layers]
    if all(is_rotation) and not any(layer.members.all() for layer in rota.layers):
        return f"the schedule {rota.schedule} has nobody in its rotations"
    return f"nobody is on call in {rota.schedule}"


def load_administrators() -> Found:
    """All active administrators: paged when nobody else is left; 1 query."""
    admins = User.objects.filter(role=User.Role.ADMIN, status=User.Status.ACTIVE)
    people = tuple(Person(user.pk, str(user)) for user in admins.only("name", "email"))
    if not people:
        return Found(problem="there is no active administrator")
    return Found(people=people, note="administrator" if len(people) == 1 else "administrators")
