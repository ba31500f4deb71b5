"""Temporary schedules on the database: J7 to J9."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from escalations.models import Schedule, ScheduleLayer, TemporarySchedule
from escalations.services.temporaries import (
    ShiftInput,
    cut_temporaries,
    end_temporary,
    set_temporary,
)
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import AuditEntry, User
from tests.escalations.schedules.asking import on_call, shifts, was_on_call
from tests.factories import OverrideFactory, TemporaryScheduleFactory

Set = Callable[..., TemporarySchedule]


@pytest.fixture
def put(layer: ScheduleLayer, bob: User, now: datetime) -> Set:
    """Bob sets a temporary schedule, all in hours from now."""

    def make(
        start: float, end: float, *people: tuple[User, float, float], name: str = ""
    ) -> TemporarySchedule:
        hour = timedelta(hours=1)
        return set_temporary(
            schedule=layer.schedule,
            name=name,
            starts_at=now + start * hour,
            ends_at=now + end * hour,
            shifts=[ShiftInput(u.pk, now + a * hour, now + b * hour) for u, a, b in people],
            actor=bob,
            now=now,
        )

    return make


def spans(schedule: Schedule, now: datetime) -> Sequence[tuple[int, int]]:
    rows = TemporarySchedule.objects.filter(schedule=schedule).order_by("starts_at")
    hour = timedelta(hours=1)
    return [(round((r.starts_at - now) / hour), round((r.ends_at - now) / hour)) for r in rows]


def test_J7_temporary_person_is_on_call_until_it_is_cleared(
    layer: ScheduleLayer, put: Set, ann: User, dan: User, bob: User, now: datetime
) -> None:
    first = put(0, 30, (dan, 0, 30))
    assert on_call(layer.schedule, now) == "Dan"

    second = put(0, 30, (ann, 0, 30))
    assert on_call(layer.schedule, now) == "Ann"
    end_temporary(temporary=second, actor=bob, now=now)

    assert on_call(layer.schedule, now) == "Ben"
    assert first.schedule_id == layer.schedule_id


def test_J8_there_is_nobody_where_it_has_no_shift_whatever_else_says(
    layer: ScheduleLayer, put: Set, ann: User, dan: User, now: datetime
) -> None:
    OverrideFactory(
        schedule=layer.schedule, user=ann, starts_at=now, ends_at=now + timedelta(hours=24)
    )

    put(2, 8, (dan, 4, 6))

    assert shifts(layer.schedule, now, now + timedelta(hours=10)) == [
        ("Ben", 0, 1),
        ("Ann", 0, 2),
        ("Cid", 1, 2),
        ("Dan", 4, 6),
        ("Cid", 8, 10),
        ("Ann", 8, 10),
    ]


def test_J9_overlapping_ones_are_joined_and_so_are_shifts_of_one_person(
    layer: ScheduleLayer, put: Set, dan: User, now: datetime
) -> None:
    put(2, 8, (dan, 2, 8), name="Fair")

    joined = put(6, 12, (dan, 6, 12))

    assert spans(layer.schedule, now) == [(2, 12)]
    assert joined.name == "Fair"
    assert joined.shifts.count() == 1


def test_J9_shifts_are_cut_at_the_span(
    layer: ScheduleLayer, put: Set, dan: User, now: datetime
) -> None:
    temporary = put(2, 8, (dan, 1, 20))

    (shift,) = temporary.shifts.all()
    assert (shift.starts_at, shift.ends_at) == (temporary.starts_at, temporary.ends_at)


def test_J9_cutting_out_the_middle_makes_two(
    layer: ScheduleLayer, put: Set, bob: User, dan: User, now: datetime
) -> None:
    put(2, 8, (dan, 2, 8), name="Fair")

    cut_temporaries(
        schedule=layer.schedule,
        starts_at=now + timedelta(hours=4),
        ends_at=now + timedelta(hours=5),
        actor=bob,
        now=now,
    )

    assert spans(layer.schedule, now) == [(2, 4), (5, 8)]
    assert set(TemporarySchedule.objects.values_list("name", flat=True)) == {"Fair"}
    assert on_call(layer.schedule, now + timedelta(hours=4)) == "Cid"


def test_spans_of_one_schedule_never_overlap_in_the_database(schedule: Schedule) -> None:
    TemporaryScheduleFactory(schedule=schedule)

    with pytest.raises(IntegrityError, match="temporary_once"), transaction.atomic():
        TemporaryScheduleFactory(schedule=schedule)


def test_one_that_began_is_ended_and_its_past_stays(
    layer: ScheduleLayer, put: Set, bob: User, dan: User, now: datetime
) -> None:
    temporary = put(0, 24, (dan, 0, 24))
    later = now + timedelta(hours=3)

    end_temporary(temporary=temporary, actor=bob, now=later)

    assert spans(layer.schedule, now) == [(0, 3)]
    assert on_call(layer.schedule, later) == "Cid"
    assert was_on_call(layer.schedule, now + timedelta(hours=2), now=later) == "Dan"


def test_one_that_has_not_begun_is_deleted(
    layer: ScheduleLayer, put: Set, bob: User, now: datetime
) -> None:
    end_temporary(temporary=put(5, 24), actor=bob, now=now)

    assert not TemporarySchedule.objects.exists()
    assert AuditEntry.objects.filter(action="temporary_schedule.deleted").exists()


def test_one_that_is_over_stays(layer: ScheduleLayer, put: Set, bob: User, now: datetime) -> None:
    temporary = put(0, 5)

    with pytest.raises(Conflict, match="is over"):
        end_temporary(temporary=temporary, actor=bob, now=now + timedelta(hours=6))


@pytest.mark.parametrize(
    ("start", "end", "shift", "field"),
    [
        (5, 2, (2, 3), "ends_at"),
        (-5, -2, (-4, -3), "ends_at"),
        (2, 5, (3, 3), "shifts.0.ends_at"),
        (2, 5, (6, 7), "shifts.0.starts_at"),
    ],
)
def test_impossible_ones_are_field_errors(
    put: Set, dan: User, start: int, end: int, shift: tuple[int, int], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        put(start, end, (dan, *shift))

    assert field in refused.value.fields
    assert not TemporarySchedule.objects.exists()


def test_nothing_to_cut_is_a_field_error(schedule: Schedule, bob: User, now: datetime) -> None:
    with pytest.raises(InvalidInput, match="no temporary schedule in this time"):
        cut_temporaries(
            schedule=schedule,
            starts_at=now,
            ends_at=now + timedelta(hours=5),
            actor=bob,
            now=now,
        )
