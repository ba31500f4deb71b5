"""When a maintenance window holds: by the wall clock of its zone, over every change of clocks."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from incidents.maintenance import Maintenance, maintenance_at, next_occurrence, occurrence_at


@dataclass
class Plan:
    """A window as the functions need it."""

    starts_at: datetime
    ends_at: datetime
    repeat: str = "never"
    time_zone: str = "UTC"
    repeat_until: datetime | None = None
    ended_at: datetime | None = None
    reason: str = "Upgrade"


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Between two starts, whatever the clocks and the months do.
SHORTEST = {"daily": DAY - HOUR, "weekly": 7 * DAY - HOUR, "monthly": 28 * DAY - HOUR}
LONGEST = {"daily": DAY + HOUR, "weekly": 7 * DAY + HOUR, "monthly": 31 * DAY + HOUR}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def plan(starts: str, ends: str, repeat: str = "never", zone: str = "UTC", **more: object) -> Plan:
    return Plan(utc(starts), utc(ends), repeat, zone, **more)  # type: ignore[arg-type]


def span(window: Plan, at: str) -> tuple[str, str] | None:
    """The occurrence at an instant, as two texts in UTC."""
    found = occurrence_at(window, utc(at))
    return found and (f"{found.starts_at:%d %b %H:%M}", f"{found.ends_at:%d %b %H:%M}")


def coming(window: Plan, at: str) -> tuple[str, str] | None:
    """The next occurrence, as two texts in UTC."""
    found = next_occurrence(window, utc(at))
    return found and (f"{found.starts_at:%d %b %H:%M}", f"{found.ends_at:%d %b %H:%M}")


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        ("2026-03-02T11:59:59", False),
        ("2026-03-02T12:00:00", True),  # the start belongs to it
        ("2026-03-02T13:59:59", True),
        ("2026-03-02T14:00:00", False),  # the end does not
        ("2026-03-03T12:30:00", False),
    ],
)
def test_single_window_holds_once(at: str, holds: bool) -> None:
    window = plan("2026-03-02T12:00", "2026-03-02T14:00")

    assert (occurrence_at(window, utc(at)) is not None) is holds


@pytest.mark.parametrize(
    ("repeat", "at", "expected"),
    [
        ("daily", "2026-03-20T12:30", ("20 Mar 12:00", "20 Mar 14:00")),
        ("daily", "2026-03-20T14:30", None),
        ("daily", "2026-03-01T12:30", None),  # before the first
        ("weekly", "2026-03-16T12:30", ("16 Mar 12:00", "16 Mar 14:00")),
        ("weekly", "2026-03-17T12:30", None),
        ("monthly", "2026-05-02T12:30", ("02 May 12:00", "02 May 14:00")),
        ("monthly", "2026-05-03T12:30", None),
    ],
)
def test_repeated_window_holds_again(
    repeat: str, at: str, expected: tuple[str, str] | None
) -> None:
    window = plan("2026-03-02T12:00", "2026-03-02T14:00", repeat)

    assert span(window, at) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        # Vienna goes from UTC+1 to UTC+2 on 29 March 2026 at 01:00 UTC.
        ("2026-03-28T20:30", ("28 Mar 20:00", "28 Mar 22:00")),
        ("2026-03-29T19:30", ("29 Mar 19:00", "29 Mar 21:00")),
        ("2026-03-29T21:30", None),
        # And back on 25 October 2026.
        ("2026-10-24T19:30", ("24 Oct 19:00", "24 Oct 21:00")),
        ("2026-10-25T20:30", ("25 Oct 20:00", "25 Oct 22:00")),
    ],
)
def test_window_keeps_its_wall_clock_when_the_clocks_change(
    at: str, expected: tuple[str, str] | None
) -> None:
    window = plan("2026-01-05T20:00", "2026-01-05T22:00", "daily", "Europe/Vienna")

    assert span(window, at) == expected


def test_window_over_the_skipped_hour_starts_at_the_end_of_the_gap() -> None:
    window = plan("2026-03-01T01:30", "2026-03-01T03:00", "daily", "Europe/Vienna")  # 02:30-04:00

    assert span(window, "2026-03-29T01:10") == ("29 Mar 01:00", "29 Mar 02:00")


def test_window_inside_the_skipped_hour_does_not_happen_that_day() -> None:
    window = plan("2026-03-01T01:10", "2026-03-01T01:40", "daily", "Europe/Vienna")  # 02:10-02:40

    assert span(window, "2026-03-29T01:05") is None
    assert coming(window, "2026-03-28T12:00") == ("30 Mar 00:10", "30 Mar 00:40")


def test_window_over_the_repeated_hour_holds_through_both() -> None:
    window = plan("2026-10-01T00:00", "2026-10-01T00:30", "daily", "Europe/Vienna")  # 02:00-02:30

    assert span(window, "2026-10-25T01:15") == ("25 Oct 00:00", "25 Oct 01:30")


@pytest.mark.parametrize(
    ("first", "at", "expected"),
    [
        ("2026-01-31", "2026-02-28T12:30", ("28 Feb 12:00", "28 Feb 14:00")),
        ("2026-01-31", "2026-03-31T12:30", ("31 Mar 12:00", "31 Mar 14:00")),  # no drift
        ("2026-01-31", "2026-04-30T12:30", ("30 Apr 12:00", "30 Apr 14:00")),
        ("2026-01-30", "2026-02-28T12:30", ("28 Feb 12:00", "28 Feb 14:00")),
        ("2026-01-29", "2028-02-29T12:30", ("29 Feb 12:00", "29 Feb 14:00")),
        ("2026-01-29", "2026-02-28T12:30", ("28 Feb 12:00", "28 Feb 14:00")),
    ],
)
def test_monthly_window_falls_on_the_last_day_of_a_shorter_month(
    first: str, at: str, expected: tuple[str, str]
) -> None:
    window = plan(f"{first}T12:00", f"{first}T14:00", "monthly")

    assert span(window, at) == expected


def test_monthly_window_over_the_turn_of_the_month_holds_on_the_other_side() -> None:
    window = plan("2026-01-31T22:00", "2026-02-01T04:00", "monthly")

    assert span(window, "2026-05-01T03:00") == ("30 Apr 22:00", "01 May 04:00")


def test_window_over_midnight_holds_after_it() -> None:
    window = plan("2026-03-02T23:00", "2026-03-03T01:00", "daily")

    assert span(window, "2026-03-10T00:30") == ("09 Mar 23:00", "10 Mar 01:00")


def test_repetition_stops_after_its_last_start() -> None:
    window = plan(
        "2026-03-02T12:00", "2026-03-02T14:00", "daily", repeat_until=utc("2026-03-05T12:00")
    )

    assert span(window, "2026-03-05T13:00") == ("05 Mar 12:00", "05 Mar 14:00")
    assert span(window, "2026-03-06T13:00") is None
    assert coming(window, "2026-03-05T14:00") is None


def test_window_ended_by_hand_holds_no_longer() -> None:
    window = plan("2026-03-02T12:00", "2026-03-02T14:00", "daily", ended_at=utc("2026-03-04T12:30"))

    assert span(window, "2026-03-04T12:29") == ("04 Mar 12:00", "04 Mar 12:30")
    assert span(window, "2026-03-04T12:31") is None
    assert coming(window, "2026-03-04T12:31") is None


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-01-01T00:00", ("02 Mar 12:00", "02 Mar 14:00")),
        ("2026-03-02T13:00", ("02 Mar 12:00", "02 Mar 14:00")),  # the one that holds
        ("2026-03-02T14:00", ("09 Mar 12:00", "09 Mar 14:00")),
        ("2036-03-02T14:00", ("03 Mar 12:00", "03 Mar 14:00")),
    ],
)
def test_next_occurrence_is_the_present_one_or_the_next(at: str, expected: tuple[str, str]) -> None:
    window = plan("2026-03-02T12:00", "2026-03-02T14:00", "weekly")

    assert coming(window, at) == expected


def test_no_occurrence_follows_a_single_window() -> None:
    window = plan("2026-03-02T12:00", "2026-03-02T14:00")

    assert coming(window, "2026-03-02T14:00") is None


def test_of_overlapping_windows_the_last_end_counts() -> None:
    windows = [
        plan("2026-03-02T12:00", "2026-03-02T16:00", reason="Long"),
        plan("2026-03-02T12:30", "2026-03-02T14:00", reason="Short"),
    ]

    found = maintenance_at(windows, utc("2026-03-02T13:00"))

    assert found == Maintenance(utc("2026-03-02T16:00"), "Long", "UTC")


def test_end_is_written_in_the_zone_of_the_window() -> None:
    maintenance = Maintenance(utc("2026-03-02T13:00"), "New disks", "Europe/Vienna")

    assert maintenance.told(utc("2026-03-02T12:00")) == "Maintenance until 14:00 CET: New disks"
    assert maintenance.told(utc("2026-03-01T12:00")) == (
        "Maintenance until 2 Mar 14:00 CET: New disks"
    )


def test_zone_that_is_not_known_any_more_counts_as_utc() -> None:
    window = plan("2026-03-02T12:00", "2026-03-02T14:00", "daily", "Mars/Olympus")

    assert span(window, "2026-03-03T12:30") == ("03 Mar 12:00", "03 Mar 14:00")


@pytest.mark.parametrize("repeat", ["daily", "weekly", "monthly"])
@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe"]
)
def test_occurrences_follow_each_other_without_end_or_overlap(repeat: str, zone: str) -> None:
    window = plan("2026-01-31T01:30", "2026-01-31T03:45", repeat, zone)
    found = next_occurrence(window, window.starts_at)

    while found is not None and found.starts_at < utc("2028-03-01T00:00"):
        later = next_occurrence(window, found.ends_at)
        assert later is not None
        assert SHORTEST[repeat] <= later.starts_at - found.starts_at <= LONGEST[repeat]
        assert timedelta(0) < found.ends_at - found.starts_at <= timedelta(hours=3, minutes=15)
        assert occurrence_at(window, found.starts_at) == found
        found = later
