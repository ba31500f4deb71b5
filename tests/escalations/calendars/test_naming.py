"""Names of shifts that last, and a calendar that says what the calculation says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from escalations.calendars.naming import NamedShift, day_start, named_shifts
from escalations.calendars.writing import CalendarEvent, calendar_text
from escalations.oncall import (
    FixedShift,
    Override,
    Plan,
    Rotation,
    ScheduleSpec,
    shifts_between,
)
from escalations.oncall.spec import Layer
from tests.escalations.random_rotas import odd_zones, specs

VIENNA = "Europe/Vienna"
NOW = datetime(2026, 11, 25, 11, tzinfo=UTC)
DAY, HOUR, YEAR = timedelta(days=1), timedelta(hours=1), timedelta(days=366)
ANN, BOB, EVE = 1, 2, 3
MONTHS = st.integers(-40 * 24, 40 * 24).map(lambda hours: NOW + hours * HOUR)
random_plans = specs(MONTHS, odd_zones)
slow = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def daily(*people: int, hour: int = 8) -> ScheduleSpec:
    """These people by the day, from so many o'clock UTC on."""
    anchor = datetime(2026, 11, 1, hour, tzinfo=UTC)
    turns = tuple((person,) for person in people)
    return ScheduleSpec(VIENNA, (Layer("days", Rotation("daily", 1, anchor), turns),))


def named(plan: Plan, start: datetime = NOW, end: datetime = NOW + 20 * DAY) -> list[NamedShift]:
    zone = plan.zone if isinstance(plan, ScheduleSpec) else VIENNA
    first, last = day_start(start, zone), day_start(end, zone)
    return named_shifts(plan, zone=zone, scope="test", start=first, end=last)


def uids(plan: Plan, **window: datetime) -> set[str]:
    return {one.uid for one in named(plan, **window)}


def text_of(shifts: list[NamedShift], zone: str) -> bytes:
    events = [
        CalendarEvent(
            uid=one.uid,
            summary=f"Person {one.shift.user_id}, {'ä' * 60}; \\ and \n more",
            description="",
            url="https://x.example/",
            starts_at=one.shift.starts_at,
            ends_at=one.shift.ends_at,
            zone=zone,
            changed_at=NOW,
        )
        for one in shifts
    ]
    return calendar_text(uid="x", name="x", zone=zone, events=events)


# The same shift


def test_uid_stays_while_days_pass() -> None:
    plan = daily(ANN, BOB)
    today = named(plan)
    tomorrow = named(plan, NOW + DAY, NOW + 21 * DAY)

    known = {one.uid: one.shift for one in today}
    both = [one for one in tomorrow if one.uid in known]
    assert len(both) == 20
    assert all(known[one.uid] == one.shift for one in both)


def test_shift_that_began_before_the_window_is_whole_and_keeps_its_uid() -> None:
    plan = ScheduleSpec(
        VIENNA,
        (Layer("x", None, (), fixed=(FixedShift(NOW - 9 * DAY, NOW + 9 * DAY, (ANN,)),)),),
    )

    early, late = named(plan, NOW - 20 * DAY), named(plan, NOW + 5 * DAY)

    assert early == late
    assert early[0].shift.starts_at == NOW - 9 * DAY


def test_somebody_who_is_always_on_call_has_one_event_with_one_uid() -> None:
    plan = daily(ANN)

    assert len(uids(plan)) == 1
    assert uids(plan) == uids(plan, start=NOW + 5 * DAY, end=NOW + 90 * DAY)


def test_uid_stays_when_a_handoff_moves_within_its_day() -> None:
    assert uids(daily(ANN, BOB)) == uids(daily(ANN, BOB, hour=10))


def test_uid_stays_when_a_shift_is_shortened_by_an_override() -> None:
    plan = daily(ANN, BOB)
    first = named(plan)[1].shift
    override = Override("replace", first.ends_at - HOUR, first.ends_at, EVE, first.user_id)

    after = named(replace(plan, overrides=(override,)))

    before = {one.uid for one in named(plan)}
    assert before <= {one.uid for one in after}
    assert len(after) == len(before) + 1


def test_shift_that_is_given_to_somebody_else_is_another_one() -> None:
    before, after = uids(daily(ANN, BOB)), uids(daily(ANN, EVE))

    assert len(before & after) == len([s for s in named(daily(ANN, BOB)) if s.shift.user_id == ANN])


def test_uids_of_two_schedules_differ() -> None:
    window = {"start": day_start(NOW, VIENNA), "end": day_start(NOW + 9 * DAY, VIENNA)}
    one, other = (
        {n.uid for n in named_shifts(daily(ANN), zone=VIENNA, scope=scope, **window)}
        for scope in ("schedules/1", "schedules/2")
    )

    assert not one & other


# Properties


@slow
@given(random_plans)
def test_feed_shows_exactly_the_shifts_of_the_calculation(plan: ScheduleSpec) -> None:
    start, end = day_start(NOW, plan.zone), day_start(NOW + 20 * DAY, plan.zone)

    found = named_shifts(plan, zone=plan.zone, scope="x", start=start, end=end)

    cut = sorted(
        (max(n.shift.starts_at, start), min(n.shift.ends_at, end), n.shift.user_id, n.shift.source)
        for n in found
        if n.shift.starts_at < end
    )
    assert cut == sorted(
        (s.starts_at, s.ends_at, s.user_id, s.source) for s in shifts_between(plan, start, end)
    )
    assert len({n.uid for n in found}) == len(found)


@slow
@given(random_plans)
def test_calendar_read_back_says_the_same_instants(plan: ScheduleSpec) -> None:
    shifts = named(plan)

    text = text_of(shifts, plan.zone)

    calendar = Calendar.from_ical(text)
    assert [
        (str(e["UID"]), e.start.astimezone(UTC), e.end.astimezone(UTC)) for e in calendar.events
    ] == [(one.uid, one.shift.starts_at, one.shift.ends_at) for one in shifts]
    assert max(len(line) for line in text.split(b"\r\n")) <= 75


@slow
@given(random_plans, st.integers(1, 15))
@example(ScheduleSpec(VIENNA, (Layer("all", Rotation("daily", 1, NOW), ((ANN,),)),)), 1)
def test_uids_stay_whatever_the_schedule_while_days_pass(plan: ScheduleSpec, days: int) -> None:
    today = {one.uid: one.shift for one in named(plan)}
    later = {one.uid: one.shift for one in named(plan, NOW + days * DAY)}

    # One that never ends is followed for a year, and begins where that year does.
    assert later.keys() <= today.keys()
    assert all(s == today[uid] or s.ends_at - s.starts_at > YEAR for uid, s in later.items())
