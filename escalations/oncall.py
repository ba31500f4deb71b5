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
from typing import Literal, assert_never

from opsknight.wall_clock import (
    Gap,
    first_instant,
    gaps_in_year,
    to_utc,
    wall_time,
    whole_minute,
)

RotationKind = Literal["hourly", "daily", "weekly", "monthly"]

# Longest rotation, in its own unit: keeps every handoff inside the dates Python can represent.
MAX_LENGTH = 10_000

# Offsets of zones lie within a day of UTC, so no change of clocks skips this much.
_LONGER_THAN_ANY_GAP = timedelta(days=2)


@dataclass(frozen=True)
class Rotation:
    """How often the person changes: every `length` hours, days, weeks or months of clock time.

    `starts_at` is an aware instant; its wall clock in the schedule's zone (seconds dropped) is the
    anchor of the grid of handoffs. Raises ValueError for what no grid can be built from.
    """

    kind: RotationKind
    length: int
    starts_at: datetime

    def __post_init__(self) -> None:
        if not 1 <= self.length <= MAX_LENGTH:
            raise ValueError(f"a rotation's length is 1 to {MAX_LENGTH}, not {self.length}")
        to_utc(self.starts_at)


@dataclass(frozen=True)
class Layer:
    """People who take turns: user ids in order, the same one more than once if wished.

    `ends_at` (None: never) is the first instant at which nobody of this layer is on call.
    """

    name: str
    rotation: Rotation
    members: tuple[int, ...]
    ends_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.ends_at is not None and self.ends_at.utcoffset() is None:
            raise ValueError("the end of a layer needs a time zone")


@dataclass(frozen=True)
class ScheduleSpec:
    """A schedule as data: `zone` is an IANA name, the first layer with somebody on call wins."""

    zone: str
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Shift:
    """Somebody's time on call, [starts_at, ends_at) in UTC: at `ends_at` the next person is on."""

    starts_at: datetime
    ends_at: datetime
    user_id: int
    layer_name: str


# What callers ask


def on_call_at(spec: ScheduleSpec, at: datetime) -> int | None:
    """Return the id of the user on call at `at`, or None when nobody is."""
    instant = to_utc(at)
    layer = _covering_layer(spec, instant)
    return next(_turns_from(layer, spec.zone, instant)).user_id if layer else None


def shift_at(layer: Layer, zone: str, at: datetime) -> Shift | None:
    """Return the turn of one layer that contains `at`, or None when nobody has it.

    It runs from handoff to handoff of the rotation (unmerged, also when the same member follows)
    and stops at the end of the layer.
    """
    instant = to_utc(at)
    return next(_turns_from(layer, zone, instant)) if _covers(layer, instant) else None


def shifts_between(spec: ScheduleSpec, start: datetime, end: datetime) -> list[Shift]:
    """Return who is on call in [start, end), in order, cut at both ends of the window.

    Turns that follow each other with the same person in the same layer are one shift: a rotation
    of [ann, ann, bob] shows one shift of double length. Costs one step per turn in the window.
    """
    moment, until = to_utc(start), to_utc(end)
    shifts: list[Shift] = []
    while moment < until and (layer := _covering_layer(spec, moment)):
        for turn in _turns_from(layer, spec.zone, moment):
            if turn.starts_at >= until:
                return shifts
            starts_at, ends_at = max(turn.starts_at, moment), min(turn.ends_at, until)
            _append_merged(shifts, replace(turn, starts_at=starts_at, ends_at=ends_at))
        # Only a layer with an end runs out of turns; go on with the layer below it.
        moment = _end_of(layer) or until
    return shifts


def next_handoff(spec: ScheduleSpec, at: datetime) -> datetime | None:
    """Return the next instant after `at` at which another person, or nobody, is on call.

    None when that never happens: one person for ever, or nobody already. For the end of a turn
    whoever follows, see `shift_at`.
    """
    moment = to_utc(at)
    current = on_call_at(spec, moment)
    if current is None:
        return None
    while layer := _covering_layer(spec, moment):
        # One round of the members meets everybody in the layer.
        for turn in islice(_turns_from(layer, spec.zone, moment), len(layer.members)):
            if turn.user_id != current:
                return max(turn.starts_at, moment)
        ends_at = _end_of(layer)
        if ends_at is None:
            return None
        moment = ends_at
    return moment


# Layers and turns


def _covers(layer: Layer, instant: datetime) -> bool:
    ends_at = _end_of(layer)
    return bool(layer.members) and (ends_at is None or instant < ends_at)


def _covering_layer(spec: ScheduleSpec, instant: datetime) -> Layer | None:
    return next((layer for layer in spec.layers if _covers(layer, instant)), None)


def _end_of(layer: Layer) -> datetime | None:
    return whole_minute(layer.ends_at.astimezone(UTC)) if layer.ends_at else None


def _turns_from(layer: Layer, zone: str, instant: datetime) -> Iterator[Shift]:
    """Yield the turns of a covering layer until it ends, from the turn that contains `instant`."""
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
        user_id = layer.members[turn % len(layer.members)]
        cut_at = min(ends_at, layer_ends_at) if layer_ends_at else ends_at
        yield Shift(starts_at, cut_at, user_id, layer.name)
        starts_at = ends_at
        turn += 1


def _append_merged(shifts: list[Shift], turn: Shift) -> None:
    last = shifts[-1] if shifts else None
    if last and (last.user_id, last.layer_name) == (turn.user_id, turn.layer_name):
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

    def _empty_slots(self, gap: Gap, first: int, last: int) -> int:
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
