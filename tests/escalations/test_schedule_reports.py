"""The month of a schedule, hours per person, one's own shifts."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from escalations.fairness import loads_of
from escalations.models import Schedule
from escalations.oncall import Shift
from opsknight.models import User
from tests.escalations.pages import page
from tests.factories import (
    OverrideFactory,
    ScheduleFactory,
    ScheduleLayerFactory,
)

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def schedule(bob: User, carol: User) -> Schedule:
    """Bob is on call this week, Carol the next."""
    return ScheduleFactory(name="Primary", members=[bob, carol], time_zone="Europe/Vienna")


# The calendar and the hours


def test_calendar_names_the_people_of_each_day(schedule: Schedule, eve: User) -> None:
    schedule.layers.update(starts_at=datetime.fromisoformat("2026-11-23T09:00+01:00"))

    text = page(eve, "month_calendar", schedule.pk, query="?from=2026-11-01")

    handoff = text[text.index('datetime="2026-11-30"') :]
    bob, carol = r"Bob</span> <span[^>]*>until 09:00<", r"Carol</span> <span[^>]*>from 09:00<"
    assert re.search(f"{bob}.*?{carol}", handoff, re.DOTALL)


def test_calendar_marks_days_without_anybody(bob: User, eve: User) -> None:
    schedule = ScheduleFactory()
    ScheduleLayerFactory(
        schedule=schedule,
        members=[bob],
        starts_at=datetime(2026, 11, 1, tzinfo=UTC),
        ends_at=datetime(2026, 11, 20, 12, tzinfo=UTC),
    )

    text = page(eve, "month_calendar", schedule.pk, query="?from=2026-11-01")

    assert "Nobody from 12:00" in text


def test_hours_are_counted_with_nights_and_weekends() -> None:
    friday = datetime(2026, 11, 27, 17, tzinfo=UTC)
    monday = datetime(2026, 11, 30, 9, tzinfo=UTC)

    (load,) = loads_of([Shift(friday, monday, 1, "x")], start=friday, end=monday, zone="Etc/UTC")

    assert load.total == 64 * HOUR
    assert load.nights == 3 * 8 * HOUR
    assert load.weekends == 48 * HOUR
    assert load.shifts == 1


def test_night_in_which_clocks_go_back_has_nine_hours() -> None:
    start = datetime(2026, 10, 24, 18, tzinfo=UTC)

    (load,) = loads_of(
        [Shift(start, start + 14 * HOUR, 1, "x")],
        start=start,
        end=start + 14 * HOUR,
        zone="Europe/Vienna",
    )

    assert load.nights == 9 * HOUR


def test_hours_page_counts_a_range(schedule: Schedule, eve: User) -> None:
    text = page(eve, "hours", schedule.pk, query="?from=2027-01-01&until=2027-01-14")

    assert "336" not in text  # nobody has all of it
    assert text.count("168 h") >= 1 or "h</td>" in text
    assert "1 Jan 2027 to 14 Jan 2027" in text


@pytest.mark.parametrize(
    ("query", "notice"),
    [
        ("?from=2026-12-01&until=2026-11-01", "turned round"),
        ("?from=2026-01-01&until=2030-01-01", "At most a year"),
        ("?from=x&until=9999-99-99", ""),
    ],
)
def test_odd_ranges_are_set_right(query: str, notice: str, schedule: Schedule, eve: User) -> None:
    assert notice in page(eve, "hours", schedule.pk, query=query)


# One's own shifts


def test_my_shifts_come_from_all_schedules(bob: User, carol: User, now: datetime) -> None:
    ScheduleFactory(name="By turns", members=[bob])
    by_override = ScheduleFactory(name="By override", members=[carol])
    OverrideFactory(schedule=by_override, kind="add", user=bob, starts_at=now, ends_at=now + HOUR)
    ScheduleFactory(name="Not mine", members=[carol])

    text = page(bob, "my_shifts")

    assert "By turns" in text
    assert "By override" in text
    assert "Not mine" not in text
    assert "On call now" in text


def test_my_shifts_are_empty_for_who_has_none(eve: User) -> None:
    assert "You are not on call" in page(eve, "my_shifts")


def test_panel_of_the_dashboard_names_several_people(bob: User, carol: User, eve: User) -> None:
    schedule = ScheduleFactory(name="Two at once")
    ScheduleLayerFactory(schedule=schedule, members=[bob])
    ScheduleLayerFactory(schedule=schedule, members=[carol], is_together=True)

    text = page(eve, "on_call_panel")

    assert text.index("Bob") < text.index("Carol")


def test_panel_of_the_dashboard_shows_ones_own_schedules_and_leads_to_the_rest(
    bob: User, carol: User
) -> None:
    for number in range(13):
        ScheduleFactory(name=f"Of others {number:02}", members=[carol])
    ScheduleFactory(name="Zzz of bob", members=[bob])

    text = page(bob, "on_call_panel")

    assert text.index("Zzz of bob") < text.index("Of others 00")
    assert "Of others 12" not in text
    assert "And more schedules" in text
