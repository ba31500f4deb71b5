"""Rotations under restrictions: whose turn it is when some of it is inactive."""

import time
from datetime import timedelta

import pytest

from escalations.oncall import (
    on_call_at,
    shifts_between,
)
from tests.escalations.rotas import (
    ANN,
    BOB,
    NEW_YORK,
    case,
    instant,
    layer,
    row,
    rows,
    rule,
    schedule,
)

WORKDAYS = "Mon Tue Wed Thu Fri"


@case("X11")
def test_fourteen_people_on_workdays_all_get_a_turn_when_inactive_days_are_skipped():
    people = range(1, 15)
    rota = layer(
        *("daily", 1, "2026-03-09 00:00 UTC", *people),
        restrictions=(rule(WORKDAYS, "00:00", "00:00"),),
        skips_inactive=True,
    )

    shifts = rows(schedule(rota), "2026-03-09 00:00 UTC", "2026-05-04 00:00 UTC")

    assert [user_id for user_id, _, _ in shifts] == [*people, *people, *range(1, 13)]


@case("X11")
def test_fourteen_people_on_workdays_without_skipping_leave_four_without_a_turn():
    rota = layer(
        *("daily", 1, "2026-03-09 00:00 UTC", *range(1, 15)),
        restrictions=(rule(WORKDAYS, "00:00", "00:00"),),
    )

    shifts = rows(schedule(rota), "2026-03-09 00:00 UTC", "2026-05-04 00:00 UTC")

    assert {user_id for user_id, _, _ in shifts} == {1, 2, 3, 4, 5, 8, 9, 10, 11, 12}


@pytest.mark.parametrize(
    ("kind", "length", "expected"),
    [
        # Every eight hours from 00:00; the rules leave the slot of 08:00, Monday to Wednesday.
        pytest.param("hourly", 8, ["09 Ann", "10 Bob", "11 Ann", "16 Bob", "17 Ann"], id="hourly"),
        # Slots start on the 9th, 11th, 13th, 15th: that of Friday and Saturday is nobody's.
        pytest.param("daily", 2, ["09 Ann", "10 Ann", "11 Bob", "16 Ann", "17 Bob"], id="daily"),
        pytest.param("weekly", 1, ["09 Ann", "10 Ann", "11 Ann", "16 Bob", "17 Bob"], id="weekly"),
        pytest.param(
            "monthly", 1, ["09 Ann", "10 Ann", "11 Ann", "16 Ann", "17 Ann"], id="monthly"
        ),
    ],
)
def test_skipping_works_for_every_rotation(kind, length, expected):
    rota = layer(
        *(kind, length, "2026-03-09 00:00 UTC", ANN, BOB),
        restrictions=(rule("Mon Tue Wed", "09:00", "15:00"),),
        skips_inactive=True,
    )
    names = {ANN: "Ann", BOB: "Bob"}

    shifts = rows(schedule(rota), "2026-03-09 00:00 UTC", "2026-03-18 00:00 UTC")

    assert [f"{starts_at:%d} {names[user_id]}" for user_id, starts_at, _ in shifts] == expected


def test_monthly_shifts_on_inactive_days_are_skipped():
    # The first of the month, workdays only: 1 August and 1 November 2026 are weekend days.
    firsts = layer(
        *("monthly", 1, "2026-06-01 00:00 UTC", ANN, BOB),
        shift_hours=24,
        restrictions=(rule(WORKDAYS, "00:00", "00:00"),),
        skips_inactive=True,
    )

    shifts = rows(schedule(firsts), "2026-04-01 00:00 UTC", "2026-12-02 00:00 UTC")

    assert [(starts_at.month, user_id) for user_id, starts_at, _ in shifts] == [
        *[(4, ANN), (5, BOB), (6, ANN), (7, BOB), (9, ANN), (10, BOB), (12, ANN)]
    ]


def test_slot_whose_only_open_hour_is_skipped_by_the_clock_leaves_its_turn():
    # Daily, on call from 02:00 to 03:00: on 8 March that hour does not exist.
    rota = layer(
        *("daily", 1, "2026-03-07 00:00 EST", ANN, BOB),
        restrictions=(rule("daily", "02:00", "03:00"),),
        skips_inactive=True,
    )

    assert rows(schedule(rota, zone=NEW_YORK), "2026-03-07 00:00 EST", "2026-03-11 00:00 EDT") == [
        row(ANN, "2026-03-07 02:00 EST", "2026-03-07 03:00 EST"),
        row(BOB, "2026-03-09 02:00 EDT", "2026-03-09 03:00 EDT"),
        row(ANN, "2026-03-10 02:00 EDT", "2026-03-10 03:00 EDT"),
    ]


@case("X9")
def test_rotation_of_six_weeks_has_one_person_for_the_four_evenings():
    evenings = layer(
        *("weekly", 6, "2026-03-01 00:00 UTC", *range(1, 25)),
        restrictions=(rule("Sun Mon Tue Wed", "19:40", "22:53"),),
    )

    shifts = rows(schedule(evenings), "2026-03-01 00:00 UTC", "2026-03-08 00:00 UTC")

    assert shifts == [
        row(1, f"2026-03-0{day} 19:40 UTC", f"2026-03-0{day} 22:53 UTC") for day in range(1, 5)
    ]


@case("X10")
def test_day_and_night_rotations_alternate_like_a_chessboard():
    chicago = "America/Chicago"
    days = layer(
        *("daily", 1, "2026-06-01 08:00 CDT", 1, 2, 3),
        name="days",
        restrictions=(rule("daily", "08:00", "20:00"),),
    )
    nights = layer(
        *("daily", 1, "2026-06-01 20:00 CDT", 4, 5),
        name="nights",
        restrictions=(rule("daily", "20:00", "08:00"),),
    )
    start, end = instant("2026-06-01 08:00 CDT"), instant("2026-06-08 06:00 CDT")

    shifts = shifts_between(schedule(days, nights, zone=chicago), start, end)

    assert [shift.source for shift in shifts] == ["days", "nights"] * 7
    assert [shift.user_id for shift in shifts] == [1, 4, 2, 5, 3, 4, 1, 5, 2, 4, 3, 5, 1, 4]
    assert {shift.length for shift in shifts[:-1]} == {timedelta(hours=12)}
    assert (shifts[-1].starts_at, shifts[-1].ends_at) == (instant("2026-06-07 20:00 CDT"), end)


@pytest.mark.parametrize("kind", ["hourly", "monthly"])
def test_asking_again_does_not_count_from_an_anchor_long_ago(kind: str) -> None:
    days = WORKDAYS.split()
    rules = [rule(days[n % 5], f"{n % 23:02}:00", f"{n % 23:02}:30") for n in range(50)]
    rota = layer(
        *(kind, 1, "1901-01-01 00:00 UTC", ANN, BOB),
        restrictions=tuple(rules),
        skips_inactive=True,
        shift_hours=1,
    )
    plan = schedule(rota, zone="Europe/Vienna")
    on_call_at(plan, instant("2026-03-09 00:00 UTC"))

    began = time.process_time()
    for hour in range(20):
        on_call_at(plan, instant(f"2026-03-09 {hour:02}:05 UTC"))

    assert time.process_time() - began < 2
