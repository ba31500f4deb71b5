"""Who is on call: the one calculation behind the engine, the pages and the API.

Pure: no ORM, no clock. Instants go in aware and come out in UTC; only the calculation in between
happens on the wall clock of the schedule's zone. `docs/explanation/on-call.md` tells the rules with
examples.

The words used here:

slot  a step of the rotation's wall-clock grid, numbered from its anchor (slot 0), also backwards.
      A clock change may leave a slot no time at all.
turn  a slot that lasts, and the member whose it is. Turns take the members in order, so a member
      whose slot had no time is not passed over: the next slot is theirs.
shift what people see: one or more turns of one person in a row.

A layer with members has somebody on call at every instant before its end, also before its start.
So a layer only ever stops, and the layer that covers an instant covers until it ends.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from typing import Literal, assert_never
from zoneinfo import ZoneInfo

RotationKind = Literal["hourly", "daily", "weekly", "monthly"]

# Longest rotation, in its own unit: keeps every handoff inside the dates Python can represent.
MAX_LENGTH = 1000
# Instants outside these years are refused rather than answered with invented time-zone rules.
FIRST_YEAR, LAST_YEAR = 1900, 2199


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
        _utc(self.starts_at)


@dataclass(frozen=True)
class Layer:
    """People who take turns: user ids in order, the same one more than once if wished.

    `ends_at` (None: never) is the first instant at which nobody of this layer is on call.
    """

    name: str
    rotation: Rotation
    members: tuple[int, ...]
    ends_at: datetime | None = None


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
    instant = _utc(at)
    layer = _covering_layer(spec, instant)
    return _current_turn(layer, spec.zone, instant).user_id if layer else None


def shift_at(layer: Layer, zone: str, at: datetime) -> Shift | None:
    """Return the turn of one layer that contains `at`, or None when nobody has it.

    It runs from handoff to handoff of the rotation (unmerged, also when the same member follows)
    and stops at the end of the layer.
    """
    instant = _utc(at)
    return _current_turn(layer, zone, instant) if _covers(layer, instant) else None


def shifts_between(spec: ScheduleSpec, start: datetime, end: datetime) -> list[Shift]:
    """Return who is on call in [start, end), in order, cut at both ends of the window.

    Turns that follow each other with the same person in the same layer are one shift: a rotation
    of [ann, ann, bob] shows one shift of double length. Costs one step per turn in the window.
    """
    moment, until = _utc(start), _utc(end)
    shifts: list[Shift] = []
    while moment < until and (layer := _covering_layer(spec, moment)):
        for turn in _turns_from(layer, spec.zone, moment):
            if turn.starts_at >= until:
                return shifts
            _append_merged(shifts, replace(turn, ends_at=min(turn.ends_at, until)), moment)
        # Only a layer with an end runs out of turns, so this goes on with the layer below it.
        moment = _end_of(layer) or until
    return shifts


def next_handoff(spec: ScheduleSpec, at: datetime) -> datetime | None:
    """Return the next instant after `at` at which another person, or nobody, is on call.

    None when that never happens: one person for ever, or nobody already.
    """
    moment = _utc(at)
    current = on_call_at(spec, moment)
    if current is None:
        return None
    while layer := _covering_layer(spec, moment):
        # One round of the members, and the turn it starts in, meets everybody in the layer.
        for turn in islice(_turns_from(layer, spec.zone, moment), len(layer.members) + 1):
            if turn.user_id != current:
                return max(turn.starts_at, moment)
        ends_at = _end_of(layer)
        if ends_at is None:
            return None
        moment = ends_at
    return moment


def first_instant(wall: datetime, zone: str) -> datetime:
    """Return the instant (UTC) at which a naive wall time, to the minute, is reached in `zone`.

    A wall time that occurs twice means the first one. One that is skipped means the first instant
    after the gap. Starts and handoffs are resolved this way.
    """
    return _resolve(_whole_minute(wall), ZoneInfo(zone), fold=0)


def last_instant(wall: datetime, zone: str) -> datetime:
    """Return the same as `first_instant`, but the second one of a wall time that occurs twice.

    Ends of time windows are resolved this way, so that windows that meet in the repeated hour
    overlap and never leave a hole.
    """
    return _resolve(_whole_minute(wall), ZoneInfo(zone), fold=1)


# Layers


def _covers(layer: Layer, instant: datetime) -> bool:
    ends_at = _end_of(layer)
    return bool(layer.members) and (ends_at is None or instant < ends_at)


def _covering_layer(spec: ScheduleSpec, instant: datetime) -> Layer | None:
    return next((layer for layer in spec.layers if _covers(layer, instant)), None)


def _end_of(layer: Layer) -> datetime | None:
    return _whole_minute(layer.ends_at.astimezone(UTC)) if layer.ends_at else None


def _current_turn(layer: Layer, zone: str, instant: datetime) -> Shift:
    return next(_turns_from(layer, zone, instant))


def _turns_from(layer: Layer, zone: str, instant: datetime) -> Iterator[Shift]:
    """Yield the turns of a covering layer until it ends, from the turn that contains `instant`."""
    grid = _Grid.of(layer.rotation, ZoneInfo(zone))
    layer_ends_at = _end_of(layer)
    slot = grid.slot_at(instant)
    turn = grid.turn_number(slot)
    starts_at = grid.starts_at(slot)
    while layer_ends_at is None or starts_at < layer_ends_at:
        slot += 1
        ends_at = grid.starts_at(slot)
        if ends_at == starts_at:
            continue  # a slot without time: the turn passes to the next slot
        user_id = layer.members[turn % len(layer.members)]
        visible_end = min(ends_at, layer_ends_at) if layer_ends_at else ends_at
        yield Shift(starts_at, visible_end, user_id, layer.name)
        starts_at = ends_at
        turn += 1


def _append_merged(shifts: list[Shift], turn: Shift, not_before: datetime) -> None:
    last = shifts[-1] if shifts else None
    if last and (last.user_id, last.layer_name) == (turn.user_id, turn.layer_name):
        shifts[-1] = replace(last, ends_at=turn.ends_at)
    else:
        shifts.append(replace(turn, starts_at=max(turn.starts_at, not_before)))


# The grid of handoffs


@dataclass(frozen=True)
class _Grid:
    """The wall-clock grid of a rotation: slot 0 starts at `anchor`, a naive wall time in `zone`."""

    anchor: datetime
    zone: ZoneInfo
    step: timedelta | None  # None: months
    months: int

    @classmethod
    def of(cls, rotation: Rotation, zone: ZoneInfo) -> "_Grid":
        anchor = _whole_minute(_wall(rotation.starts_at, zone))
        length = rotation.length
        match rotation.kind:
            case "hourly":
                return cls(anchor, zone, timedelta(hours=length), 0)
            case "daily":
                return cls(anchor, zone, timedelta(days=length), 0)
            case "weekly":
                return cls(anchor, zone, timedelta(weeks=length), 0)
            case "monthly":
                return cls(anchor, zone, None, length)
            case _:
                assert_never(rotation.kind)

    def wall(self, slot: int) -> datetime:
        """Return the wall time at which a slot starts, whether or not that time exists."""
        if self.step is not None:
            return self.anchor + slot * self.step
        return _plus_months(self.anchor, slot * self.months)

    def starts_at(self, slot: int) -> datetime:
        return _resolve(self.wall(slot), self.zone, fold=0)

    def slot_at(self, instant: datetime) -> int:
        """Return the slot that lasts and contains `instant`.

        The wall clock gives it at once; only in a repeated hour, and in a month that starts later
        than its first day, does the guess have to move, by the slots that fit into that time.
        """
        wall = _wall(instant, self.zone)
        if self.step is not None:
            slot = (wall - self.anchor) // self.step
        else:
            slot = _months_between(self.anchor, wall) // self.months
        while self.starts_at(slot) > instant:
            slot -= 1
        while self.starts_at(slot + 1) <= instant:
            slot += 1
        return slot

    def turn_number(self, slot: int) -> int:
        """Return the number of turns from the anchor to a slot that lasts: empty slots are none."""
        if slot == 0 or self.step is None:
            return slot
        first, last = sorted((0, slot))
        years = range(self.wall(first).year - 1, self.wall(last).year + 2)
        empty = sum(
            self._empty_slots(gap, first, last)
            for year in years
            for gap in _gaps(self.zone.key, year)
            if gap.length >= self.step
        )
        return slot - empty if slot > 0 else slot + empty

    def _empty_slots(self, gap: "_Gap", first: int, last: int) -> int:
        """Count the slots in [first, last) that both start and end in a gap, at one instant."""
        assert self.step is not None
        first_in_gap = -((self.anchor - gap.starts_on_wall) // self.step)
        last_in_gap = (gap.ends_on_wall - self.anchor) // self.step
        return max(0, min(last_in_gap, last) - max(first_in_gap, first))


# Wall clock and instants


@dataclass(frozen=True)
class _Gap:
    """Wall time that a zone skips, [starts, ends), when its clocks go forward."""

    starts_on_wall: datetime
    ends_on_wall: datetime

    @property
    def length(self) -> timedelta:
        return self.ends_on_wall - self.starts_on_wall


@lru_cache(maxsize=4096)
def _gaps(zone_key: str, year: int) -> tuple[_Gap, ...]:
    """Return the gaps of a zone in a UTC year, found by looking at its offset day by day."""
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return ()
    zone = ZoneInfo(zone_key)
    new_year = datetime(year, 1, 1, tzinfo=UTC)
    days = [new_year + timedelta(days=day) for day in range(366)]
    days.append(datetime(year + 1, 1, 1, tzinfo=UTC))
    gaps = []
    for day, next_day in pairwise(days):
        if _offset(next_day, zone) > _offset(day, zone):
            change = _clock_change(day, next_day, zone)
            gaps.append(_Gap(_plain(change + _offset(day, zone)), _wall(change, zone)))
    return tuple(gaps)


def _resolve(wall: datetime, zone: ZoneInfo, *, fold: int) -> datetime:
    instant = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    if _wall(instant, zone) == wall:
        return instant
    # A skipped wall time: read by the clock after the change it lies before the change, and the
    # other way round, so the two readings enclose the end of the gap.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return _clock_change(before, after, zone)


def _clock_change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant, to the second, that has the offset of `after` and not `before`."""
    offset = _offset(before, zone)
    old, new = 0, int((after - before).total_seconds())
    while new - old > 1:
        middle = (old + new) // 2
        if _offset(before + timedelta(seconds=middle), zone) == offset:
            old = middle
        else:
            new = middle
    return before + timedelta(seconds=new)


def _utc(at: datetime) -> datetime:
    """Return an aware instant in UTC.

    Python compares two instants of one zone by their wall clocks, which goes wrong in a repeated
    hour, so nothing here compares before this conversion.
    """
    if at.utcoffset() is None:
        raise ValueError("an instant needs a time zone")
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"an instant lies in the years {FIRST_YEAR} to {LAST_YEAR}")
    return at.astimezone(UTC)


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return _plain(instant.astimezone(zone))


def _plain(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None, fold=0)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _whole_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _months_between(start: datetime, end: datetime) -> int:
    return (end.year - start.year) * 12 + end.month - start.month


def _plus_months(anchor: datetime, months: int) -> datetime:
    """Return the same day and time some months on, on the last day of a month too short for it."""
    years, month0 = divmod(anchor.month - 1 + months, 12)
    year, month = anchor.year + years, month0 + 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))
