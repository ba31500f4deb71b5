"""Layers together, overrides, temporary schedules and history: each row named by its number."""

import pytest

from escalations.oncall import (
    Override,
    gaps_between,
    shifts_of,
)
from tests.escalations.rotas import (
    ANN,
    BOB,
    CEM,
    DAN,
    always,
    case,
    fixed,
    instant,
    layer,
    override,
    people,
    row,
    rows,
    rule,
    schedule,
)

JUNE = ("2026-06-01 00:00 UTC", "2026-06-08 00:00 UTC")  # Monday to Sunday


# Layers together


@case("R9")
def test_layers_of_one_rank_are_on_call_together():
    plan = schedule(
        always(ANN, name="first"),
        always(BOB, CEM, name="second", restrictions=(rule("daily", "09:00", "17:00"),)),
    )

    assert people(plan, "2026-06-01 08:59 UTC") == (ANN,)
    assert people(plan, "2026-06-01 09:00 UTC") == (ANN, BOB, CEM)


def test_lowest_rank_with_somebody_on_call_decides_alone():
    plan = schedule(
        always(ANN, rank=2),
        always(BOB, rank=1, restrictions=(rule("daily", "09:00", "17:00"),)),
        always(CEM, rank=1, restrictions=(rule("daily", "16:00", "18:00"),)),
    )

    assert rows(plan, "2026-06-01 00:00 UTC", "2026-06-02 00:00 UTC") == [
        row(ANN, "2026-06-01 00:00 UTC", "2026-06-01 09:00 UTC"),
        row(BOB, "2026-06-01 09:00 UTC", "2026-06-01 17:00 UTC"),
        row(CEM, "2026-06-01 16:00 UTC", "2026-06-01 18:00 UTC"),
        row(ANN, "2026-06-01 18:00 UTC", "2026-06-02 00:00 UTC"),
    ]


@case("X4", "J6")
def test_person_in_two_layers_is_on_call_once():
    plan = schedule(
        always(ANN, name="first"),
        always(BOB, ANN, name="second", restrictions=(rule("daily", "09:00", "17:00"),)),
    )

    assert people(plan, "2026-06-01 12:00 UTC") == (ANN, BOB)
    assert rows(plan, *JUNE)[0] == row(ANN, *JUNE)


def test_turn_of_several_people_has_all_of_them_on_call():
    plan = schedule(layer("daily", 1, "2026-06-01 00:00 UTC", (ANN, BOB), CEM))

    assert rows(plan, "2026-06-01 00:00 UTC", "2026-06-03 00:00 UTC") == [
        row(ANN, "2026-06-01 00:00 UTC", "2026-06-02 00:00 UTC"),
        row(BOB, "2026-06-01 00:00 UTC", "2026-06-02 00:00 UTC"),
        row(CEM, "2026-06-02 00:00 UTC", "2026-06-03 00:00 UTC"),
    ]


def test_person_in_two_turns_in_a_row_has_one_shift_beside_others():
    plan = schedule(layer("daily", 1, "2026-06-01 00:00 UTC", (ANN, BOB), (ANN, CEM), DAN))

    assert rows(plan, "2026-06-01 00:00 UTC", "2026-06-03 00:00 UTC") == [
        row(ANN, "2026-06-01 00:00 UTC", "2026-06-03 00:00 UTC"),
        row(BOB, "2026-06-01 00:00 UTC", "2026-06-02 00:00 UTC"),
        row(CEM, "2026-06-02 00:00 UTC", "2026-06-03 00:00 UTC"),
    ]


def test_turn_of_nobody_is_a_gap():
    plan = schedule(layer("daily", 1, "2026-06-01 00:00 UTC", ANN, ()))

    (gap, *_) = gaps_between(plan, *map(instant, JUNE))

    assert (gap.starts_at, gap.ends_at) == (
        instant("2026-06-02 00:00 UTC"),
        instant("2026-06-03 00:00 UTC"),
    )


def test_layer_has_nobody_before_it_begins_and_after_it_ends():
    plan = schedule(
        layer(
            *("daily", 1, "2026-06-01 00:00 UTC", ANN, BOB),
            begins_at="2026-06-02 12:00:30 UTC",
            ends_at="2026-06-04 06:00 UTC",
        )
    )

    assert rows(plan, *JUNE) == [
        row(BOB, "2026-06-02 12:00 UTC", "2026-06-03 00:00 UTC"),
        row(ANN, "2026-06-03 00:00 UTC", "2026-06-04 00:00 UTC"),
        row(BOB, "2026-06-04 00:00 UTC", "2026-06-04 06:00 UTC"),
    ]


def test_imported_calendar_is_on_call_by_its_own_shifts():
    calendar = always(
        fixed=(
            fixed("2026-06-02 09:00 UTC", "2026-06-02 17:00 UTC", BOB),
            fixed("2026-06-02 12:00 UTC", "2026-06-02 14:00 UTC", CEM),
            fixed("2026-06-03 09:00 UTC", "2026-06-03 08:00 UTC", CEM),  # ends too early: no time
        )
    )
    plan = schedule(calendar, always(ANN, rank=1))

    assert rows(plan, "2026-06-02 00:00 UTC", "2026-06-04 00:00 UTC") == [
        row(ANN, "2026-06-02 00:00 UTC", "2026-06-02 09:00 UTC"),
        row(BOB, "2026-06-02 09:00 UTC", "2026-06-02 17:00 UTC"),
        row(CEM, "2026-06-02 12:00 UTC", "2026-06-02 14:00 UTC"),
        row(ANN, "2026-06-02 17:00 UTC", "2026-06-04 00:00 UTC"),
    ]


# Overrides. Ann always, Bob from 9 to 21.

BOBS_HOURS = {"name": "Bob's", "restrictions": (rule("daily", "09:00", "21:00"),)}


def with_overrides(*overrides):
    return schedule(always(ANN, name="Ann's"), always(BOB, **BOBS_HOURS), overrides=overrides)


@pytest.mark.parametrize(
    ("kind", "user_id", "replaces", "expected"),
    [
        # Who is on call on 3 June at 08:00, 09:00, 20:00 and 21:00, between 2 and 6 June.
        pytest.param(
            *("add", CEM, None, [(ANN, CEM), (ANN, BOB, CEM), (ANN, BOB, CEM), (ANN, CEM)]),
            id="J2 X1 add",
        ),
        pytest.param(
            *("remove", None, BOB, [(ANN,), (ANN,), (ANN,), (ANN,)]),
            id="J3 X1 remove",
        ),
        pytest.param(
            *("replace", CEM, BOB, [(ANN,), (ANN, CEM), (ANN, CEM), (ANN,)]),
            id="J4 X1 replace, only in Bob's hours",
        ),
        pytest.param(
            *("replace", CEM, DAN, [(ANN,), (ANN, BOB), (ANN, BOB), (ANN,)]),
            id="X2 replace of somebody who is not on call",
        ),
        pytest.param(
            *("replace", CEM, None, [(CEM,), (CEM,), (CEM,), (CEM,)]),
            id="replace of everybody",
        ),
        pytest.param(
            *("replace", BOB, ANN, [(BOB,), (BOB,), (BOB,), (BOB,)]),
            id="replace by somebody who is on call already",
        ),
        pytest.param(
            *("add", ANN, None, [(ANN,), (ANN, BOB), (ANN, BOB), (ANN,)]),
            id="X4 J6 add of somebody who is on call already",
        ),
    ],
)
def test_override(kind, user_id, replaces, expected):
    span = ("2026-06-02 00:00 UTC", "2026-06-06 00:00 UTC")
    plan = with_overrides(override(kind, *span, user_id, replaces))
    hours = ["08:00", "09:00", "20:59", "21:00"]

    assert [people(plan, f"2026-06-03 {hour} UTC") for hour in hours] == expected
    for day in (1, 7):  # before and after, nothing is changed
        plain = [people(with_overrides(), f"2026-06-0{day} {hour} UTC") for hour in hours]
        assert [people(plan, f"2026-06-0{day} {hour} UTC") for hour in hours] == plain


@case("R5")
def test_override_starts_and_ends_between_handoffs():
    plan = with_overrides(override("add", "2026-06-02 10:30 UTC", "2026-06-02 10:31 UTC", CEM))

    assert [(s.starts_at, s.ends_at) for s in shifts_of(plan, CEM, *map(instant, JUNE))] == [
        (instant("2026-06-02 10:30 UTC"), instant("2026-06-02 10:31 UTC"))
    ]


def test_replacement_where_nobody_is_on_call_puts_somebody_there():
    plan = schedule(overrides=(override("replace", *JUNE, CEM),))

    assert rows(plan, *JUNE) == [row(CEM, *JUNE)]


@case("X3")
def test_two_additions_of_one_person_with_a_hole_are_two_shifts():
    plan = with_overrides(
        override("add", "2026-06-02 00:00 UTC", "2026-06-03 00:00 UTC", CEM),
        override("add", "2026-06-04 00:00 UTC", "2026-06-05 00:00 UTC", CEM),
    )

    shifts = shifts_of(plan, CEM, *map(instant, JUNE))

    assert [(shift.starts_at.day, shift.ends_at.day) for shift in shifts] == [(2, 3), (4, 5)]
    assert {shift.kind for shift in shifts} == {"override"}


@case("X4")
def test_added_person_of_a_rule_has_one_shift():
    plan = with_overrides(override("add", "2026-06-02 00:00 UTC", "2026-06-03 00:00 UTC", ANN))

    assert shifts_of(plan, ANN, *map(instant, JUNE)) == shifts_of(
        with_overrides(), ANN, *map(instant, JUNE)
    )


def test_overrides_apply_in_their_order_each_on_the_result_of_the_last():
    first = override("replace", *JUNE, CEM, ANN)
    second = override("replace", *JUNE, DAN, CEM)
    plan = schedule(always(ANN), overrides=(first, second))
    other = schedule(always(ANN), overrides=(second, first))

    assert people(plan, "2026-06-02 00:00 UTC") == (DAN,)
    assert people(other, "2026-06-02 00:00 UTC") == (CEM,)


def test_override_that_ends_too_early_has_no_effect():
    plan = schedule(always(ANN), overrides=(override("add", JUNE[1], JUNE[0], BOB),))

    assert rows(plan, *JUNE) == [row(ANN, *JUNE)]


@case("X12")
@pytest.mark.parametrize(
    "way", ["one replacement of all the week", "one replacement for each of Bob's shifts"]
)
def test_cover_of_all_shifts_keeps_their_borders_and_gaps(way):
    rota = layer(
        *("daily", 1, "2026-06-01 00:00 UTC", ANN, BOB),
        restrictions=(rule("Mon Tue Wed Thu Fri", "08:00", "20:00"),),
    )
    of_bob = shifts_of(schedule(rota), BOB, *map(instant, JUNE))
    if way == "one replacement of all the week":
        overrides = (override("replace", *JUNE, CEM, BOB),)
    else:
        overrides = tuple(
            Override("replace", shift.starts_at, shift.ends_at, CEM, BOB) for shift in of_bob
        )

    plan = schedule(rota, overrides=overrides)
    of_cem = shifts_of(plan, CEM, *map(instant, JUNE))

    assert len(of_bob) == 2  # Tuesday and Thursday
    assert [(s.starts_at, s.ends_at) for s in of_cem] == [(s.starts_at, s.ends_at) for s in of_bob]
    assert shifts_of(plan, BOB, *map(instant, JUNE)) == []


# The on-call matrix


WEEKLY = layer("weekly", 1, "2026-06-01 00:00 UTC", ANN, BOB)  # Ann on 1 June
NOW = "2026-06-03 12:00 UTC"
PAST, RUNNING = ("2026-06-02 00:00 UTC", "2026-06-03 00:00 UTC"), ("2026-06-03 00:00 UTC", JUNE[1])


@pytest.mark.parametrize(
    ("layers", "overrides", "expected"),
    [
        pytest.param([always(CEM)], [], (CEM,), id="J6 direct user"),
        pytest.param([WEEKLY], [], (ANN,), id="J6 active person of a rotation"),
        pytest.param([WEEKLY, always(CEM)], [], (ANN, CEM), id="J6 rotation and user"),
        pytest.param(
            [WEEKLY, layer("weekly", 1, "2026-05-25 00:00 UTC", CEM, DAN)],
            *([], (ANN, DAN)),
            id="J6 several rotations",
        ),
        pytest.param([], [override("add", *RUNNING, CEM)], (CEM,), id="J6 active add, no rule"),
        pytest.param([], [override("add", *PAST, CEM)], (), id="J6 inactive add, no rule"),
        pytest.param([WEEKLY], [override("add", *RUNNING, CEM)], (ANN, CEM), id="J6 active add"),
        pytest.param([WEEKLY], [override("add", *PAST, CEM)], (ANN,), id="J6 inactive add"),
        pytest.param(
            *([always(DAN)], [override("replace", *RUNNING, CEM, DAN)], (CEM,)),
            id="J6 active replace of a user",
        ),
        pytest.param(
            *([always(DAN)], [override("replace", *PAST, CEM, DAN)], (DAN,)),
            id="J6 inactive replace of a user",
        ),
        pytest.param(
            *([WEEKLY], [override("replace", *RUNNING, CEM, ANN)], (CEM,)),
            id="J6 active replace of the active person of a rotation",
        ),
        pytest.param(
            *([WEEKLY], [override("replace", *PAST, CEM, ANN)], (ANN,)),
            id="J6 inactive replace of the active person of a rotation",
        ),
        pytest.param(
            *([WEEKLY], [override("replace", *RUNNING, CEM, BOB)], (ANN,)),
            id="J6 replace of another person of a rotation",
        ),
        pytest.param(
            *([always(CEM, restrictions=(rule("", "00:00", "00:00"),))], [], ()),
            id="J6 no weekday",
        ),
        pytest.param(
            *([WEEKLY], [override("remove", *RUNNING, None, ANN)], ()), id="J6 active remove"
        ),
        pytest.param(
            *([WEEKLY], [override("remove", *PAST, None, ANN)], (ANN,)), id="J6 inactive remove"
        ),
        pytest.param(
            *([WEEKLY], [override("add", *RUNNING, ANN)], (ANN,)), id="J6 add of someone already on"
        ),
        pytest.param(
            *([WEEKLY], [override("replace", *RUNNING, ANN, ANN)], (ANN,)), id="J6 for oneself"
        ),
    ],
)
def test_on_call_matrix(layers, overrides, expected):
    assert people(schedule(*layers, overrides=tuple(overrides)), NOW) == expected


@case("J1")
def test_rule_that_ends_hands_over_to_the_next_rule():
    plan = schedule(
        always(ANN, restrictions=(rule("daily", "00:00", "08:00"),)),
        always(BOB, restrictions=(rule("daily", "08:00", "00:00"),)),
    )

    assert people(plan, "2026-06-01 07:59 UTC") == (ANN,)
    assert people(plan, "2026-06-01 08:00 UTC") == (BOB,)
