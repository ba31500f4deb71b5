"""The wall clock of one zone in whole seconds, for calculations that read it thousands of times.

The same rules as `opsknight.wall_clock`, which the tests compare it with, several times faster: the
offsets of a zone are looked up once and kept.

Instants are seconds since 1970 in UTC, wall times the seconds from 1 January 1970, 00:00, to what
the clock shows.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = 60, 3600, 86_400
WEEK = 7 * DAY

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)
_MONDAY = -3 * DAY  # the Monday before 1 January 1970
_BLOCK_BITS = 24  # 194 days
# Offsets lie within a day of UTC: what the clock shows near a block's border is known to the block.
_MARGIN = 2 * DAY
_FOREVER = 1 << 62


class Span(NamedTuple):
    """A time with one offset from UTC, [starts_at, ends_at)."""

    starts_at: int
    ends_at: int
    offset: int


class ClockChange(NamedTuple):
    """An instant at which the clocks are put forward or back."""

    at: int
    before: int  # offset
    after: int

    @property
    def skipped(self) -> int:
        """Seconds of wall time that do not exist; negative: that occur twice."""
        return self.after - self.before

    @property
    def wall_times(self) -> tuple[int, int]:
        """The first and the last wall time that is skipped or occurs twice."""
        shown = (self.at + self.before, self.at + self.after)
        return min(shown), max(shown)


class Clock:
    """What the clock of a zone shows when; keeps what it has looked up."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._blocks: dict[int, tuple[Span, ...]] = {}

    def wall(self, instant: int) -> int:
        """What the clock shows at an instant."""
        for _, ends_at, offset in self._block(instant >> _BLOCK_BITS):
            if instant < ends_at:
                return instant + offset
        raise AssertionError("the last span never ends")

    def first_instant(self, wall: int) -> int:
        """When a wall time is reached, for the first time; after a gap, if it is skipped."""
        for starts_at, ends_at, offset in self._block(wall >> _BLOCK_BITS):
            instant = wall - offset
            if instant < ends_at:
                return instant if instant > starts_at else starts_at  # max() takes twice as long
        raise AssertionError("the last span never ends")

    def last_instant(self, wall: int) -> int:
        """The same, but the second time for one that occurs twice; ends are meant so."""
        for starts_at, ends_at, offset in reversed(self._block(wall >> _BLOCK_BITS)):
            if wall - offset >= starts_at:
                return min(wall - offset, ends_at)
        raise AssertionError("the first span always was")

    def changes_between(self, start: int, end: int) -> Iterator[ClockChange]:
        """The changes of the clock in [start, end)."""
        for number in range(start >> _BLOCK_BITS, (end >> _BLOCK_BITS) + 1):
            spans = self._block(number)
            for before, after in pairwise(spans):
                at = after.starts_at
                if at >> _BLOCK_BITS == number and start <= at < end:
                    yield ClockChange(at, before.offset, after.offset)

    def _block(self, number: int) -> tuple[Span, ...]:
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = self._spans_around(number)
        return block

    def _spans_around(self, number: int) -> tuple[Span, ...]:
        """The spans of a block and its margins; the outermost ones go on for ever."""
        moment = (number << _BLOCK_BITS) - _MARGIN
        end = ((number + 1) << _BLOCK_BITS) + _MARGIN
        spans = []
        starts_at, offset = -_FOREVER, self._offset(moment)
        while moment < end:
            if self._offset(moment + DAY) != offset:
                change = self._change_after(moment, offset)
                spans.append(Span(starts_at, change, offset))
                starts_at, offset = change, self._offset(change)
            moment += DAY
        return (*spans, Span(starts_at, _FOREVER, offset))

    def _change_after(self, before: int, offset: int) -> int:
        """The first instant within a day at which the offset is another."""
        old, new = before, before + DAY
        while new - old > 1:
            middle = (old + new) // 2
            if self._offset(middle) == offset:
                old = middle
            else:
                new = middle
        return new

    def _offset(self, instant: int) -> int:
        shown = moment_of(instant).astimezone(self._zone)
        return (shown.utcoffset() or timedelta()) // _SECOND


@lru_cache(maxsize=1024)
def clock_of(zone: str) -> Clock:
    """The clock of a zone; raises ZoneInfoNotFoundError or ValueError where there is none."""
    return Clock(zone)


# Seconds and datetimes


def seconds_of(instant: datetime) -> int:
    """An aware instant as whole seconds, the rest dropped."""
    return (instant - _EPOCH) // _SECOND


def minute_of(instant: datetime) -> int:
    """An aware instant as seconds, cut to the whole minute: what borders are made of."""
    seconds = seconds_of(instant)
    return seconds - seconds % MINUTE


def moment_of(instant: int) -> datetime:
    """Seconds as an aware instant in UTC."""
    return _EPOCH + timedelta(seconds=instant)


def wall_seconds(wall: datetime) -> int:
    """A naive wall time as seconds."""
    return (wall - _NAIVE_EPOCH) // _SECOND


def wall_datetime(wall: int) -> datetime:
    """Seconds as a naive wall time."""
    return _NAIVE_EPOCH + timedelta(seconds=wall)


def monday_before(wall: int) -> int:
    """Monday, 00:00, of the week of a wall time."""
    return wall - (wall - _MONDAY) % WEEK
