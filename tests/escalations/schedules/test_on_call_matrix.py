"""J6: who is on call, by every way in which somebody can be; and J7 as the engine pages."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from escalations.models import EscalationPolicy, Schedule
from escalations.oncall import on_call_at
from escalations.selectors import rotas_of
from escalations.services.engine import run_due_steps
from incidents.models import Incident, Service
from notifications.models import Notification
from opsknight.models import User
from tests.factories import (
    IncidentFactory,
    LayerRestrictionFactory,
    OverrideFactory,
    PolicyFactory,
    ScheduleFactory,
    ScheduleLayerFactory,
    TemporaryScheduleFactory,
    UserFactory,
)

Make = Callable[[Schedule, dict[str, User], datetime], object]


def rotation(*names: str, **values: object) -> Make:
    return lambda schedule, people, now: ScheduleLayerFactory(
        schedule=schedule, members=[people[name] for name in names], starts_at=now, **values
    )


def restricted(name: str, weekdays: int) -> Make:
    def make(schedule: Schedule, people: dict[str, User], now: datetime) -> None:
        layer = ScheduleLayerFactory(schedule=schedule, members=[people[name]])
        whole_day = {"starts": "00:00", "ends": "00:00"}
        LayerRestrictionFactory(layer=layer, weekdays=weekdays, **whole_day)

    return make


def override(kind: str, user: str = "", replaces: str = "", start: int = -1, end: int = 1) -> Make:
    return lambda schedule, people, now: OverrideFactory(
        schedule=schedule,
        kind=kind,
        user=people.get(user),
        replaces=people.get(replaces),
        starts_at=now + timedelta(hours=start),
        ends_at=now + timedelta(hours=end),
    )


ALWAYS, NEVER = 0b111_1111, 0
LATER = {"start": 2, "end": 4}
TOGETHER = {"is_together": True}
ROWS: dict[str, tuple[list[Make], set[str]]] = {
    "no layer": ([], set()),
    "one person": ([rotation("Ann")], {"Ann"}),
    "rotation: the active one only": ([rotation("Ann", "Ben")], {"Ann"}),
    "several rotations together": (
        [rotation("Ann", "Ben"), rotation("Cid", "Ann", **TOGETHER)],
        {"Ann", "Cid"},
    ),
    "several rotations, one decides": ([rotation("Ann"), rotation("Cid")], {"Ann"}),
    "the same person twice": ([rotation("Ann"), rotation("Ann", **TOGETHER)], {"Ann"}),
    "rotation without people": ([rotation()], set()),
    "every weekday": ([restricted("Ann", ALWAYS)], {"Ann"}),
    "no weekday": ([restricted("Ann", NEVER)], set()),
    "active add": ([rotation("Ann"), override("add", "Ben")], {"Ann", "Ben"}),
    "inactive add": ([rotation("Ann"), override("add", "Ben", **LATER)], {"Ann"}),
    "add of nobody's schedule": ([override("add", "Ben")], {"Ben"}),
    "add of someone already on": ([rotation("Ann"), override("add", "Ann")], {"Ann"}),
    "active replace": ([rotation("Ann"), override("replace", "Ben", "Ann")], {"Ben"}),
    "inactive replace": (
        [rotation("Ann"), override("replace", "Ben", "Ann", **LATER)],
        {"Ann"},
    ),
    "replace of the active member of a rotation": (
        [rotation("Ann", "Cid"), override("replace", "Ben", "Ann")],
        {"Ben"},
    ),
    "replace of somebody who is not on": (
        [rotation("Ann", "Cid"), override("replace", "Ben", "Cid")],
        {"Ann"},
    ),
    "replace by someone already on": (
        [rotation("Ann"), rotation("Ben", **TOGETHER), override("replace", "Ben", "Ann")],
        {"Ben"},
    ),
    "remove": ([rotation("Ann"), override("remove", replaces="Ann")], set()),
    "remove of one of two": (
        [rotation("Ann"), rotation("Ben", **TOGETHER), override("remove", replaces="Ann")],
        {"Ben"},
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_J6_on_call_matrix(
    row: str, schedule: Schedule, ann: User, ben: User, cid: User, now: datetime
) -> None:
    makers, expected = ROWS[row]
    people = {user.name: user for user in (ann, ben, cid)}

    for make in makers:
        make(schedule, people, now)

    rota = rotas_of([schedule.pk], since=now)[schedule.pk]
    ids = on_call_at(rota.spec, now)
    assert [u.name for u in people.values() if u.pk in ids] == sorted(expected)
    assert len(ids) == len(expected)


@pytest.fixture
def policy(schedule: Schedule, ann: User) -> EscalationPolicy:
    """Pages the schedule, in which Ann is on call."""
    ScheduleLayerFactory(schedule=schedule, members=[ann])
    made: EscalationPolicy = PolicyFactory(steps=[(0, [schedule])])
    return made


def paged(service: Service, policy: EscalationPolicy, now: datetime) -> set[str]:
    """Whom the engine pages about a new incident."""
    service.escalation_policy = policy
    service.save()
    incident: Incident = IncidentFactory(service=service, escalate_at=now)
    run_due_steps()
    rows = Notification.objects.filter(incident=incident)
    return set(rows.values_list("user__name", flat=True))


def test_J7_engine_pages_who_is_in_the_temporary_schedule_and_not_the_rotation(
    schedule: Schedule, policy: EscalationPolicy, service: Service, now: datetime
) -> None:
    other = UserFactory(name="Tim")
    temporary = TemporaryScheduleFactory(schedule=schedule, shifts=[other])
    during = paged(service, policy, now)

    temporary.delete()

    assert (during, paged(service, policy, now)) == ({"Tim"}, {"Ann"})


def test_J6_on_call_in_two_schedules_of_a_policy(
    schedule: Schedule, policy: EscalationPolicy, service: Service, ben: User, now: datetime
) -> None:
    second = ScheduleFactory(members=[ben])
    both = PolicyFactory(steps=[(0, [schedule, second])])

    assert paged(service, both, now) == {"Ann", "Ben"}
