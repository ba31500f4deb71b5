"""The wall clock of a zone: times that occur twice, or not at all (6.1).

Two ways to read it give the same: `opsknight.wall_clock` for one time, and the clock of the on-call
calculation for thousands.
"""

from datetime import datetime

import pytest

from escalations.oncall.clock import clock_of, moment_of, seconds_of, wall_seconds
from opsknight.wall_clock import first_instant, last_instant, wall_time
from tests.escalations.rotas import NEW_YORK, case, instant


def first_by_clock(wall: datetime, zone: str) -> datetime:
    return moment_of(clock_of(zone).first_instant(wall_seconds(wall)))


def last_by_clock(wall: datetime, zone: str) -> datetime:
    return moment_of(clock_of(zone).last_instant(wall_seconds(wall)))


@case("R4")
@pytest.mark.parametrize(
    ("wall", "resolved"),
    [
        ("2026-03-08 00:30", "2026-03-08 00:30 EST"),
        ("2026-03-08 01:00", "2026-03-08 01:00 EST"),
        ("2026-03-08 01:30", "2026-03-08 01:30 EST"),
        ("2026-03-08 02:00", "2026-03-08 03:00 EDT"),  # skipped: the first instant after the gap
        ("2026-03-08 02:30", "2026-03-08 03:00 EDT"),  # skipped
        ("2026-03-08 03:00", "2026-03-08 03:00 EDT"),
        ("2026-03-08 03:30", "2026-03-08 03:30 EDT"),
    ],
)
@pytest.mark.parametrize("resolve", [first_instant, last_instant, first_by_clock, last_by_clock])
def test_wall_time_around_the_skipped_hour(resolve, wall, resolved):
    assert resolve(datetime.fromisoformat(wall), NEW_YORK) == instant(resolved)


@pytest.mark.parametrize(
    ("wall", "first", "last"),
    [
        ("2026-11-01 00:30", "2026-11-01 00:30 EDT", "2026-11-01 00:30 EDT"),
        ("2026-11-01 01:00", "2026-11-01 01:00 EDT", "2026-11-01 01:00 EST"),  # occurs twice
        ("2026-11-01 01:30", "2026-11-01 01:30 EDT", "2026-11-01 01:30 EST"),  # occurs twice
        ("2026-11-01 02:00", "2026-11-01 02:00 EST", "2026-11-01 02:00 EST"),
        ("2026-11-01 02:30", "2026-11-01 02:30 EST", "2026-11-01 02:30 EST"),
        ("2026-11-01 03:00", "2026-11-01 03:00 EST", "2026-11-01 03:00 EST"),
        ("2026-11-01 03:30", "2026-11-01 03:30 EST", "2026-11-01 03:30 EST"),
    ],
)
@pytest.mark.parametrize(
    ("resolve_first", "resolve_last"),
    [(first_instant, last_instant), (first_by_clock, last_by_clock)],
)
def test_wall_time_around_the_repeated_hour(resolve_first, resolve_last, wall, first, last):
    assert resolve_first(datetime.fromisoformat(wall), NEW_YORK) == instant(first)  # R2
    assert resolve_last(datetime.fromisoformat(wall), NEW_YORK) == instant(last)  # R3


@case("R6")
@pytest.mark.parametrize("resolve", [first_instant, last_instant])
def test_wall_time_loses_its_seconds(resolve):
    resolved = resolve(datetime(2026, 6, 1, 9, 0, 59, 999999), NEW_YORK)

    assert resolved == instant("2026-06-01 09:00 EDT")


def test_wall_time_reads_the_zone_on_both_sides_of_a_repeated_hour():
    assert wall_time(instant("2026-11-01 01:30 EDT"), NEW_YORK) == datetime(2026, 11, 1, 1, 30)
    assert wall_time(instant("2026-11-01 01:30 EST"), NEW_YORK) == datetime(2026, 11, 1, 1, 30)


def test_a_day_that_a_zone_skips_is_over_at_once():
    # Samoa crossed the date line: 30 December 2011 does not exist in Apia.
    day_after = first_instant(datetime(2011, 12, 31), "Pacific/Apia")

    for hour in (0, 12, 23):
        assert first_by_clock(datetime(2011, 12, 30, hour), "Pacific/Apia") == day_after
        assert last_by_clock(datetime(2011, 12, 30, hour), "Pacific/Apia") == day_after


def test_changes_of_the_clock_of_a_year():
    clock = clock_of(NEW_YORK)
    new_year, end = (seconds_of(instant(f"{year}-01-01 00:00 UTC")) for year in (2026, 2027))

    changes = list(clock.changes_between(new_year, end))

    assert [moment_of(change.at) for change in changes] == [
        instant("2026-03-08 03:00 EDT"),
        instant("2026-11-01 01:00 EST"),
    ]
    assert [change.skipped for change in changes] == [3600, -3600]
