"""Which person a schedule of several layers and members names, and what it refuses."""

from datetime import UTC, datetime, timedelta

import pytest

from escalations.oncall import (
    MAX_LENGTH,
    Layer,
    Rotation,
    ScheduleSpec,
    next_change,
    on_call_at,
    shifts_between,
)
from tests.escalations.rotas import ANN, BOB, CEM, NEW_YORK, instant, layer, shift_at


def test_members_take_turns_in_order_also_before_the_anchor():
    spec = ScheduleSpec("UTC", (layer("daily", 1, "2026-06-10 00:00 UTC", ANN, BOB, CEM),))
    days = [instant(f"2026-06-{day:02} 12:00 UTC") for day in range(7, 14)]

    assert [on_call_at(spec, day) for day in days] == [
        (one,) for one in (ANN, BOB, CEM, ANN, BOB, CEM, ANN)
    ]


def test_first_layer_with_somebody_on_call_wins():
    spec = ScheduleSpec(
        "UTC",
        (
            Layer("empty", Rotation("daily", 1, instant("2026-06-01 00:00 UTC")), ()),
            layer("daily", 1, "2026-06-01 00:00 UTC", BOB, rank=1),
            layer("daily", 1, "2026-06-01 00:00 UTC", CEM, rank=2),
        ),
    )

    assert on_call_at(spec, instant("2026-06-01 12:00 UTC")) == (BOB,)


def test_layer_that_ended_leaves_the_next_one_on_call():
    spec = ScheduleSpec(
        "UTC",
        (
            layer("daily", 1, "2026-06-01 00:00 UTC", ANN, ends_at="2026-06-02 12:00:30 UTC"),
            layer("daily", 1, "2026-06-01 00:00 UTC", BOB, name="secondary", rank=1),
        ),
    )

    assert on_call_at(spec, instant("2026-06-02 11:59:59 UTC")) == (ANN,)
    assert on_call_at(spec, instant("2026-06-02 12:00:00 UTC")) == (BOB,)
    assert next_change(spec, instant("2026-06-01 00:00 UTC")) == instant("2026-06-02 12:00 UTC")


@pytest.mark.parametrize(
    "layers",
    [
        (),
        (Layer("empty", Rotation("daily", 1, instant("2026-06-01 00:00 UTC")), ()),),
        (layer("daily", 1, "2026-06-01 00:00 UTC", ANN, ends_at="2026-06-02 00:00 UTC"),),
    ],
    ids=["no layers", "no members", "ended"],
)
def test_schedule_without_people_has_nobody_on_call(layers):
    spec = ScheduleSpec("UTC", layers)
    at = instant("2026-06-02 00:00 UTC")

    assert on_call_at(spec, at) == ()
    assert next_change(spec, at) is None
    assert shifts_between(spec, at, at + timedelta(days=7)) == []
    assert all(shift_at(one, "UTC", at) is None for one in layers)


def test_turns_of_one_person_in_a_row_are_one_shift():  # P7
    spec = ScheduleSpec("UTC", (layer("daily", 1, "2026-06-01 00:00 UTC", ANN, ANN, BOB),))

    shifts = shifts_between(spec, instant("2026-06-01 00:00 UTC"), instant("2026-06-05 00:00 UTC"))

    assert [(s.user_id, s.starts_at.day, s.ends_at.day) for s in shifts] == [
        (ANN, 1, 3),
        (BOB, 3, 4),
        (ANN, 4, 5),
    ]
    assert next_change(spec, instant("2026-06-01 06:00 UTC")) == instant("2026-06-03 00:00 UTC")


def test_shifts_are_cut_at_the_window_and_where_a_layer_ends():
    spec = ScheduleSpec(
        "UTC",
        (
            layer("daily", 1, "2026-06-01 00:00 UTC", ANN, BOB, ends_at="2026-06-02 12:00 UTC"),
            layer("weekly", 1, "2026-06-01 00:00 UTC", CEM, name="secondary", rank=1),
        ),
    )

    shifts = shifts_between(spec, instant("2026-06-01 06:00 UTC"), instant("2026-06-02 18:00 UTC"))

    assert [(s.source, s.user_id, s.starts_at, s.ends_at) for s in shifts] == [
        ("primary", ANN, instant("2026-06-01 06:00 UTC"), instant("2026-06-02 00:00 UTC")),
        ("primary", BOB, instant("2026-06-02 00:00 UTC"), instant("2026-06-02 12:00 UTC")),
        ("secondary", CEM, instant("2026-06-02 12:00 UTC"), instant("2026-06-02 18:00 UTC")),
    ]


def test_empty_window_has_no_shifts():
    spec = ScheduleSpec("UTC", (layer("daily", 1, "2026-06-01 00:00 UTC", ANN, BOB),))
    at = instant("2026-06-01 06:00 UTC")

    assert shifts_between(spec, at, at) == []
    assert shifts_between(spec, at, at - timedelta(days=1)) == []


def test_one_person_for_ever_never_hands_off():
    spec = ScheduleSpec("UTC", (layer("daily", 1, "2026-06-01 00:00 UTC", ANN, ANN),))

    assert next_change(spec, instant("2026-06-01 06:00 UTC")) is None


def test_last_layer_hands_off_to_nobody_when_it_ends():
    spec = ScheduleSpec(
        "UTC", (layer("daily", 1, "2026-06-01 00:00 UTC", ANN, ends_at="2026-06-09 00:00 UTC"),)
    )

    assert next_change(spec, instant("2026-06-01 06:00 UTC")) == instant("2026-06-09 00:00 UTC")


def test_handoff_skips_a_layer_below_with_the_same_person():
    spec = ScheduleSpec(
        "UTC",
        (
            layer("daily", 1, "2026-06-01 00:00 UTC", ANN, ends_at="2026-06-03 12:00 UTC"),
            layer("daily", 1, "2026-06-01 00:00 UTC", ANN, BOB, name="secondary", rank=1),
        ),
    )

    assert next_change(spec, instant("2026-06-01 06:00 UTC")) == instant("2026-06-04 00:00 UTC")


# What cannot be calculated


@pytest.mark.parametrize("length", [0, -1, MAX_LENGTH + 1])
def test_rotation_refuses_an_impossible_length(length):
    with pytest.raises(ValueError, match="length"):
        Rotation("daily", length, instant("2026-06-01 00:00 UTC"))


@pytest.mark.parametrize("year", [1, 1899, 2200, 9999])
def test_absurd_years_are_refused(year):
    spec = ScheduleSpec("UTC", (layer("daily", 1, "2026-06-01 00:00 UTC", ANN, BOB),))

    with pytest.raises(ValueError, match="years"):
        on_call_at(spec, datetime(year, 6, 1, tzinfo=UTC))


def test_naive_instants_are_refused():
    naive = datetime(2026, 6, 1)
    daily = Rotation("daily", 1, instant("2026-06-01 00:00 UTC"))

    with pytest.raises(ValueError, match="time zone"):
        on_call_at(ScheduleSpec("UTC", ()), naive)
    with pytest.raises(ValueError, match="time zone"):
        Rotation("daily", 1, naive)
    with pytest.raises(ValueError, match="time zone"):
        Layer("primary", daily, ((ANN,),), naive)


@pytest.mark.parametrize("kind", ["hourly", "daily", "weekly", "monthly"])
@pytest.mark.parametrize("year", [1900, 2199])
def test_longest_rotation_has_an_answer_at_the_ends_of_time(kind, year):
    anchor = Rotation(kind, MAX_LENGTH, datetime(2199 if year == 1900 else 1900, 6, 1, tzinfo=UTC))
    spec = ScheduleSpec(NEW_YORK, (Layer("primary", anchor, ((ANN,), (BOB,))),))

    assert on_call_at(spec, datetime(year, 6, 1, tzinfo=UTC)) in ((ANN,), (BOB,))
