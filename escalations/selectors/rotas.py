"""Who is, was and will be on call: rows of many schedules as plans for `oncall`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TypeVar

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from escalations import oncall
from escalations.models import (
    ImportedShift,
    Override,
    Schedule,
    ScheduleLayer,
    TemporarySchedule,
    TemporaryShift,
)
from escalations.oncall import ScheduleSpec
from escalations.selectors.schedules import layers_of, visible_schedules
from escalations.selectors.specs import UNREADABLE, spec_of
from opsknight.models import User

Row = TypeVar("Row", ScheduleLayer, Override, TemporarySchedule)

# How far ahead the next handoff is looked for.
LOOK_AHEAD = timedelta(days=366)


@dataclass(frozen=True)
class Rota:
    """A schedule with everything that says who is on call now and later."""

    schedule: Schedule
    layers: list[ScheduleLayer]
    overrides: list[Override]
    temporaries: list[TemporarySchedule]
    spec: ScheduleSpec  # nobody, when there is a problem
    problem: str  # why it cannot be calculated; empty: it can
    people: dict[int, User]  # everybody named above, by id


@dataclass(frozen=True)
class OnCall:
    """Who is on call in one schedule at one moment."""

    schedule: Schedule
    people: tuple[User, ...] = ()
    until: datetime | None = None  # when somebody else is, or nobody; None: not within a year
    next_people: tuple[User, ...] = ()  # who is then

    @property
    def person(self) -> User | None:
        """The first of those on call."""
        return self.people[0] if self.people else None

    @property
    def next_person(self) -> User | None:
        """The first of those who are next."""
        return self.next_people[0] if self.next_people else None


def rotas_of(schedule_ids: Iterable[int], *, since: datetime) -> dict[int, Rota]:
    """What holds now in many schedules, without what was over by `since`; 8 queries at most.

    The engine asks the `spec` of these. For the past ask `history_of`.
    """
    schedules = Schedule.objects.select_related("team", "saved_by").in_bulk(list(schedule_ids))
    layers = _by_schedule(_layers_since(schedules, since))
    overrides = _by_schedule(_overrides_since(schedules, since))
    temporaries = _by_schedule(_temporaries_since(schedules, since))
    return {
        pk: _rota(schedule, layers.get(pk, []), overrides.get(pk, []), temporaries.get(pk, []))
        for pk, schedule in schedules.items()
    }


def _rota(
    schedule: Schedule,
    layers: list[ScheduleLayer],
    overrides: list[Override],
    temporaries: list[TemporarySchedule],
) -> Rota:
    spec, problem = ScheduleSpec("UTC"), ""
    try:
        spec = spec_of(schedule, layers, overrides, temporaries)
        oncall.on_call_at(spec, schedule.created_at)  # an unknown zone shows only when asked
    except UNREADABLE as error:
        spec, problem = ScheduleSpec("UTC"), str(error)
    people = _people_in(layers, overrides, temporaries)
    return Rota(schedule, layers, overrides, temporaries, spec, problem, people)


def _people_in(
    layers: Sequence[ScheduleLayer],
    overrides: Sequence[Override],
    temporaries: Sequence[TemporarySchedule],
) -> dict[int, User]:
    users: Iterable[User | None] = chain(
        (member.user for layer in layers for member in layer.members.all()),
        (shift.user for layer in layers for shift in layer.imported_shifts.all()),
        (user for override in overrides for user in (override.user, override.replaces)),
        (shift.user for temporary in temporaries for shift in temporary.shifts.all()),
    )
    return {user.pk: user for user in users if user is not None}


def _layers_since(ids: Iterable[int], since: datetime) -> QuerySet[ScheduleLayer]:
    imported = ImportedShift.objects.filter(ends_at__gt=since).select_related("user")
    imported = imported.order_by("starts_at", "id")
    return layers_of(ids).prefetch_related(Prefetch("imported_shifts", imported))


def _overrides_since(ids: Iterable[int], since: datetime) -> QuerySet[Override]:
    overrides = Override.objects.filter(schedule_id__in=list(ids), ends_at__gt=since)
    return overrides.select_related("user", "replaces").order_by("id")


def _temporaries_since(ids: Iterable[int], since: datetime) -> QuerySet[TemporarySchedule]:
    shifts = TemporaryShift.objects.select_related("user").order_by("starts_at", "id")
    temporaries = TemporarySchedule.objects.filter(schedule_id__in=list(ids), ends_at__gt=since)
    return temporaries.prefetch_related(Prefetch("shifts", shifts)).order_by("starts_at", "id")


def _by_schedule(rows: Iterable[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row.schedule_id, []).append(row)
    return found


# Who is on call, and who is next


def on_call_now(user: User, *, now: datetime | None = None) -> list[OnCall]:
    """Who is on call in every schedule this person may see, and who is next; 9 queries."""
    return on_call_in(list(visible_schedules(user)), now=now or timezone.now())


def on_call_in(schedules: Sequence[Schedule], *, now: datetime) -> list[OnCall]:
    """Who is on call in these schedules at `now`, and who is next; 8 queries."""
    rotas = rotas_of((schedule.pk for schedule in schedules), since=now)
    return [duty_of(rotas[schedule.pk], now=now) for schedule in schedules if schedule.pk in rotas]


def duty_of(rota: Rota, *, now: datetime) -> OnCall:
    """Who is on call by a rota, and who is next; no query."""
    until = oncall.next_change(rota.spec, now, until=now + LOOK_AHEAD)
    return OnCall(
        schedule=rota.schedule,
        people=_named(rota, oncall.on_call_at(rota.spec, now)),
        until=until,
        next_people=_named(rota, oncall.on_call_at(rota.spec, until)) if until else (),
    )


def _named(rota: Rota, ids: Iterable[int]) -> tuple[User, ...]:
    return tuple(rota.people[user_id] for user_id in ids)
