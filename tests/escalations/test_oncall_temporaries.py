"""Temporary schedules: what they do, and how they are merged and cut."""

import pytest

from escalations.oncall import (
    TemporarySchedule,
    cut_temporary,
    gaps_between,
    merge_temporaries,
    shifts_of,
)
from tests.escalations.rotas import (
    ANN,
    BOB,
    DAN,
    always,
    case,
    fixed,
    instant,
    override,
    people,
    row,
    rows,
    schedule,
)

JUNE = ("2026-06-01 00:00 UTC", "2026-06-08 00:00 UTC")  # Monday to Sunday


def temporary(starts_at, ends_at, *shifts):
    return TemporarySchedule(instant(starts_at), instant(ends_at), shifts)


@case("J8", "X5")
def test_temporary_schedule_takes_the_place_of_everything():
    quarter = temporary(
        *("2026-06-01 08:15 UTC", "2026-06-01 08:45 UTC"),
        fixed("2026-06-01 08:25 UTC", "2026-06-01 08:35 UTC", DAN),
    )
    plan = schedule(always(ANN), temporaries=(quarter,))

    assert rows(plan, "2026-06-01 08:00 UTC", "2026-06-01 09:00 UTC") == [
        row(ANN, "2026-06-01 08:00 UTC", "2026-06-01 08:15 UTC"),
        row(DAN, "2026-06-01 08:25 UTC", "2026-06-01 08:35 UTC"),
        row(ANN, "2026-06-01 08:45 UTC", "2026-06-01 09:00 UTC"),
    ]


@case("X5")
def test_override_during_a_temporary_schedule_has_no_effect():
    day = ("2026-06-02 00:00 UTC", "2026-06-03 00:00 UTC")
    plan = schedule(
        always(ANN),
        overrides=(override("add", *JUNE, BOB),),
        temporaries=(temporary(*day, fixed(*JUNE, DAN)),),
    )

    assert people(plan, "2026-06-01 12:00 UTC") == (ANN, BOB)
    assert people(plan, "2026-06-02 12:00 UTC") == (DAN,)
    assert [s.kind for s in shifts_of(plan, DAN, *map(instant, JUNE))] == ["temporary"]


@case("R9")
def test_empty_temporary_schedule_has_nobody_on_call():
    day = ("2026-06-02 00:00 UTC", "2026-06-03 00:00 UTC")
    plan = schedule(always(ANN), temporaries=(temporary(*day),))

    (gap,) = gaps_between(plan, *map(instant, JUNE))

    assert (gap.starts_at, gap.ends_at) == tuple(map(instant, day))


@case("J9")
def test_overlapping_temporary_schedules_become_one():
    first = temporary(
        *("2026-06-01 08:00 UTC", "2026-06-01 12:00 UTC"),
        fixed("2026-06-01 08:00 UTC", "2026-06-01 12:00 UTC", ANN),
    )
    second = temporary(
        *("2026-06-01 11:00 UTC", "2026-06-01 16:00 UTC"),
        fixed("2026-06-01 11:00 UTC", "2026-06-01 16:00 UTC", ANN),
        fixed("2026-06-01 12:00 UTC", "2026-06-01 13:00 UTC", BOB),
    )

    assert merge_temporaries([first], second) == (
        temporary(
            *("2026-06-01 08:00 UTC", "2026-06-01 16:00 UTC"),
            fixed("2026-06-01 08:00 UTC", "2026-06-01 16:00 UTC", ANN),
            fixed("2026-06-01 12:00 UTC", "2026-06-01 13:00 UTC", BOB),
        ),
    )


@case("J9", "J7")
def test_new_temporary_schedule_takes_the_place_of_what_was_in_its_span():
    day = ("2026-06-02 00:00 UTC", "2026-06-03 00:00 UTC")
    old = temporary(*JUNE, fixed(*JUNE, DAN))

    merged = merge_temporaries([old], temporary(*day, fixed(*day, ANN)))

    assert merged == (
        temporary(
            *JUNE,
            fixed("2026-06-01 00:00 UTC", "2026-06-02 00:00 UTC", DAN),
            fixed("2026-06-02 00:00 UTC", "2026-06-03 00:00 UTC", ANN),
            fixed("2026-06-03 00:00 UTC", "2026-06-08 00:00 UTC", DAN),
        ),
    )


@case("J9")
def test_shifts_of_a_temporary_schedule_are_clamped_to_its_span():
    day = ("2026-06-02 00:00 UTC", "2026-06-03 00:00 UTC")

    merged = merge_temporaries([], temporary(*day, fixed(*JUNE, ANN, BOB), fixed(*JUNE, ANN)))

    assert merged == (temporary(*day, fixed(*day, ANN), fixed(*day, BOB)),)


@case("J9")
def test_temporary_schedules_apart_stay_apart():
    one = temporary("2026-06-01 00:00 UTC", "2026-06-02 00:00 UTC")
    two = temporary("2026-06-03 00:00 UTC", "2026-06-04 00:00 UTC")

    assert merge_temporaries([two], one) == (one, two)


@case("J9")
def test_deleting_the_middle_of_a_temporary_schedule_leaves_two():
    whole = temporary(*JUNE, fixed(*JUNE, DAN))

    assert cut_temporary(
        [whole], instant("2026-06-02 00:00 UTC"), instant("2026-06-03 00:00 UTC")
    ) == (
        temporary(
            *("2026-06-01 00:00 UTC", "2026-06-02 00:00 UTC"),
            fixed("2026-06-01 00:00 UTC", "2026-06-02 00:00 UTC", DAN),
        ),
        temporary(
            *("2026-06-03 00:00 UTC", "2026-06-08 00:00 UTC"),
            fixed("2026-06-03 00:00 UTC", "2026-06-08 00:00 UTC", DAN),
        ),
    )


@case("J9")
@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        ("2026-05-01 00:00 UTC", "2026-07-01 00:00 UTC", 0),
        ("2026-06-02 00:00 UTC", "2026-07-01 00:00 UTC", 1),
        ("2026-05-01 00:00 UTC", "2026-06-02 00:00 UTC", 1),
        ("2026-05-01 00:00 UTC", "2026-06-01 00:00 UTC", 1),
        ("2026-06-03 00:00 UTC", "2026-06-02 00:00 UTC", 1),
    ],
    ids=["all", "the end", "the beginning", "before", "no time"],
)
def test_deleting_a_part_of_a_temporary_schedule(start, end, left):
    whole = temporary(*JUNE, fixed(*JUNE, DAN))

    kept = cut_temporary([whole], instant(start), instant(end))

    assert len(kept) == left
    assert all(one.shifts[0].starts_at == one.starts_at for one in kept)
    assert all(one.shifts[0].ends_at == one.ends_at for one in kept)
