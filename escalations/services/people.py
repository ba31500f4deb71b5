"""Checks people, teams, schedules and destinations that a policy or a schedule is going to name."""

from collections.abc import Iterable, Mapping

from django.db.models import BigIntegerField

from escalations.models import Schedule
from notifications.models import Destination
from opsknight.models import Team, User


def why_not_pageable(user_id: int, people: Mapping[int, User]) -> str | None:
    """The reason why a person cannot be named, None when nothing stands against it.

    `people` as `people_by_id` gives them; whoever is not in it does not exist.
    """
    user = people.get(user_id)
    if user is None:
        return f"There is no user {user_id}."
    match user.status:
        case User.Status.DISABLED:
            return f"{user} cannot be paged: the account is disabled. Name somebody else."
        case User.Status.INVITED:
            return f"{user} cannot be paged yet: the invitation is not accepted."
        case _:
            return None


def people_by_id(ids: Iterable[int]) -> dict[int, User]:
    """The users with these ids; one query."""
    return User.objects.in_bulk(_possible(ids))


def teams_by_id(ids: Iterable[int]) -> dict[int, Team]:
    """The teams with these ids; one query."""
    return Team.objects.in_bulk(_possible(ids))


def schedules_by_id(ids: Iterable[int]) -> dict[int, Schedule]:
    """The schedules with these ids, locked until they are named; one query.

    Whoever deletes one meanwhile waits and is told, or comes first and it is not in the answer.
    """
    rows = Schedule.objects.select_for_update(of=("self",), no_key=True)
    return {row.pk: row for row in rows.filter(pk__in=_possible(ids)).order_by("pk")}


def destinations_by_id(ids: Iterable[int]) -> dict[int, Destination]:
    """The destinations with these ids, without their secrets; one query."""
    return Destination.objects.defer("secret").in_bulk(_possible(ids))


def _possible(ids: Iterable[int]) -> list[int]:
    return sorted({i for i in ids if 0 < i <= BigIntegerField.MAX_BIGINT})
