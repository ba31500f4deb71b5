"""How long it takes to say who is on call: 500 schedules of all sorts, one page, one answer."""

import time as clock
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from functools import partial

from bench.figures import Figure, percentile
from escalations.oncall import (
    Layer,
    Override,
    Restriction,
    Rotation,
    RotationKind,
    ScheduleSpec,
    TemporarySchedule,
    gaps_between,
    hours_per_person,
    layer_shifts_between,
    next_change,
    on_call_at,
    shifts_between,
)

SCHEDULES = 500
MONTH = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)  # clocks change in it
ZONES = (
    "America/New_York",
    "Europe/Vienna",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "UTC",
)
ROTATIONS: tuple[tuple[RotationKind, int], ...] = (
    ("weekly", 1),
    ("daily", 1),
    ("hourly", 12),
    ("daily", 2),
    ("monthly", 1),
    ("hourly", 4),
)
WORKDAYS = Restriction(frozenset(range(5)), time(8), time(20))
NIGHTS = Restriction(frozenset(range(7)), time(20), time(8))
WEEKEND = Restriction(frozenset({5, 6}), time(8), time(20))


def run() -> Iterator[Figure]:
    """A month of every schedule, all rows of the worst page, and single answers."""
    specs = [schedule(number) for number in range(SCHEDULES)]
    seconds = seconds_for(lambda: [shifts_between(spec, *MONTH) for spec in specs])
    yield Figure("oncall.month_500_schedules_s", seconds, "s")
    pages = [seconds_for(partial(show_page, spec)) for spec in specs]
    yield Figure("oncall.page_ms", percentile(pages, 0.99) * 1000, "ms")
    instants = [MONTH[0] + timedelta(hours=7 * number) for number in range(SCHEDULES)]
    seconds = seconds_for(
        lambda: [on_call_at(spec, at) for spec, at in zip(specs, instants, strict=True)]
    )
    yield Figure("oncall.answer_us", seconds / SCHEDULES * 1_000_000, "µs")


def schedule(number: int) -> ScheduleSpec:
    """One of many unlike schedules: days, nights and weekends, a fallback, changes by hand."""
    people = [number * 10 + place for place in range(3 + number % 6)]
    anchor = datetime(2021 + number % 5, 1 + number % 12, 1 + number % 28, 9, tzinfo=UTC)
    layers = [
        layer(name, number + place, people, anchor, restriction, place // 3)
        for place, (name, restriction) in enumerate(
            [("days", WORKDAYS), ("nights", NIGHTS), ("weekend", WEEKEND), ("all", None)]
        )
    ]
    start = MONTH[0] + timedelta(hours=number % 200)
    overrides = tuple(
        Override(
            "replace",
            start + timedelta(days=3 * place),
            start + timedelta(days=3 * place, hours=12),
            people[place % len(people)],
            people[(place + 1) % len(people)],
        )
        for place in range(number % 7)
    )
    holidays = (TemporarySchedule(start, start + timedelta(days=1)),) if number % 10 == 0 else ()
    return ScheduleSpec(ZONES[number % len(ZONES)], tuple(layers), overrides, holidays)


def layer(
    name: str,
    number: int,
    people: list[int],
    anchor: datetime,
    restriction: Restriction | None,
    rank: int,
) -> Layer:
    """One rotation of a schedule."""
    kind, length = ROTATIONS[number % len(ROTATIONS)]
    return Layer(
        name,
        Rotation(kind, length, anchor),
        tuple((person,) for person in people),
        restrictions=(restriction,) if restriction else (),
        skips_inactive=number % 5 == 0,
        rank=rank,
    )


def show_page(spec: ScheduleSpec) -> None:
    """What the page of a schedule calculates for a month: each layer, the result, the sums."""
    for one in spec.layers:
        layer_shifts_between(one, spec.zone, *MONTH)
    shifts_between(spec, *MONTH)
    gaps_between(spec, *MONTH)
    hours_per_person(spec, *MONTH)
    next_change(spec, MONTH[0])


def seconds_for(work: Callable[[], object]) -> float:
    """The processor time of some work, so that others on the machine do not count; caches warm."""
    work()
    started = clock.process_time()
    work()
    return clock.process_time() - started
