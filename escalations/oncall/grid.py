"""The grid of handoffs of a rotation: slots of clock time, numbered from the anchor, slot 0.

The grid extends to the past too. A change of the clocks may leave a slot no time at all: it starts
and ends at the same instant.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, assert_never

from escalations.oncall.clock import (
    DAY,
    HOUR,
    WEEK,
    Clock,
    seconds_of,
    wall_datetime,
    wall_seconds,
)
from escalations.oncall.spec import Rotation
from opsknight.wall_clock import whole_minute


@dataclass(frozen=True, slots=True)
class StepGrid:
    """A handoff every `step` seconds of clock time; slot 0 starts at wall time `anchor`."""

    clock: Clock
    anchor: int
    step: int

    def wall(self, slot: int) -> int:
        """What the clock shows when a slot starts."""
        return self.anchor + slot * self.step

    def starts_at(self, slot: int) -> int:
        """The instant at which a slot starts, and the one before ends."""
        return self.clock.first_instant(self.anchor + slot * self.step)

    def slot_at(self, instant: int) -> int:
        """Return the slot that lasts and contains `instant`.

        The wall clock names it at once, except in a repeated hour, where the clock shows times
        whose slots are over.
        """
        slot = (self.clock.wall(instant) - self.anchor) // self.step
        while self.starts_at(slot + 1) <= instant:
            slot += 1
        return slot


@dataclass(frozen=True, slots=True)
class MonthGrid:
    """A handoff every `months` on the day and time of `anchor`, or a shorter month's last day."""

    clock: Clock
    anchor: datetime  # naive
    months: int

    def wall(self, slot: int) -> int:
        """What the clock shows when a slot starts."""
        # Always counted from the anchor: after 28 February the next one is 31 March again.
        return wall_seconds(_plus_months(self.anchor, slot * self.months))

    def starts_at(self, slot: int) -> int:
        """The instant at which a slot starts, and the one before ends."""
        return self.clock.first_instant(self.wall(slot))

    def slot_at(self, instant: int) -> int:
        """Return the slot that contains `instant`."""
        wall = wall_datetime(self.clock.wall(instant))
        months = (wall.year - self.anchor.year) * 12 + wall.month - self.anchor.month
        slot = months // self.months
        # The handoff of this month may still be to come, or lie behind in a repeated hour.
        while self.starts_at(slot) > instant:
            slot -= 1
        while self.starts_at(slot + 1) <= instant:
            slot += 1
        return slot


Grid: TypeAlias = StepGrid | MonthGrid


def grid_of(rotation: Rotation, clock: Clock) -> Grid:
    """Return the grid of a rotation on the clock of a zone."""
    anchor = whole_minute(wall_datetime(clock.wall(seconds_of(rotation.starts_at))))
    match rotation.kind:
        case "hourly":
            return StepGrid(clock, wall_seconds(anchor), rotation.length * HOUR)
        case "daily":
            return StepGrid(clock, wall_seconds(anchor), rotation.length * DAY)
        case "weekly":
            return StepGrid(clock, wall_seconds(anchor), rotation.length * WEEK)
        case "monthly":
            return MonthGrid(clock, anchor, rotation.length)
        case _:
            assert_never(rotation.kind)


def _plus_months(anchor: datetime, months: int) -> datetime:
    years, month0 = divmod(anchor.month - 1 + months, 12)
    year, month = anchor.year + years, month0 + 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))
