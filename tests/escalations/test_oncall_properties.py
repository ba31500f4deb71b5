"""What holds for every zone, schedule and instant."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from escalations.oncall import (
    Layer,
    Override,
    ScheduleSpec,
    cut_temporary,
    gaps_between,
    hours_per_person,
    layer_shifts_between,
    merge_temporaries,
    next_change,
    on_call_at,
    shifts_between,
    spec_from_json,
    spec_to_json,
    turn_at,
    whole_shifts_between,
)
from escalations.oncall.clock import clock_of, moment_of, seconds_of, wall_datetime, wall_seconds
from escalations.oncall.turns import turns_of
from opsknight.wall_clock import first_instant, last_instant, wall_time, whole_minute
from tests.escalations import reckoning
from tests.escalations.random_rotas import (
    histories,
    instants,
    odd_zones,
    restrictions,
    rotations,
    specs,
    temporaries,
    zones,
)
from tests.escalations.rotas import case, people_at

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)

# Around changes of the clocks: both sides of the Atlantic and of the equator, Samoa's skipped day.
CHANGES = [
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
]


def within(days: int) -> st.SearchStrategy[timedelta]:
    """So many minutes before or after."""
    return st.integers(-days * 1440, days * 1440).map(lambda minutes: minutes * MINUTE)


def near(moment: datetime, days: int) -> st.SearchStrategy[datetime]:
    """Instants around a moment."""
    return within(days).map(lambda offset: moment + offset)


@st.composite
def specs_and_instants(draw):
    """A schedule with everything in it near a change of the clocks, and an instant nearer."""
    change = draw(st.sampled_from(CHANGES))
    return draw(specs(near(change, 20), odd_zones)), draw(near(change, 2))


@st.composite
def years_and_plans(draw):
    """A plan, edited or not, and a year in which all its parts lie."""
    start = datetime(draw(st.sampled_from([2010, 2011, 2025, 2026])), 7, 1, tzinfo=UTC)
    around = st.integers(0, 365 * 1440).map(lambda minutes: start + minutes * MINUTE)
    return start, draw(specs(around) | histories(around))


def distinct(rotation) -> Layer:
    """A layer in which every handoff is one to somebody else."""
    return Layer("primary", rotation, ((1,), (2,), (3,)))


def turn_around(layer: Layer, zone: str, at: datetime):
    """The turn that contains an instant, whole."""
    unit = {"hourly": 1, "daily": 24, "weekly": 168, "monthly": 744}[layer.rotation.kind]
    reach = timedelta(hours=unit * layer.rotation.length + 50)
    shifts = layer_shifts_between(layer, zone, at - reach, at + reach)
    return next(shift for shift in shifts if shift.starts_at <= at < shift.ends_at)


quick = settings(max_examples=40, deadline=None)
thorough = settings(max_examples=100, deadline=None)
# Plans are large; drawing them is slow, not wrong.
large = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


# Against the rules, word by word


@settings(large, max_examples=100)
@given(specs_and_instants())
def test_answer_is_what_the_rules_say(spec_and_instant):
    spec, at = spec_and_instant

    assert list(on_call_at(spec, at)) == reckoning.people_at(spec, at)


@thorough
@given(rotations(st.sampled_from(CHANGES)), odd_zones, st.booleans(), restrictions, within(4))
def test_turn_is_what_counting_through_says(rotation, zone, skips, rules, offset):
    layer = Layer("primary", rotation, ((1,),) * 7, restrictions=rules, skips_inactive=skips)
    at = rotation.starts_at + offset

    assert turn_at(layer, zone, at) == reckoning.turn_at(layer, zone, at)[1] % 7


@thorough
@given(
    *(rotations(instants), zones, restrictions),
    *(st.none() | st.integers(1, 30), st.booleans(), instants),
)
def test_each_slot_counts_one_turn_or_none_however_far_from_the_anchor(
    rotation, zone, rules, shift_hours, skips, at
):
    layer = Layer(
        *("primary", rotation, ((1,),)),
        shift_hours=shift_hours,
        restrictions=rules,
        skips_inactive=skips,
    )
    turns = turns_of(layer, rotation, zone)
    slot = turns.grid.slot_at(seconds_of(at))

    counted = turns.number_of(slot + 1) - turns.number_of(slot)

    assert counted == turns.has_turn(slot) == reckoning.takes_turn(layer, zone, slot)
    assert turns.number_of(0) == 0


# The engine and the calendar


@case("P14")
@large
@given(years_and_plans(), st.lists(st.integers(0, 365 * 1440 - 1), min_size=20, max_size=40))
def test_t7_engine_agrees_with_the_calendar_at_any_minute_of_a_year(year_and_plan, minutes):
    start, plan = year_and_plan
    shifts = shifts_between(plan, start, start + 365 * DAY)
    # At handoffs too, the last minute before and the first one after.
    borders = [moment for shift in shifts[:20] for moment in (shift.starts_at, shift.ends_at)]
    moments = [start + minute * MINUTE for minute in minutes]
    moments += [border - MINUTE for border in borders] + borders
    inside = [moment for moment in moments if start <= moment < start + 365 * DAY]

    for moment in inside:
        answer = on_call_at(plan, moment)
        assert len(set(answer)) == len(answer)
        assert people_at(shifts, moment) == set(answer)


@large
@given(years_and_plans(), st.integers(0, 365 * 1440), st.integers(1, 60 * 1440))
def test_window_shows_what_the_year_shows(year_and_plan, first, minutes):
    start, plan = year_and_plan
    window = start + first * MINUTE, start + (first + minutes) * MINUTE
    year = shifts_between(plan, start, start + 426 * DAY)

    shown = shifts_between(plan, *window)

    expected = [
        (max(one.starts_at, window[0]), min(one.ends_at, window[1]), one.user_id, one.source)
        for one in year
        if one.starts_at < window[1] and one.ends_at > window[0]
    ]
    found = [(one.starts_at, one.ends_at, one.user_id, one.source) for one in shown]
    assert sorted(found) == sorted(expected)


@large
@given(years_and_plans())
def test_gaps_are_where_nobody_has_a_shift(year_and_plan):
    start, plan = year_and_plan
    end = start + 365 * DAY

    events = [
        *((gap.starts_at, gap.ends_at) for gap in gaps_between(plan, start, end)),
        *((shift.starts_at, shift.ends_at) for shift in shifts_between(plan, start, end)),
    ]

    covered = start
    for starts_at, ends_at in sorted(events):
        assert starts_at < ends_at
        assert starts_at <= covered  # no hole
        covered = max(covered, ends_at)
    assert covered == end
    for gap in gaps_between(plan, start, end):
        assert on_call_at(plan, gap.starts_at) == on_call_at(plan, gap.ends_at - MINUTE) == ()


@large
@given(years_and_plans())
def test_shifts_of_a_person_never_overlap(year_and_plan):
    start, plan = year_and_plan
    shifts = shifts_between(plan, start, start + 365 * DAY)

    for user_id in {shift.user_id for shift in shifts}:
        own = [shift for shift in shifts if shift.user_id == user_id]
        assert all(one.ends_at <= other.starts_at for one, other in pairwise(own))
    assert sum(hours_per_person(plan, start, start + 365 * DAY).values(), timedelta()) == sum(
        (shift.length for shift in shifts), timedelta()
    )


@large
@given(years_and_plans(), st.integers(0, 365 * 1440))
def test_next_change_is_the_first_minute_with_other_people(year_and_plan, minute):
    start, plan = year_and_plan
    at = start + minute * MINUTE
    current = set(on_call_at(plan, at))

    change = next_change(plan, at)

    until = change or at + 400 * DAY
    before = shifts_between(plan, at, until)
    assert {shift.user_id for shift in before} == current
    for shift in before:
        assert people_at(before, shift.starts_at) == current
    assert change is None or (change > at and set(on_call_at(plan, change)) != current)
    if change:
        assert next_change(plan, at, until=change) is None
        assert next_change(plan, at, until=change + MINUTE) == change


@settings(large, max_examples=15)
@given(years_and_plans(), st.integers(0, 300 * 1440))
def test_whole_shifts_are_the_same_in_any_window_they_touch(year_and_plan, first):
    start, plan = year_and_plan
    window = start + first * MINUTE, start + first * MINUTE + 30 * DAY

    for shift in whole_shifts_between(plan, *window):
        assert shift.starts_at < window[1]
        assert shift.ends_at > window[0]
        if shift.length < 300 * DAY:
            again = whole_shifts_between(plan, shift.starts_at, shift.starts_at + MINUTE)
            assert shift in again


# Rotations over all zones


@case("P13")
@thorough
@given(rotations(instants), zones, instants)
def test_turn_contains_the_instant_it_was_asked_for(rotation, zone, at):
    turn = turn_around(distinct(rotation), zone, at)

    assert turn.starts_at <= at < turn.ends_at
    assert turn_around(distinct(rotation), zone, turn.starts_at) == turn
    assert turn_around(distinct(rotation), zone, turn.ends_at - timedelta(microseconds=1)) == turn


@case("P13")
@quick
@given(rotations(instants), zones, instants)
def test_next_turn_starts_where_this_one_ends_with_the_next_person(rotation, zone, at):
    turn = turn_around(distinct(rotation), zone, at)
    following = turn_around(distinct(rotation), zone, turn.ends_at)

    assert following.starts_at == turn.ends_at
    assert following.user_id == turn.user_id % 3 + 1


@case("R7")
@quick
@given(rotations(instants), zones)
def test_start_of_a_rotation_is_a_handoff_to_its_first_turn(rotation, zone):
    anchor = first_instant(wall_time(rotation.starts_at, zone), zone)

    turn = turn_around(distinct(rotation), zone, anchor)

    assert (turn.starts_at, turn.user_id) == (anchor, 1)


@case("P13")
@settings(max_examples=25, deadline=None)
@given(rotations(instants), zones, st.sampled_from([2010, 2011, 2026]))
def test_a_year_of_turns_has_no_hole_and_no_overlap(rotation, zone, year):
    start, end = datetime(year, 7, 1, tzinfo=UTC), datetime(year + 1, 7, 1, tzinfo=UTC)

    shifts = shifts_between(ScheduleSpec(zone, (distinct(rotation),)), start, end)

    assert (shifts[0].starts_at, shifts[-1].ends_at) == (start, end)
    assert all(shift.starts_at < shift.ends_at for shift in shifts)
    assert all(one.ends_at == other.starts_at for one, other in pairwise(shifts))
    assert all(one.user_id % 3 + 1 == other.user_id for one, other in pairwise(shifts))


@case("P13")
@quick
@given(rotations(instants), odd_zones, st.sampled_from(CHANGES))
def test_turns_of_a_week_of_change_are_the_handoffs_asked_every_half_minute(
    rotation, zone, change
):  # brute force: a minute apart around the change, and a few odd seconds
    layer = distinct(rotation)
    moments = [change + minute * MINUTE for minute in range(-180, 180, 7)]
    moments += [moment + timedelta(seconds=30) for moment in moments]
    turns = layer_shifts_between(layer, zone, change - 2 * DAY, change + 2 * DAY)

    for moment in moments:
        (current,) = [turn for turn in turns if turn.starts_at <= moment < turn.ends_at]
        assert turn_at(layer, zone, moment) == current.user_id - 1


# Clocks


@thorough
@given(zones, instants, within(3))
def test_clock_reads_like_the_zone_database(zone, at, offset):
    clock = clock_of(zone)
    minute = whole_minute(at + offset)
    wall = wall_time(minute, zone)

    assert wall_datetime(clock.wall(seconds_of(minute))) == wall
    assert moment_of(clock.first_instant(wall_seconds(wall))) == first_instant(wall, zone)
    assert moment_of(clock.last_instant(wall_seconds(wall))) == last_instant(wall, zone)
    assert minute in (first_instant(wall, zone), last_instant(wall, zone))


@thorough
@given(odd_zones, st.sampled_from(CHANGES), within(2))
def test_clock_reads_like_the_zone_database_where_it_changes(zone, change, offset):
    wall = (change + offset).replace(tzinfo=None)  # also times that no clock shows
    clock = clock_of(zone)

    assert moment_of(clock.first_instant(wall_seconds(wall))) == first_instant(wall, zone)
    assert moment_of(clock.last_instant(wall_seconds(wall))) == last_instant(wall, zone)


@quick
@given(zones, instants, st.integers(0, 3000))
def test_later_wall_times_never_come_earlier(zone, at, minutes):
    wall = wall_time(at, zone)
    later = wall + minutes * MINUTE

    assert first_instant(wall, zone) <= first_instant(later, zone)
    assert first_instant(wall, zone) <= last_instant(wall, zone) <= last_instant(later, zone)


# Stored and edited


@large
@given(specs())
def test_schedule_is_the_same_after_being_stored(spec):
    assert spec_from_json(spec_to_json(spec)) == spec


@quick
@given(st.lists(temporaries(instants), max_size=4), temporaries(instants), instants)
def test_merged_temporary_schedules_answer_like_the_new_one_over_the_old_ones(existing, new, at):
    merged = merge_temporaries(existing, new)
    moments = [at, new.starts_at, new.ends_at, new.starts_at + (new.ends_at - new.starts_at) / 2]

    assert all(one.ends_at < other.starts_at for one, other in pairwise(merged))
    for moment in moments:
        inside = whole_minute(new.starts_at) <= moment < whole_minute(new.ends_at)
        wanted = ScheduleSpec("UTC", temporaries=(new,) if inside else tuple(existing))
        found = ScheduleSpec("UTC", temporaries=merged)
        assert set(on_call_at(found, moment)) == set(on_call_at(wanted, moment))


@quick
@given(temporaries(instants), instants, instants)
def test_cut_temporary_schedules_leave_the_cut_part_to_the_layers(temporary, one, other):
    start, end = sorted((one, other))
    kept = cut_temporary([temporary], start, end)
    mark = Override("replace", temporary.starts_at - DAY, temporary.ends_at + DAY, 99)

    for moment in (start, end, temporary.starts_at, temporary.ends_at - MINUTE):
        is_cut = whole_minute(start) <= moment < whole_minute(end)
        wanted = () if is_cut else (temporary,)
        assert on_call_at(ScheduleSpec("UTC", (), (mark,), kept), moment) == on_call_at(
            ScheduleSpec("UTC", (), (mark,), wanted), moment
        )
