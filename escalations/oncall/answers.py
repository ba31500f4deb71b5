"""Who is on call: the one calculation behind the engine, the pages and the API.

Pure: no ORM, no clock. Instants go in aware and come out in UTC; only the calculation in between
happens on the wall clock of the schedule's zone. `docs/explanation/on-call.md` tells the rules with
examples.

The words used here:

slot   a step of the rotation's wall-clock grid, numbered from its anchor (slot 0), also backwards.
       A clock change may leave a slot no time at all.
turn   a slot that lasts, and the member whose it is. Turns take the members in order, so a member
       whose slot had no time is not passed over: the next slot is theirs.
shift  what people see: one turn, or several of one person in a row.

A layer with members has somebody on call at every instant before its end, also before its start.
So a layer only ever stops, and the layer that covers an instant covers until it ends.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import assert_never

from escalations.oncall.spec import Gap, History, Layer, Plan, Rotation, ScheduleSpec, Shift
from opsknight.wall_clock import Gap as ClockGap
from opsknight.wall_clock import (
    first_instant,
    gaps_in_year,
    to_utc,
    wall_time,
    whole_minute,
)

# Offsets of zones lie within a day of UTC, so no change of clocks skips this much.
_LONGER_THAN_ANY_GAP = timedelta(days=2)


# What callers ask


def on_call_at(plan: Plan, at: datetime) -> tuple[int, ...]:
    """Return the ids of those on call at `at`, once each, in the order of the layers."""
    instant = to_utc(at)
    spec = _spec_at(plan, instant)
    layer = _covering_layer(spec, instant)
    return next(_turns_from(layer, spec.zone, instant))[2] if layer else ()


def turn_at(layer: Layer, zone: str, at: datetime) -> int | None:
    """Return whose turn it is at `at`, as an index into the turns; None: nobody's."""
    instant = to_utc(at)
    if not _covers(layer, instant) or layer.rotation is None:
        return None
    grid = _grid_of(layer.rotation, zone)
    return grid.turn_number(grid.slot_at(instant)) % len(layer.turns)


def layer_shifts_between(layer: Layer, zone: str, start: datetime, end: datetime) -> list[Shift]:
    """Return the shifts of one layer in [start, end)."""
    return shifts_between(ScheduleSpec(zone, (layer,)), start, end)


def shifts_between(plan: Plan, start: datetime, end: datetime) -> list[Shift]:
    """Return who is on call in [start, end), in order, cut at both ends of the window."""
    moment, until = to_utc(start), to_utc(end)
    spec = _spec_at(plan, moment)
    shifts: list[Shift] = []
    while moment < until and (layer := _covering_layer(spec, moment)):
        for starts_at, ends_at, user_ids in _turns_from(layer, spec.zone, moment):
            if starts_at >= until:
                return shifts
            for user_id in user_ids:
                _append_merged(
                    shifts,
                    Shift(max(starts_at, moment), min(ends_at, until), user_id, layer.name),
                )
        # Only a layer with an end runs out of turns; go on with the layer below it.
        moment = _end_of(layer) or until
    return shifts


def gaps_between(plan: Plan, start: datetime, end: datetime) -> list[Gap]:
    """Return the times in [start, end) in which nobody is on call."""
    gaps, moment = [], to_utc(start)
    for shift in shifts_between(plan, start, end):
        if shift.starts_at > moment:
            gaps.append(Gap(moment, shift.starts_at))
        moment = max(moment, shift.ends_at)
    return [*gaps, Gap(moment, to_utc(end))] if moment < to_utc(end) else gaps


def shifts_of(plan: Plan, user_id: int, start: datetime, end: datetime) -> list[Shift]:
    """Return the shifts of one person in [start, end)."""
    return [shift for shift in shifts_between(plan, start, end) if shift.user_id == user_id]


def hours_per_person(plan: Plan, start: datetime, end: datetime) -> dict[int, timedelta]:
    """Return how long everybody is on call in [start, end), by user id."""
    hours: dict[int, timedelta] = {}
    for shift in shifts_between(plan, start, end):
        hours[shift.user_id] = hours.get(shift.user_id, timedelta()) + shift.length
    return hours


def next_change(plan: Plan, at: datetime, *, until: datetime | None = None) -> datetime | None:
    """Return the next instant after `at` at which the set of people on call is another one."""
    moment = to_utc(at)
    spec = _spec_at(plan, moment)
    current = on_call_at(spec, moment)
    if not current:
        return None
    while layer := _covering_layer(spec, moment):
        # One round of the turns meets everybody in the layer.
        for starts_at, _, user_ids in islice(
            _turns_from(layer, spec.zone, moment), len(layer.turns)
        ):
            if user_ids != current:
                return max(starts_at, moment)
        ends_at = _end_of(layer)
        if ends_at is None:
            return None
        moment = ends_at
    return moment


def _spec_at(plan: Plan, instant: datetime) -> ScheduleSpec:
    if isinstance(plan, ScheduleSpec):
        return plan
    assert isinstance(plan, History)
    return plan.versions[-1].spec


# Layers and turns


def _covers(layer: Layer, instant: datetime) -> bool:
    ends_at = _end_of(layer)
    return bool(layer.turns) and (ends_at is None or instant < ends_at)


def _covering_layer(spec: ScheduleSpec, instant: datetime) -> Layer | None:
    return next(
        (layer for layer in sorted(spec.layers, key=lambda x: x.rank) if _covers(layer, instant)),
        None,
    )


def _end_of(layer: Layer) -> datetime | None:
    return whole_minute(layer.ends_at.astimezone(UTC)) if layer.ends_at else None


def _turns_from(
    layer: Layer, zone: str, instant: datetime
) -> Iterator[tuple[datetime, datetime, tuple[int, ...]]]:
    """Yield the turns of a covering layer until it ends, from the turn that contains `instant`."""
    assert layer.rotation is not None
    grid = _grid_of(layer.rotation, zone)
    layer_ends_at = _end_of(layer)
    slot = grid.slot_at(instant)
    turn = grid.turn_number(slot)
    starts_at = grid.starts_at(slot)
    while layer_ends_at is None or starts_at < layer_ends_at:
        slot += 1
        ends_at = grid.starts_at(slot)
        if ends_at == starts_at:
            continue  # a slot without time: its turn passes to the next slot
        user_ids = layer.turns[turn % len(layer.turns)]
        cut_at = min(ends_at, layer_ends_at) if layer_ends_at else ends_at
        yield starts_at, cut_at, user_ids
        starts_at = ends_at
        turn += 1


def _append_merged(shifts: list[Shift], turn: Shift) -> None:
    last = shifts[-1] if shifts else None
    if last and (last.user_id, last.source) == (turn.user_id, turn.source):
        shifts[-1] = replace(last, ends_at=turn.ends_at)
    else:
        shifts.append(turn)


# The grid of handoffs


@dataclass(frozen=True)
class _StepGrid:
    """Handoffs every `step` of clock time in `zone`; slot 0 starts at wall time `anchor`."""

    anchor: datetime
    zone: str
    step: timedelta

    def starts_at(self, slot: int) -> datetime:
        return first_instant(self._wall(slot), self.zone)

    def slot_at(self, instant: datetime) -> int:
        """Return the slot that lasts and contains `instant`.

        The wall clock names it at once, except in a repeated hour, where the clock shows times
        whose slots are over.
        """
        slot = (wall_time(instant, self.zone) - self.anchor) // self.step
        while self.starts_at(slot + 1) <= instant:
            slot += 1
        return slot

    def turn_number(self, slot: int) -> int:
        """Return how many turns after the anchor (negative: before it) a slot that lasts comes."""
        if slot == 0 or self.step >= _LONGER_THAN_ANY_GAP:
            return slot
        first, last = sorted((0, slot))
        # One year more on both sides, as the years of gaps are those of UTC.
        years = range(self._wall(first).year - 1, self._wall(last).year + 2)
        empty = sum(
            self._empty_slots(gap, first, last)
            for year in years
            for gap in gaps_in_year(self.zone, year)
            if gap.length >= self.step
        )
        return slot - empty if slot > 0 else slot + empty

    def _empty_slots(self, gap: ClockGap, first: int, last: int) -> int:
        """Count the slots in [first, last) that a gap leaves no time: both ends lie in it."""
        first_inside = -((self.anchor - gap.starts_at) // self.step)
        last_inside = (gap.ends_at - self.anchor) // self.step
        return max(0, min(last_inside, last) - max(first_inside, first))

    def _wall(self, slot: int) -> datetime:
        return self.anchor + slot * self.step


@dataclass(frozen=True)
class _MonthGrid:
    """Handoffs every `months` on the day and time of `anchor`, or a shorter month's last day."""

    anchor: datetime
    zone: str
    months: int

    def starts_at(self, slot: int) -> datetime:
        # Always counted from the anchor: after 28 February the next one is 31 March again.
        return first_instant(_plus_months(self.anchor, slot * self.months), self.zone)

    def slot_at(self, instant: datetime) -> int:
        """Return the slot that contains `instant`."""
        wall = wall_time(instant, self.zone)
        months = (wall.year - self.anchor.year) * 12 + wall.month - self.anchor.month
        slot = months // self.months
        # The handoff of this month may still be to come, or lie behind in a repeated hour.
        while self.starts_at(slot) > instant:
            slot -= 1
        while self.starts_at(slot + 1) <= instant:
            slot += 1
        return slot

    def turn_number(self, slot: int) -> int:
        """Return the slot: no change of clocks leaves a month without time."""
        return slot


def _grid_of(rotation: Rotation, zone: str) -> _StepGrid | _MonthGrid:
    anchor = whole_minute(wall_time(rotation.starts_at, zone))
    match rotation.kind:
        case "hourly":
            return _StepGrid(anchor, zone, timedelta(hours=rotation.length))
        case "daily":
            return _StepGrid(anchor, zone, timedelta(days=rotation.length))
        case "weekly":
            return _StepGrid(anchor, zone, timedelta(weeks=rotation.length))
        case "monthly":
            return _MonthGrid(anchor, zone, rotation.length)
        case _:
            assert_never(rotation.kind)


def _plus_months(anchor: datetime, months: int) -> datetime:
    years, month0 = divmod(anchor.month - 1 + months, 12)
    year, month = anchor.year + years, month0 + 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))
