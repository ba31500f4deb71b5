"""Which people a schedule of several layers and turns names, and what it refuses."""

import json
from datetime import UTC, datetime, time, timedelta

import pytest

from escalations.oncall import (
    MAX_LENGTH,
    History,
    Layer,
    Override,
    Restriction,
    Rotation,
    ScheduleSpec,
    Version,
    next_change,
    on_call_at,
    shifts_between,
    spec_from_json,
    spec_to_json,
    turn_at,
)
from tests.escalations.rotas import (
    ANN,
    BOB,
    CEM,
    DAN,
    NEW_YORK,
    case,
    instant,
    layer,
    override,
    rule,
    schedule,
    shift_at,
)


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
    ids=["no layers", "P4 R11 no members", "ended"],
)
def test_schedule_without_people_has_nobody_on_call(layers):
    spec = ScheduleSpec("UTC", layers)
    at = instant("2026-06-02 00:00 UTC")

    assert on_call_at(spec, at) == ()
    assert next_change(spec, at) is None
    assert shifts_between(spec, at, at + timedelta(days=7)) == []
    assert all(shift_at(one, "UTC", at) is None for one in layers)


@case("P7")
def test_turns_of_one_person_in_a_row_are_one_shift():
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


@pytest.mark.parametrize("kind", ["add", "replace", "remove"])
def test_override_refuses_to_be_without_whom_it_is_about(kind):
    start, end = instant("2026-06-01 00:00 UTC"), instant("2026-06-02 00:00 UTC")

    with pytest.raises(ValueError, match="an override that"):
        Override(kind, start, end, None, None)


def test_restriction_and_shift_refuse_what_is_no_time():
    with pytest.raises(ValueError, match="weekday"):
        Restriction(frozenset({7}), time(8), time(20))
    with pytest.raises(ValueError, match="hour"):
        layer("daily", 1, "2026-06-01 00:00 UTC", ANN, shift_hours=0)


def test_history_refuses_to_be_out_of_order():
    new, old = (Version(instant(f"2026-06-0{day} 00:00 UTC"), schedule()) for day in (2, 1))

    with pytest.raises(ValueError, match="oldest first"):
        History((new, old))


# Whose turn it is


def test_turn_goes_on_where_nobody_is_on_call():
    nights = layer(
        *("daily", 1, "2026-06-01 00:00 UTC", ANN, BOB),
        restrictions=(rule("daily", "20:00", "08:00"),),
    )

    assert turn_at(nights, "UTC", instant("2026-06-01 12:00 UTC")) == 0
    assert turn_at(nights, "UTC", instant("2026-06-02 12:00 UTC")) == 1


@case("X11")
def test_turn_of_a_skipped_day_is_that_of_the_next_person():
    workdays = layer(
        *("daily", 1, "2026-06-01 00:00 UTC", *range(7)),
        restrictions=(rule("Mon Tue Wed Thu Fri", "00:00", "00:00"),),
        skips_inactive=True,
    )
    days = [instant(f"2026-06-0{day} 12:00 UTC") for day in range(5, 10)]  # Friday to Tuesday

    assert [turn_at(workdays, "UTC", day) for day in days] == [4, 5, 5, 5, 6]


@pytest.mark.parametrize(
    "one",
    [
        layer("daily", 1, "2026-06-01 00:00 UTC", ANN, begins_at="2026-06-02 00:00 UTC"),
        layer("daily", 1, "2026-05-01 00:00 UTC", ANN, ends_at="2026-06-01 12:00 UTC"),
        Layer("empty", Rotation("daily", 1, instant("2026-06-01 00:00 UTC")), ()),
        Layer("calendar", None, ()),
    ],
    ids=["not begun", "ended", "no turns", "no rotation"],
)
def test_it_is_nobodys_turn_in_a_layer_without_any(one):
    assert turn_at(one, "UTC", instant("2026-06-01 12:00 UTC")) is None


@pytest.mark.parametrize(
    ("people", "day", "turn"),
    [
        pytest.param((ANN, ANN, BOB), 1, 0, id="P7 first turn of Ann"),
        pytest.param((ANN, ANN, BOB), 2, 1, id="P7 second turn of Ann"),
        pytest.param((ANN, BOB), 2, 1, id="P7 one of Ann's turns deleted"),
        pytest.param((ANN, BOB), 3, 0, id="P7 one of Ann's turns deleted, round"),
    ],
)
def test_same_person_may_have_several_turns(people, day, turn):
    rota = layer("daily", 1, "2026-06-01 00:00 UTC", *people)

    assert turn_at(rota, "UTC", instant(f"2026-06-0{day} 12:00 UTC")) == turn


# The scenarios of rotations


@pytest.mark.parametrize(
    ("kind", "length", "hours"),
    [
        pytest.param("daily", 2, 48 + 24, id="K1 daily"),
        pytest.param("weekly", 1, 7 * 24 + 24, id="K1 weekly"),
        pytest.param("monthly", 1, 30 * 24 + 24, id="K1 monthly"),
        pytest.param("hourly", 1, 1, id="K1 hourly"),
    ],
)
def test_next_person_is_on_after_the_length_and_a_margin(kind, length, hours):
    rota = schedule(layer(kind, length, "2026-06-01 00:00 UTC", ANN, BOB))
    start = instant("2026-06-01 00:00 UTC")

    assert on_call_at(rota, start) == (ANN,)
    assert on_call_at(rota, start + timedelta(hours=hours)) == (BOB,)


@case("K2")
def test_two_people_of_two_hours_each_take_turns():
    start = instant("2026-06-01 08:10 UTC")
    rota = schedule(layer("hourly", 2, "2026-06-01 08:10 UTC", ANN, BOB))

    assert on_call_at(rota, start + timedelta(hours=3, minutes=50)) == (BOB,)
    assert on_call_at(rota, start + timedelta(hours=4, minutes=10)) == (ANN,)


@pytest.mark.parametrize(
    ("anchor", "handoff"),
    [
        pytest.param("2026-01-15 09:00 EST", "2026-06-01 09:00 EDT", id="K5 winter to summer"),
        pytest.param("2026-06-15 09:00 EDT", "2026-12-01 09:00 EST", id="K5 summer to winter"),
        pytest.param("2026-06-15 09:00 EDT", "2026-02-02 09:00 EST", id="K5 back in time"),
    ],
)
def test_start_beyond_a_change_of_the_clocks_keeps_the_wall_time_of_handoffs(anchor, handoff):
    rota = layer("daily", 1, anchor, ANN, BOB)
    at = instant(handoff)

    before, after = (turn_at(rota, NEW_YORK, at + timedelta(seconds=s)) for s in (-1, 0))

    assert {before, after} == {0, 1}


@case("R8", "P10")
def test_late_engine_finds_who_is_on_call_however_many_handoffs_it_missed():
    rota = schedule(layer("daily", 1, "2026-06-01 00:00 UTC", ANN, BOB, CEM, DAN))
    stopped = instant("2026-06-02 12:00 UTC")

    assert on_call_at(rota, stopped) == (BOB,)
    assert on_call_at(rota, stopped + timedelta(days=3)) == (ANN,)  # three on, round the end


@case("P11")
def test_clocks_that_differ_by_minutes_see_the_same_handoff():  # only the instant counts
    rota = schedule(layer("daily", 1, "2026-06-01 00:00 UTC", ANN, BOB))
    handoff = instant("2026-06-02 00:00 UTC")

    assert next_change(rota, handoff - timedelta(minutes=2)) == handoff
    assert next_change(rota, handoff - timedelta(minutes=4)) == handoff


# Stored


def test_equal_schedules_have_the_same_json():
    spec = schedule(
        layer(
            *("weekly", 1, "2026-06-01 09:00 UTC", ANN, (BOB, CEM)),
            begins_at="2026-06-01 00:00 UTC",
            shift_hours=8,
            restrictions=(rule("Sun Mon", "20:00", "08:00"),),
        ),
        overrides=(override("add", "2026-06-01 00:00 UTC", "2026-06-02 00:00 UTC", DAN),),
    )

    text = json.dumps(spec_to_json(spec))

    assert spec_from_json(json.loads(text)) == spec
    assert json.dumps(spec_to_json(spec_from_json(json.loads(text)))) == text
    assert '"weekdays": [0, 6]' in text
    assert '"starts": "20:00"' in text
