"""What holds for every zone, rotation and instant."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from escalations.oncall import (
    Layer,
    Rotation,
    ScheduleSpec,
    next_handoff,
    on_call_at,
    shift_at,
    shifts_between,
)
from opsknight.wall_clock import first_instant, last_instant, wall_time

# Half-hour change, quarter-hour offset, a day skipped in 2011, a change for one month a year, the
# usual ones, two-hour change, an offset change west of UTC at midnight, none.
ZONES = (
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Africa/Casablanca",
    "America/New_York",
    "America/St_Johns",
    "Europe/Dublin",
    "Antarctica/Troll",
    "America/Havana",
    "UTC",
)
LONGEST = {"hourly": 72, "daily": 10, "weekly": 6, "monthly": 4}

zones = st.sampled_from(ZONES)
# From the year of Apia's skipped day on; seconds included.
instants = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
members = st.lists(st.integers(1, 4), min_size=1, max_size=6).map(tuple)
rotations = st.sampled_from(sorted(LONGEST)).flatmap(
    lambda kind: st.builds(Rotation, st.just(kind), st.integers(1, LONGEST[kind]), instants)
)
layers = st.builds(Layer, st.just("primary"), rotations, members)
ending_layers = st.builds(Layer, st.just("ending"), rotations, members, st.none() | instants)
specs = st.builds(ScheduleSpec, zones, st.lists(ending_layers, max_size=3).map(tuple))

thorough = settings(max_examples=300, deadline=None)
whole_years = settings(max_examples=20, deadline=None)


@thorough
@given(layers, zones, instants)
def test_turn_contains_the_instant_it_was_asked_for(layer, zone, at):
    turn = shift_at(layer, zone, at)

    assert turn.starts_at <= at < turn.ends_at


@thorough
@given(layers, zones, instants)
def test_turn_is_the_same_asked_anywhere_in_it(layer, zone, at):
    turn = shift_at(layer, zone, at)
    last_moment = turn.ends_at - timedelta(microseconds=1)

    assert shift_at(layer, zone, turn.starts_at) == turn
    assert shift_at(layer, zone, last_moment) == turn


@thorough
@given(layers, zones, instants)
def test_next_turn_starts_where_this_one_ends_with_the_next_member(layer, zone, at):
    turn = shift_at(layer, zone, at)
    following = shift_at(layer, zone, turn.ends_at)
    round_of_members = [turn, following]
    while len(round_of_members) < len(layer.members):
        round_of_members.append(shift_at(layer, zone, round_of_members[-1].ends_at))
    users = tuple(shift.user_id for shift in round_of_members)[: len(layer.members)]

    assert following.starts_at == turn.ends_at
    assert users in {layer.members[i:] + layer.members[:i] for i in range(len(layer.members))}


@thorough
@given(rotations, zones, instants)
def test_start_of_a_rotation_is_a_handoff_to_its_first_member(rotation, zone, at):
    layer = Layer("primary", rotation, (1, 2, 3))
    anchor = wall_time(rotation.starts_at, zone)

    turn = shift_at(layer, zone, first_instant(anchor, zone))

    assert turn.starts_at == first_instant(anchor, zone)
    assert turn.user_id == 1


@thorough
@given(layers, zones, instants)
def test_turns_start_at_whole_minutes_of_the_wall_clock(layer, zone, at):
    wall = wall_time(shift_at(layer, zone, at).starts_at, zone)

    assert (wall.second, wall.microsecond) == (0, 0)


@whole_years
@given(layers, zones, st.sampled_from([2010, 2011, 2026]))
def test_a_year_of_turns_has_no_hole_and_no_overlap(layer, zone, year):
    spec = ScheduleSpec(zone, (layer,))
    start, end = datetime(year, 7, 1, tzinfo=UTC), datetime(year + 1, 7, 1, tzinfo=UTC)

    shifts = shifts_between(spec, start, end)

    assert (shifts[0].starts_at, shifts[-1].ends_at) == (start, end)
    assert all(shift.starts_at < shift.ends_at for shift in shifts)
    assert all(one.ends_at == other.starts_at for one, other in pairwise(shifts))
    assert all(one.user_id != other.user_id for one, other in pairwise(shifts))


@thorough
@given(
    specs,
    instants,
    st.integers(1, 60 * 24 * 40),
    st.lists(st.integers(0, 60 * 24 * 40), min_size=1, max_size=20),
)
def test_answer_at_an_instant_agrees_with_the_list_of_shifts(spec, start, minutes, offsets):
    end = start + timedelta(minutes=minutes)
    shifts = shifts_between(spec, start, end)

    for offset in offsets:
        at = start + timedelta(minutes=offset % minutes)
        listed = [shift.user_id for shift in shifts if shift.starts_at <= at < shift.ends_at]
        on_call = on_call_at(spec, at)
        assert listed == ([] if on_call is None else [on_call])


@thorough
@given(specs, instants)
def test_next_handoff_is_the_first_change_of_person(spec, at):
    handoff = next_handoff(spec, at)
    current = on_call_at(spec, at)
    until = handoff or at + timedelta(days=400)

    listed = {shift.user_id for shift in shifts_between(spec, at, until)}
    assert listed == ({current} - {None})
    assert handoff is None or (handoff > at and on_call_at(spec, handoff) != current)


@thorough
@given(zones, instants, st.integers(0, 3000))
def test_later_wall_times_never_come_earlier(zone, at, minutes):
    wall = wall_time(at, zone)
    later = wall + timedelta(minutes=minutes)

    assert first_instant(wall, zone) <= first_instant(later, zone)
    assert first_instant(wall, zone) <= last_instant(wall, zone) <= last_instant(later, zone)


@thorough
@given(zones, instants)
def test_every_instant_is_the_first_or_the_last_of_its_wall_time(zone, at):
    minute = at.replace(second=0, microsecond=0)
    wall = wall_time(minute, zone)

    assert minute in (first_instant(wall, zone), last_instant(wall, zone))
