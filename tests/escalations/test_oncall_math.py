"""The dated cases of the on-call maths: each row is one case, named by its number.

Zone is America/New_York unless a row says otherwise. In 2026 its clocks go forward on Sunday
8 March, 02:00 EST to 03:00 EDT, and back on Sunday 1 November, 02:00 EDT to 01:00 EST.
"""

from datetime import datetime, timedelta, timezone

import pytest

from escalations.oncall import (
    Layer,
    Rotation,
    ScheduleSpec,
    next_change,
    on_call_at,
    shifts_between,
)
from opsknight.wall_clock import wall_time
from tests.escalations.rotas import ANN, BOB, CEM, NEW_YORK, case, instant, layer, shift_at


def handoffs(of: Layer, zone: str, first: datetime, count: int) -> list[datetime]:
    """Walk the turns as a rotation does, each from the end of the one before."""
    found = [first]
    while len(found) < count:
        shift = shift_at(of, zone, found[-1])
        assert shift is not None
        assert shift.starts_at == found[-1]
        found.append(shift.ends_at)
    return found


# 6.2 Rotations across the change of clocks

SAT, SUN = "2026-03-07", "2026-03-08"
OCT31, NOV1 = "2026-10-31", "2026-11-01"

_HANDOFFS = {
    "T1 daily, spring": (
        *("daily", 1, "2026-03-01 09:00 EST"),
        "03-07 09:00 EST, 03-08 09:00 EDT, 03-09 09:00 EDT",
    ),
    "T2 daily, autumn": (
        *("daily", 1, "2026-03-01 09:00 EST"),
        "10-31 09:00 EDT, 11-01 09:00 EST, 11-02 09:00 EST",
    ),
    "T3 daily, in the gap": (
        *("daily", 1, "2026-03-01 02:30 EST"),
        "03-07 02:30 EST, 03-08 03:00 EDT, 03-09 02:30 EDT",
    ),
    "T4 daily, in the repeated hour": (
        *("daily", 1, "2026-03-01 01:30 EST"),
        "10-31 01:30 EDT, 11-01 01:30 EDT, 11-02 01:30 EST",
    ),
    "T5 weekly, spring": (
        *("weekly", 1, "2026-02-02 09:00 EST"),
        "03-02 09:00 EST, 03-09 09:00 EDT",
    ),
    "T6 weekly, autumn": (
        *("weekly", 1, "2026-02-02 09:00 EST"),
        "10-26 09:00 EDT, 11-02 09:00 EST",
    ),
    "T7 weekly, in the gap": (
        *("weekly", 1, "2026-02-01 02:30 EST"),
        "03-01 02:30 EST, 03-08 03:00 EDT, 03-15 02:30 EDT",
    ),
    "T8 hourly, the slot at 02 has no time": (
        *("hourly", 1, "2026-03-01 00:00 EST"),
        "03-08 01:00 EST, 03-08 03:00 EDT, 03-08 04:00 EDT",
    ),
    "T9 hourly at half past, spring": (
        *("hourly", 1, "2026-03-01 00:30 EST"),
        "03-08 01:30 EST, 03-08 03:00 EDT, 03-08 03:30 EDT, 03-08 04:30 EDT",
    ),
    "T10 hourly, autumn": (
        *("hourly", 1, "2026-03-01 00:00 EST"),
        "11-01 00:00 EDT, 11-01 01:00 EDT, 11-01 02:00 EST, 11-01 03:00 EST",
    ),
    "T11 hourly at half past, autumn": (
        *("hourly", 1, "2026-03-01 00:30 EST"),
        "11-01 01:30 EDT, 11-01 02:30 EST",
    ),
    "T12 every 3 hours, spring": (
        *("hourly", 3, "2026-03-01 00:00 EST"),
        "03-08 00:00 EST, 03-08 03:00 EDT, 03-08 06:00 EDT",
    ),
    "T12 every 3 hours, autumn": (
        *("hourly", 3, "2026-03-01 00:00 EST"),
        "11-01 00:00 EDT, 11-01 03:00 EST, 11-01 06:00 EST",
    ),
    "T13 every 8 hours, in the gap": (
        *("hourly", 8, "2026-03-01 02:00 EST"),
        "03-07 18:00 EST, 03-08 03:00 EDT, 03-08 10:00 EDT, 03-08 18:00 EDT",
    ),
    "T14 every 8 hours, autumn": (
        *("hourly", 8, "2026-03-01 02:00 EST"),
        "10-31 18:00 EDT, 11-01 02:00 EST, 11-01 10:00 EST",
    ),
    "T15 every 12 hours, spring": (
        *("hourly", 12, "2026-03-01 08:00 EST"),
        "03-07 20:00 EST, 03-08 08:00 EDT",
    ),
    "T15 every 12 hours, autumn": (
        *("hourly", 12, "2026-03-01 08:00 EST"),
        "10-31 20:00 EDT, 11-01 08:00 EST",
    ),
    "T16 every 24 hours, as T1": (
        *("hourly", 24, "2026-03-01 09:00 EST"),
        "03-07 09:00 EST, 03-08 09:00 EDT, 03-09 09:00 EDT",
    ),
    "T16 every 24 hours, as T2": (
        *("hourly", 24, "2026-03-01 09:00 EST"),
        "10-31 09:00 EDT, 11-01 09:00 EST, 11-02 09:00 EST",
    ),
    "T17 every 2 hours, spring": (
        *("hourly", 2, "2026-03-01 00:00 EST"),
        "03-08 00:00 EST, 03-08 03:00 EDT, 03-08 04:00 EDT, 03-08 06:00 EDT",
    ),
    "T18 every 2 days": (
        *("daily", 2, "2026-03-01 09:00 EST"),
        "03-05 09:00 EST, 03-07 09:00 EST, 03-09 09:00 EDT, 03-11 09:00 EDT",
    ),
    "M2 monthly, spring": (
        *("monthly", 1, "2026-03-01 00:00 EST"),
        "03-01 00:00 EST, 04-01 00:00 EDT",
    ),
    "M3 monthly, in the repeated hour": (
        *("monthly", 1, "2026-10-01 01:30 EDT"),
        "10-01 01:30 EDT, 11-01 01:30 EDT, 12-01 01:30 EST",
    ),
}


@pytest.mark.parametrize(
    ("kind", "length", "anchor", "expected"), _HANDOFFS.values(), ids=_HANDOFFS.keys()
)
def test_handoffs_in_new_york(kind, length, anchor, expected):
    instants = [instant(f"2026-{text}") for text in expected.split(", ")]

    found = handoffs(layer(kind, length, anchor, ANN, BOB), NEW_YORK, instants[0], len(instants))

    assert found == instants


@pytest.mark.parametrize(
    ("kind", "length", "anchor", "at", "hours"),
    [
        pytest.param("daily", 1, "2026-03-01 09:00 EST", f"{SAT} 12:00 EST", 23, id="T1"),
        pytest.param("daily", 1, "2026-03-01 09:00 EST", f"{OCT31} 12:00 EDT", 25, id="T2"),
        pytest.param("daily", 1, "2026-03-01 02:30 EST", f"{SAT} 12:00 EST", 23.5, id="T3"),
        pytest.param("daily", 1, "2026-03-01 02:30 EST", f"{SUN} 12:00 EDT", 23.5, id="T3"),
        pytest.param("daily", 1, "2026-03-01 01:30 EST", f"{OCT31} 12:00 EDT", 24, id="T4"),
        pytest.param("daily", 1, "2026-03-01 01:30 EST", f"{NOV1} 12:00 EST", 25, id="T4"),
        pytest.param("weekly", 1, "2026-02-02 09:00 EST", f"{SUN} 12:00 EDT", 6 * 24 + 23, id="T5"),
        pytest.param("weekly", 1, "2026-02-02 09:00 EST", f"{NOV1} 12:00 EST", 7 * 24 + 1, id="T6"),
        pytest.param(
            "weekly", 1, "2026-02-01 02:30 EST", f"{SAT} 12:00 EST", 6 * 24 + 23.5, id="T7"
        ),
        pytest.param(
            "weekly", 1, "2026-02-01 02:30 EST", f"{SUN} 12:00 EDT", 6 * 24 + 23.5, id="T7"
        ),
        pytest.param("hourly", 1, "2026-03-01 00:00 EST", f"{SUN} 01:59 EST", 1, id="T8"),
        pytest.param("hourly", 1, "2026-03-01 00:00 EST", f"{SUN} 03:00 EDT", 1, id="T8"),
        pytest.param("hourly", 1, "2026-03-01 00:30 EST", f"{SUN} 01:59 EST", 0.5, id="T9"),
        pytest.param("hourly", 1, "2026-03-01 00:30 EST", f"{SUN} 03:29 EDT", 0.5, id="T9"),
        pytest.param("hourly", 1, "2026-03-01 00:00 EST", f"{NOV1} 01:10 EDT", 2, id="T10"),
        pytest.param(
            "hourly", 1, "2026-03-01 00:00 EST", f"{NOV1} 01:10 EST", 2, id="T10, the second time"
        ),
        pytest.param("hourly", 1, "2026-03-01 00:30 EST", f"{NOV1} 01:10 EST", 2, id="T11"),
        pytest.param("hourly", 3, "2026-03-01 00:00 EST", f"{SUN} 00:30 EST", 2, id="T12"),
        pytest.param("hourly", 3, "2026-03-01 00:00 EST", f"{NOV1} 01:30 EST", 4, id="T12"),
        pytest.param("hourly", 8, "2026-03-01 02:00 EST", f"{SUN} 01:00 EST", 8, id="T13"),
        pytest.param("hourly", 8, "2026-03-01 02:00 EST", f"{SUN} 03:00 EDT", 7, id="T13"),
        pytest.param("hourly", 8, "2026-03-01 02:00 EST", f"{NOV1} 01:30 EST", 9, id="T14"),
        pytest.param("hourly", 12, "2026-03-01 08:00 EST", f"{SUN} 04:00 EDT", 11, id="T15"),
        pytest.param("hourly", 12, "2026-03-01 08:00 EST", f"{NOV1} 04:00 EST", 13, id="T15"),
        pytest.param("hourly", 24, "2026-03-01 09:00 EST", f"{SAT} 12:00 EST", 23, id="T16"),
        pytest.param("hourly", 24, "2026-03-01 09:00 EST", f"{OCT31} 12:00 EDT", 25, id="T16"),
        pytest.param("hourly", 2, "2026-03-01 00:00 EST", f"{SUN} 03:30 EDT", 1, id="T17"),
        pytest.param("daily", 2, "2026-03-01 09:00 EST", f"{SUN} 12:00 EDT", 47, id="T18"),
        pytest.param(
            "monthly", 1, "2026-03-01 00:00 EST", f"{SUN} 12:00 EDT", 31 * 24 - 1, id="M2"
        ),
        pytest.param(
            "monthly", 2, "2026-11-01 00:00 EDT", "2026-12-24 12:00 EST", 61 * 24 + 1, id="M2"
        ),
    ],
)
def test_real_length_of_a_turn_in_new_york(kind, length, anchor, at, hours):
    shift = shift_at(layer(kind, length, anchor, ANN, BOB), NEW_YORK, instant(at))

    assert shift is not None
    assert shift.ends_at - shift.starts_at == timedelta(hours=hours)


@case("T8")
@pytest.mark.parametrize(
    ("at", "user"),
    [
        ("00:30 EST", ANN),
        ("01:30 EST", BOB),
        ("03:30 EDT", CEM),  # the slot at 02 would have been Cem's; he takes the next one
        ("04:30 EDT", ANN),
        ("05:30 EDT", BOB),
    ],
)
def test_nobody_loses_a_turn_to_a_skipped_hour(at, user):
    spec = ScheduleSpec(NEW_YORK, (layer("hourly", 1, f"{SUN} 00:00 EST", ANN, BOB, CEM),))

    assert on_call_at(spec, instant(f"{SUN} {at}")) == (user,)


@case("T8", "R7")
def test_turns_before_the_anchor_are_not_lost_to_a_skipped_hour_either():
    spec = ScheduleSpec(NEW_YORK, (layer("hourly", 1, f"{SUN} 05:00 EDT", ANN, BOB, CEM),))

    shifts = shifts_between(spec, instant(f"{SUN} 00:00 EST"), instant(f"{SUN} 07:00 EDT"))

    assert [shift.user_id for shift in shifts] == [CEM, ANN, BOB, CEM, ANN, BOB]
    assert [on_call_at(spec, shift.starts_at) for shift in shifts] == [
        (one,) for one in (3, 1, 2, 3, 1, 2)
    ]


def test_a_skipped_day_passes_its_turn_on():
    # Samoa crossed the date line: 30 December 2011 does not exist in Apia.
    anchor = datetime(2011, 12, 28, 0, 0, tzinfo=timezone(timedelta(hours=-10)))
    spec = ScheduleSpec(
        "Pacific/Apia", (Layer("daily", Rotation("daily", 1, anchor), ((ANN,), (BOB,), (CEM,))),)
    )

    shifts = shifts_between(spec, anchor, anchor + timedelta(days=4))

    assert [shift.user_id for shift in shifts] == [ANN, BOB, CEM, ANN]
    assert {shift.ends_at - shift.starts_at for shift in shifts} == {timedelta(days=1)}


@pytest.mark.parametrize(
    ("hours_later", "ends_at"),
    [
        pytest.param(30, "2026-06-02 19:00 UTC", id="T22 forward"),
        pytest.param(-30, "2026-05-31 07:00 UTC", id="T22 back, before the anchor"),
    ],
)
def test_grid_extends_both_ways_from_its_anchor(hours_later, ends_at):
    anchor = "2026-06-01 03:00 UTC"
    at = instant(anchor) + timedelta(hours=hours_later)

    shift = shift_at(layer("hourly", 10, anchor, ANN, BOB), "UTC", at)

    assert shift is not None
    assert shift.ends_at == instant(ends_at)


@pytest.mark.parametrize(
    ("before", "starts_at", "ends_at"),
    [
        pytest.param(
            *(timedelta(0), "2026-06-05 00:00 UTC", "2026-06-06 00:00 UTC"),
            id="T23 exactly at a handoff, five days before the rotation starts",
        ),
        pytest.param(
            *(timedelta(microseconds=1), "2026-06-04 00:00 UTC", "2026-06-05 00:00 UTC"),
            id="T23 the smallest step earlier",
        ),
    ],
)
def test_rotation_that_starts_in_the_future_has_turns_now(before, starts_at, ends_at):
    daily = layer("daily", 1, "2026-06-10 00:00 UTC", ANN, BOB)

    shift = shift_at(daily, "UTC", instant("2026-06-05 00:00 UTC") - before)

    assert shift is not None
    assert (shift.starts_at, shift.ends_at) == (instant(starts_at), instant(ends_at))


@case("B7", "P5", "R11")
def test_rotation_that_starts_in_the_future_has_its_only_member_on_call():
    spec = ScheduleSpec("UTC", (layer("weekly", 1, "2026-06-10 00:00 UTC", ANN),))

    assert on_call_at(spec, instant("2026-01-01 00:00 UTC")) == (ANN,)


@case("T24")
def test_changed_length_moves_the_next_change():
    at = instant("2026-06-01 06:00 UTC")
    old = ScheduleSpec("UTC", (layer("daily", 1, "2026-06-01 00:00 UTC", ANN, BOB),))
    new = ScheduleSpec("UTC", (layer("hourly", 12, "2026-06-01 00:00 UTC", ANN, BOB),))

    assert next_change(old, at) == instant("2026-06-02 00:00 UTC")
    assert next_change(new, at) == instant("2026-06-01 12:00 UTC")


@case("T25")
@pytest.mark.parametrize(
    ("at", "user"),
    [
        ("2026-06-02 08:59:59 EDT", ANN),  # one second before
        ("2026-06-02 09:00:00 EDT", BOB),  # exactly then: the handoff belongs to the new shift
        ("2026-06-02 09:00:59 EDT", BOB),
    ],
)
def test_handoff_instant_belongs_to_the_new_person(at, user):
    spec = ScheduleSpec(NEW_YORK, (layer("daily", 1, "2026-06-01 09:00 EDT", ANN, BOB),))

    assert on_call_at(spec, instant(at)) == (user,)


@case("R6")
def test_seconds_of_the_start_do_not_move_the_handoffs():
    daily = layer("daily", 1, "2026-06-01 09:00:45.5 EDT", ANN, BOB)

    shift = shift_at(daily, NEW_YORK, instant("2026-06-01 09:00:10 EDT"))

    assert shift is not None
    assert shift.starts_at == instant("2026-06-01 09:00 EDT")
    assert shift.user_id == ANN


@case("R1")
@pytest.mark.parametrize("day", ["2026-03-07", "2026-03-09", "2026-10-31", "2026-11-02"])
def test_length_is_clock_time_so_that_two_hours_from_midnight_stay_even_hours(day):
    evens = layer("hourly", 2, "2026-01-01 00:00 EST", ANN, BOB)
    noon = instant(f"{day} 12:30 {'EST' if day in ('2026-03-07', '2026-11-02') else 'EDT'}")

    shift = shift_at(evens, NEW_YORK, noon)

    assert shift is not None
    assert wall_time(shift.starts_at, NEW_YORK).strftime("%H:%M") == "12:00"
    assert wall_time(shift.ends_at, NEW_YORK).strftime("%H:%M") == "14:00"


# 6.3 Monthly


@pytest.mark.parametrize(
    ("length", "anchor", "ends_at"),
    [
        pytest.param(1, "2026-06-01 00:00 UTC", "2026-07-01 00:00 UTC", id="M1: 30 days"),
        pytest.param(2, "2026-07-01 00:00 UTC", "2026-09-01 00:00 UTC", id="M1"),
        pytest.param(
            2, "2026-11-01 00:00 EDT", "2027-01-01 00:00 EST", id="M2: 61 days and an hour"
        ),
    ],
)
def test_month_turn_ends_on_the_same_day_of_a_later_month(length, anchor, ends_at):
    zone = NEW_YORK if anchor.endswith("EDT") else "UTC"

    shift = shift_at(layer("monthly", length, anchor, ANN, BOB), zone, instant(anchor))

    assert shift is not None
    assert shift.ends_at == instant(ends_at)


@case("M4")
def test_t14_day_31_falls_on_the_last_day_of_shorter_months_without_drift():
    monthly = layer("monthly", 1, "2026-01-31 00:00 UTC", ANN, BOB)
    days = ["01-31", "02-28", "03-31", "04-30", "05-31", "06-30", "07-31"]

    found = handoffs(monthly, "UTC", instant("2026-01-31 00:00 UTC"), len(days))

    assert found == [instant(f"2026-{day} 00:00 UTC") for day in days]


@case("M4")
def test_day_31_falls_on_29_february_in_a_leap_year():
    monthly = layer("monthly", 1, "2028-01-31 00:00 UTC", ANN, BOB)

    shift = shift_at(monthly, "UTC", instant("2028-02-29 00:00 UTC"))

    assert shift is not None
    assert shift.starts_at == instant("2028-02-29 00:00 UTC")
    assert shift.ends_at == instant("2028-03-31 00:00 UTC")


@case("M5")
@pytest.mark.parametrize("at", ["2026-03-01 00:00 UTC", "2025-12-01 00:00 UTC"])
def test_month_handoff_before_the_anchor_starts_its_own_shift(at):
    monthly = layer("monthly", 1, "2026-06-01 00:00 UTC", ANN, BOB)

    shift = shift_at(monthly, "UTC", instant(at))

    assert shift is not None
    assert shift.starts_at == instant(at)
