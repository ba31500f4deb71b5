"""When somebody else is on call, and from when on nothing changes any more."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from math import lcm

from escalations.oncall.clock import DAY, HOUR, WEEK, minute_of, moment_of, seconds_of
from escalations.oncall.history import duties_between
from escalations.oncall.restrictions import ALWAYS, week_of
from escalations.oncall.spec import History, Layer, Plan, ScheduleSpec
from escalations.oncall.timeline import Duties
from opsknight.wall_clock import LAST_YEAR, to_utc

_FIRST_LOOK = 2 * DAY
_AT_LEAST = 2 * 366 * DAY
_LONGEST_UNIT = {"hourly": HOUR, "daily": DAY, "weekly": WEEK, "monthly": 31 * DAY}
_END_OF_TIME = seconds_of(datetime(LAST_YEAR, 12, 31, tzinfo=UTC))


def next_change(plan: Plan, at: datetime, *, until: datetime | None = None) -> datetime | None:
    """Return the next instant after `at` at which the set of people on call is another one.

    None when there is none before `until`; without `until`, when nothing is left to change, or
    nothing did in two rounds of the longest rotation and two years.
    """
    start = seconds_of(to_utc(at))
    end = _nothing_changes_after(plan, start) if until is None else seconds_of(to_utc(until))
    current: set[int] | None = None
    length = _FIRST_LOOK
    while start < end:
        stop = min(start + length, end)
        for starts_at, _, duties in duties_between(plan, start, stop):
            if current is None:
                current = _people(duties)
            elif _people(duties) != current:
                return moment_of(starts_at)
        start, length = stop, length * 2
    return None


def _people(duties: Duties) -> set[int]:
    return {duty.user_id for duty in duties}


def _nothing_changes_after(plan: Plan, start: int) -> int:
    """Return how far to look for a change."""
    versions = [version.spec for version in plan.versions] if isinstance(plan, History) else [plan]
    borders = [minute_of(border) for spec in versions for border in _last_borders(spec)]
    if isinstance(plan, History):
        borders += [minute_of(version.since) for version in plan.versions]
    settled = max([start, *borders]) + 1
    rounds = [_round(layer) for spec in versions[-1:] for layer in _deciding(spec.layers)]
    if not any(rounds):
        return settled
    return min(settled + max(_AT_LEAST, 2 * max(rounds)), _END_OF_TIME)


def _last_borders(spec: ScheduleSpec) -> Iterator[datetime]:
    """When what happens once is over."""
    for layer in spec.layers:
        yield from filter(None, (layer.begins_at, layer.ends_at))
        yield from (shift.ends_at for shift in layer.fixed)
    yield from (override.ends_at for override in spec.overrides)
    yield from (temporary.ends_at for temporary in spec.temporaries)


def _deciding(layers: Iterable[Layer]) -> Iterator[Layer]:
    """The layers that go on for ever, without those below one with always somebody on call."""
    lasting = [layer for layer in layers if layer.ends_at is None and layer.rotation]
    for _, rank in groupby(sorted(lasting, key=_rank_of), key=_rank_of):
        together = list(rank)
        yield from together
        if any(_has_no_breaks(layer) and layer.turns and all(layer.turns) for layer in together):
            return


def _rank_of(layer: Layer) -> int:
    return layer.rank


def _has_no_breaks(layer: Layer) -> bool:
    return layer.shift_hours is None and week_of(layer.restrictions) == ALWAYS


def _round(layer: Layer) -> int:
    """The clock time until a layer begins anew, in seconds; 0: nothing in it ever changes."""
    one_for_ever = len({frozenset(turn) for turn in layer.turns}) < 2
    if layer.rotation is None or (one_for_ever and _has_no_breaks(layer)):
        return 0
    slot = _LONGEST_UNIT[layer.rotation.kind] * layer.rotation.length
    return max(1, len(layer.turns)) * (lcm(slot, WEEK) if layer.skips_inactive else slot)
