"""Random schedules for the property tests."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import available_timezones

from hypothesis import strategies as st

from escalations.oncall import (
    FixedShift,
    History,
    Layer,
    Override,
    Restriction,
    Rotation,
    ScheduleSpec,
    TemporarySchedule,
    Version,
)

# Half-hour change, quarter-hour offset, a day skipped in 2011, a change for one month a year, the
# usual ones, two-hour change, an offset change west of UTC at midnight, none.
ODD_ZONES = (
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
ALL_ZONES = sorted(available_timezones() - {"localtime"})
LONGEST = {"hourly": 72, "daily": 10, "weekly": 6, "monthly": 4}
PEOPLE = st.integers(1, 5)

odd_zones = st.sampled_from(ODD_ZONES)
zones = odd_zones | st.sampled_from(ALL_ZONES)
# From the year of Apia's skipped day on; seconds included.
instants = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
# Half of them on hours that clocks skip or repeat.
times = st.sampled_from([time(hour, minute) for hour in range(4) for minute in (0, 30)]) | st.times(
    min_value=time(0), max_value=time(23, 59)
).map(lambda one: one.replace(second=0, microsecond=0))
turns = st.lists(st.lists(PEOPLE, max_size=2).map(tuple), max_size=5).map(tuple)
restrictions = st.lists(
    st.builds(Restriction, st.frozensets(st.integers(0, 6)), times, times), max_size=3
).map(tuple)


def spans(around: st.SearchStrategy[datetime], days: int) -> st.SearchStrategy[tuple]:
    """Starts and ends of something that lasts a minute to so many days."""
    lengths = st.integers(1, days * 24 * 60).map(lambda minutes: timedelta(minutes=minutes))
    return st.tuples(around, lengths).map(lambda both: (both[0], both[0] + both[1]))


def rotations(anchors: st.SearchStrategy[datetime]) -> st.SearchStrategy[Rotation]:
    """Rotations of every kind."""
    return st.sampled_from(sorted(LONGEST)).flatmap(
        lambda kind: st.builds(Rotation, st.just(kind), st.integers(1, LONGEST[kind]), anchors)
    )


def fixed_shifts(
    around: st.SearchStrategy[datetime], most: int = 2
) -> st.SearchStrategy[tuple[FixedShift, ...]]:
    """Shifts from an imported calendar."""
    shift = st.builds(
        lambda span, people: FixedShift(*span, tuple(people)),
        spans(around, 30),
        st.lists(PEOPLE, max_size=2),
    )
    return st.lists(shift, max_size=most).map(tuple)


def layers(around: st.SearchStrategy[datetime]) -> st.SearchStrategy[Layer]:
    """Layers with everything that a layer may have."""
    return st.builds(
        Layer,
        name=st.sampled_from(["one", "two"]),
        rotation=rotations(around) | st.none(),
        turns=turns,
        begins_at=st.none() | around,
        ends_at=st.none() | around,
        shift_hours=st.none() | st.integers(1, 60),
        restrictions=restrictions,
        skips_inactive=st.booleans(),
        rank=st.integers(0, 2),
        fixed=fixed_shifts(around),
    )


def overrides(around: st.SearchStrategy[datetime]) -> st.SearchStrategy[Override]:
    """Overrides of every kind."""

    def build(kind: str, span: tuple, user_id: int, replaces: int | None) -> Override:
        if kind == "remove":
            return Override("remove", *span, None, replaces or 1)
        return Override(kind, *span, user_id, replaces)

    kinds = st.sampled_from(["add", "remove", "replace"])
    return st.builds(build, kinds, spans(around, 40), PEOPLE, st.none() | PEOPLE)


def temporaries(around: st.SearchStrategy[datetime]) -> st.SearchStrategy[TemporarySchedule]:
    """Temporary schedules, some with nobody."""
    return st.builds(
        lambda span, shifts: TemporarySchedule(*span, shifts),
        spans(around, 20),
        fixed_shifts(around, most=3),
    )


def specs(
    around: st.SearchStrategy[datetime] = instants, zones: st.SearchStrategy[str] = zones
) -> st.SearchStrategy[ScheduleSpec]:
    """Schedules with everything that a schedule may have."""
    return st.builds(
        ScheduleSpec,
        zones,
        st.lists(layers(around), max_size=3).map(tuple),
        st.lists(overrides(around), max_size=3).map(tuple),
        st.lists(temporaries(around), max_size=2).map(tuple),
    )


def histories(around: st.SearchStrategy[datetime]) -> st.SearchStrategy[History]:
    """Schedules that were edited."""
    versions = st.lists(st.builds(Version, around, specs(around)), max_size=3)
    return versions.map(lambda all: History(tuple(sorted(all, key=lambda one: one.since))))
