"""Whose turn a slot is: counting the slots that take a turn, without going through them.

Which slots do is first read off the wall clock, where it repeats every few weeks. Around a change
of the clocks reality differs from that in a few slots, which are looked at one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

from escalations.oncall.clock import DAY, HOUR, WEEK, Clock, ClockChange, clock_of, monday_before
from escalations.oncall.grid import Grid, StepGrid, grid_of
from escalations.oncall.restrictions import ALWAYS, NEVER, Week, wall_openings, week_of
from escalations.oncall.spec import Layer, Rotation

# Offsets lie within a day of UTC, so no change of the clocks skips this much.
_LONGER_THAN_ANY_GAP = 2 * DAY
# How far apart the slots are up to which turns are counted once: clock time, and months.
_KEPT_EVERY = 730 * DAY
_KEPT_MONTHS = 24


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of a rotation: each slot that lasts, or only those in which somebody is on call.

    A slot that takes no turn leaves it to the next one.
    """

    grid: Grid
    clock: Clock
    week: Week
    shift: int | None  # seconds of clock time from the start of a slot; None: all of it
    skips_inactive: bool

    def number_of(self, slot: int) -> int:
        """Return how many turns after the anchor (negative: before it) a slot comes.

        A slot without a turn has the number of the next turn.
        """
        grid = self.grid
        if not isinstance(grid, StepGrid):
            return self._number_of_month(slot)
        near = _towards_zero(slot, max(1, _KEPT_EVERY // grid.step))
        wrong = _miscounted(self, grid, near) if near else 0
        wrong += self.miscounted(grid, near, slot)
        return self._turns_by_clock(grid, slot) + wrong

    def miscounted(self, grid: StepGrid, start: int, end: int) -> int:
        """Return how many turns from `start` to `end` the wall clock alone does not count.

        Where `end` comes first, they count backwards.
        """
        odd = self._odd_slots(grid, min(start, end), max(start, end))
        wrong = sum(self.has_turn(one) - self._has_turn_by_clock(grid, one) for one in odd)
        return wrong if end > start else -wrong

    def has_turn(self, slot: int) -> bool:
        """Return whether a slot takes a turn."""
        starts_at, ends_at = self.grid.starts_at(slot), self.grid.starts_at(slot + 1)
        if not self.skips_inactive:
            return starts_at < ends_at
        opens, closes = self.grid.wall(slot), self.grid.wall(slot + 1)
        if self.shift is not None:
            closes = min(closes, opens + self.shift)
        first, last = self.clock.first_instant, self.clock.last_instant
        ends_at = min(ends_at, last(closes))
        # In a repeated hour a slot may overlap with what closed before it by the wall clock.
        for one_opens, one_closes in wall_openings(self.week, opens - DAY):
            opens_at = max(starts_at, first(one_opens))
            if opens_at >= ends_at:
                return False
            if opens_at < last(one_closes):
                return True
        return False

    def slots_between(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield (slot, turn number, starts at, ends at) of the slots that touch [start, end).

        Only those that last; uncut: the first one may start before, the last one end after.
        """
        grid = self.grid
        slot = grid.slot_at(start)
        number, starts_at = self.number_of(slot), grid.starts_at(slot)
        odd = self._odd_slots(grid, slot, grid.slot_at(end) + 1)
        while starts_at < end:
            ends_at = grid.starts_at(slot + 1)
            if starts_at < ends_at:
                yield slot, number, starts_at, ends_at
            if not self.skips_inactive:
                number += starts_at < ends_at
            elif slot in odd or not isinstance(grid, StepGrid):
                number += self.has_turn(slot)
            else:
                number += self._has_turn_by_clock(grid, slot)
            slot, starts_at = slot + 1, ends_at

    def shift_ends_at(self, slot: int, slot_ends_at: int) -> int:
        """Return when whoever has a slot is no longer on call: at its end, or earlier."""
        if self.shift is None:
            return slot_ends_at
        return min(slot_ends_at, self.clock.last_instant(self.grid.wall(slot) + self.shift))

    def _number_of_month(self, slot: int) -> int:
        if not self.skips_inactive or self.week == ALWAYS:
            return slot  # no change of the clocks leaves a month, or a shift in it, without time
        if self.shift is None:
            return 0 if self.week == NEVER else slot  # every week of the month is open sometime
        # Days of months follow no weekly rhythm; there are at most 3,600 months to go through.
        near = _towards_zero(slot, _KEPT_MONTHS)
        return _turns_from_anchor(self, near) + self.turns_between(near, slot)

    def turns_between(self, start: int, end: int) -> int:
        """Count the slots with a turn one by one; backwards where `end` comes first."""
        if end >= start:
            return sum(self.has_turn(one) for one in range(start, end))
        return -sum(self.has_turn(one) for one in range(end, start))

    def _has_turn_by_clock(self, grid: StepGrid, slot: int) -> bool:
        return self._turns_by_clock(grid, slot + 1) > self._turns_by_clock(grid, slot)

    def _turns_by_clock(self, grid: StepGrid, slot: int) -> int:
        if not self.skips_inactive:
            return slot
        offset = (grid.anchor - monday_before(grid.anchor)) % WEEK
        length = min(grid.step, self.shift or grid.step)
        before = _turns_before(self.week, offset, grid.step, length)
        periods, rest = divmod(slot, len(before) - 1)
        return periods * before[-1] + before[rest]

    def _odd_slots(self, grid: Grid, first: int, end: int) -> set[int]:
        """The slots in [first, end) that a change of the clocks may give or take a turn."""
        if not isinstance(grid, StepGrid):
            return set()
        if not self.skips_inactive and grid.step >= _LONGER_THAN_ANY_GAP:
            return set()
        changes = self.clock.changes_between(
            grid.wall(first) - _LONGER_THAN_ANY_GAP, grid.wall(end) + _LONGER_THAN_ANY_GAP
        )
        odd: set[int] = set()
        for change in changes:
            if self._may_matter(grid, change):
                earliest, latest = change.wall_times
                touched = range(
                    max(first, -((grid.anchor - earliest) // grid.step) - 1),
                    min(end, (latest - grid.anchor) // grid.step + 1),
                )
                odd.update(touched)
        return odd

    def _may_matter(self, grid: StepGrid, change: ClockChange) -> bool:
        """A slot's time differs from the clock's only where it starts or closes in the change."""
        if not self.skips_inactive:
            return change.skipped >= grid.step
        earliest, latest = change.wall_times
        if (latest - grid.anchor) // grid.step > (earliest - 1 - grid.anchor) // grid.step:
            return True
        for opens, closes in wall_openings(self.week, earliest - DAY):
            if opens > latest:
                return False
            if earliest <= opens or earliest <= closes <= latest:
                return True
        return False


def _towards_zero(slot: int, step: int) -> int:
    near = abs(slot) // step * step
    return near if slot > 0 else -near


# Counting from an anchor long ago takes half a second, and the engine asks again and again: what
# was counted up to some slots is kept, and only the rest is counted each time.


@lru_cache(maxsize=4096)
def _miscounted(turns: Turns, grid: StepGrid, end: int) -> int:
    return turns.miscounted(grid, 0, end)


@lru_cache(maxsize=4096)
def _turns_from_anchor(turns: Turns, slot: int) -> int:
    return turns.turns_between(0, slot)


@lru_cache(maxsize=4096)
def _turns_before(week: Week, offset: int, step: int, length: int) -> tuple[int, ...]:
    """How many slots of a period take a turn before each one of it, and at last, of all.

    Slots start `step` seconds apart, the first one `offset` after Monday, 00:00. The clock shows
    the same again after a week, or after as many weeks as it takes slots to fall on one again.
    """
    counts = [0]
    for slot in range(WEEK // gcd(step, WEEK)):
        starts = (offset + slot * step) % WEEK
        ends = starts + length
        # An opening may have begun in the week before, or begin in a later week.
        is_taken = length >= WEEK and week != NEVER
        is_taken = is_taken or any(
            starts < closes + shift and opens + shift < ends
            for opens, closes in week
            for shift in (-WEEK, 0, WEEK)
        )
        counts.append(counts[-1] + is_taken)
    return tuple(counts)


def turns_of(layer: Layer, rotation: Rotation, zone: str) -> Turns:
    """Return the turns of a layer with a rotation."""
    clock = clock_of(zone)
    return Turns(
        grid=grid_of(rotation, clock),
        clock=clock,
        week=week_of(layer.restrictions),
        shift=None if layer.shift_hours is None else layer.shift_hours * HOUR,
        skips_inactive=layer.skips_inactive,
    )
