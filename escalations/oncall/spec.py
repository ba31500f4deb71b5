"""Schedules as plain data: what the calculation reads, and what it answers.

No ORM, no clock. Instants are aware; times of day are those on the wall of the schedule's zone.
Seconds are dropped everywhere: all on-call times are whole minutes.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal, TypeAlias

from opsknight.wall_clock import to_utc

RotationKind = Literal["hourly", "daily", "weekly", "monthly"]
OverrideKind = Literal["add", "remove", "replace"]
ShiftKind = Literal["layer", "override", "temporary"]

# Longest rotation, in its own unit: keeps every handoff inside the dates Python can represent.
MAX_LENGTH = 10_000


@dataclass(frozen=True)
class Rotation:
    """How often the turn passes on: every `length` hours, days, weeks or months of clock time.

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
class Restriction:
    """A time of the week in which a layer is on call; outside of all of its own, it is not.

    It opens at `starts` of each of `weekdays` (0 is Monday) and closes at the next `ends`: on the
    day after where `ends` is not later, so 20:00 to 08:00 is a night and 08:00 to 08:00 a whole
    day. Without weekdays it never opens.
    """

    weekdays: frozenset[int]
    starts: time
    ends: time

    def __post_init__(self) -> None:
        if not self.weekdays <= frozenset(range(7)):
            raise ValueError("a weekday is 0 (Monday) to 6 (Sunday)")


@dataclass(frozen=True)
class FixedShift:
    """These people, all of them, from one instant to another; no time if it ends too early."""

    starts_at: datetime
    ends_at: datetime
    user_ids: tuple[int, ...]

    def __post_init__(self) -> None:
        _need_zones("a shift", self.starts_at, self.ends_at)


@dataclass(frozen=True)
class Layer:
    """People who take turns; each turn has one person or several, or nobody.

    The same person may have more than one turn. A layer with a rotation has a turn running at
    every instant from `begins_at` to `ends_at` (None: always was, never ends), also before the
    rotation's own start. Who has the turn is on call for its first `shift_hours` (None: for all
    of it), and only while one of the `restrictions` is open (none: always).
    """

    name: str
    rotation: Rotation | None  # None: only `fixed`, such as an imported calendar
    turns: tuple[tuple[int, ...], ...]
    begins_at: datetime | None = None
    ends_at: datetime | None = None
    shift_hours: int | None = None
    restrictions: tuple[Restriction, ...] = ()
    skips_inactive: bool = False  # a slot in which nobody could be on call takes nobody's turn
    rank: int = 0  # the lowest with somebody on call decides, layers of one rank together
    fixed: tuple[FixedShift, ...] = ()

    def __post_init__(self) -> None:
        _need_zones("the beginning and the end of a layer", self.begins_at, self.ends_at)
        if self.shift_hours is not None and self.shift_hours < 1:
            raise ValueError(f"a shift lasts at least an hour, not {self.shift_hours}")


@dataclass(frozen=True)
class Override:
    """A change of who is on call for a while, made by hand; no effect if it ends too early.

    add      `user_id` is on call as well.
    remove   `replaces` is not.
    replace  `user_id` instead of `replaces`, only while that person is on call; without
             `replaces`, instead of everybody, also where nobody is.
    """

    kind: OverrideKind
    starts_at: datetime
    ends_at: datetime
    user_id: int | None = None
    replaces: int | None = None

    def __post_init__(self) -> None:
        _need_zones("an override", self.starts_at, self.ends_at)
        if self.kind != "remove" and self.user_id is None:
            raise ValueError(f"an override that {self.kind}s somebody needs a user")
        if self.kind == "remove" and self.replaces is None:
            raise ValueError("an override that removes somebody needs to know whom")


@dataclass(frozen=True)
class TemporarySchedule:
    """Takes the place of everything else in its span: only its `shifts` are on call, or nobody."""

    starts_at: datetime
    ends_at: datetime
    shifts: tuple[FixedShift, ...] = ()

    def __post_init__(self) -> None:
        _need_zones("a temporary schedule", self.starts_at, self.ends_at)


@dataclass(frozen=True)
class ScheduleSpec:
    """A schedule as it is at one moment; `zone` is an IANA name.

    The layers decide, then the overrides change it one after the other, then the temporary
    schedules.
    """

    zone: str
    layers: tuple[Layer, ...] = ()
    overrides: tuple[Override, ...] = ()
    temporaries: tuple[TemporarySchedule, ...] = ()


@dataclass(frozen=True)
class Version:
    """A schedule as it was from `since` (seconds dropped) until the next version."""

    since: datetime
    spec: ScheduleSpec

    def __post_init__(self) -> None:
        _need_zones("a version", self.since)


@dataclass(frozen=True)
class History:
    """What was in force since when, oldest first; before the first version nobody was on call.

    An edit adds a version, so it never changes who was on call before it.
    """

    versions: tuple[Version, ...] = ()

    def __post_init__(self) -> None:
        instants = [to_utc(version.since) for version in self.versions]
        if instants != sorted(instants):
            raise ValueError("the versions of a schedule come oldest first")


Plan: TypeAlias = ScheduleSpec | History


@dataclass(frozen=True)
class Shift:
    """Somebody's time on call, [starts_at, ends_at) in UTC: at `ends_at` the next person is on."""

    starts_at: datetime
    ends_at: datetime
    user_id: int
    source: str  # the layer's name; for other kinds, what it is
    kind: ShiftKind = "layer"

    @property
    def length(self) -> timedelta:
        """Real time, not clock time."""
        return self.ends_at - self.starts_at


@dataclass(frozen=True)
class Gap:
    """A time in which nobody is on call, [starts_at, ends_at) in UTC."""

    starts_at: datetime
    ends_at: datetime


def _need_zones(what: str, *instants: datetime | None) -> None:
    if any(instant is not None and instant.utcoffset() is None for instant in instants):
        raise ValueError(f"{what} needs a time zone")
