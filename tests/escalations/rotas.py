"""Short ways to write instants, layers and schedules in the tests of the on-call maths."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any

import pytest

from escalations.oncall import (
    FixedShift,
    Layer,
    Override,
    OverrideKind,
    Plan,
    Restriction,
    Rotation,
    RotationKind,
    ScheduleSpec,
    Shift,
    layer_shifts_between,
    on_call_at,
    shifts_between,
)

NEW_YORK = "America/New_York"
ANN, BOB, CEM, DAN = 1, 2, 3, 4

WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

_ZONES = {
    "EST": timezone(timedelta(hours=-5)),
    "EDT": timezone(timedelta(hours=-4)),
    "CDT": timezone(timedelta(hours=-5)),
    "UTC": UTC,
}


def instant(text: str) -> datetime:
    """Read '2026-03-08 03:00 EDT'."""
    moment, zone = text.rsplit(" ", 1)
    return datetime.fromisoformat(moment).replace(tzinfo=_ZONES[zone])


def layer(
    kind: RotationKind,
    length: int,
    starts_at: str,
    *people: int | tuple[int, ...],
    name: str = "primary",
    begins_at: str | None = None,
    ends_at: str | None = None,
    **more: Any,
) -> Layer:
    """A layer in which these people take turns, Ann alone if nobody is named."""
    return Layer(
        name,
        Rotation(kind, length, instant(starts_at)),
        tuple(turn if isinstance(turn, tuple) else (turn,) for turn in people or (ANN,)),
        begins_at=instant(begins_at) if begins_at else None,
        ends_at=instant(ends_at) if ends_at else None,
        **more,
    )


def always(*people: int, **more: Any) -> Layer:
    """A layer with all these people on call at any time."""
    return layer("daily", 1, "2026-01-01 00:00 UTC", people, **more)


def rule(weekdays: str, starts: str, ends: str) -> Restriction:
    """Read 'Mon Tue', '08:00', '20:00'; 'daily' is every day, '' none."""
    days = range(7) if weekdays == "daily" else map(WEEKDAYS.index, weekdays.split())
    return Restriction(frozenset(days), time.fromisoformat(starts), time.fromisoformat(ends))


def shift_at(layer: Layer, zone: str, at: datetime, *, days: int = 100) -> Shift | None:
    """The shift of a layer that contains an instant, found in a wide window around it.

    Whole only if somebody else has the neighbouring turns.
    """
    reach = timedelta(days=days)
    shifts = layer_shifts_between(layer, zone, at - reach, at + reach)
    return next((shift for shift in shifts if shift.starts_at <= at < shift.ends_at), None)


def rows(plan: Plan, start: str, end: str) -> list[tuple[int, datetime, datetime]]:
    """Who is on call in a window, with the instants of their shifts."""
    return [
        (shift.user_id, shift.starts_at, shift.ends_at)
        for shift in shifts_between(plan, instant(start), instant(end))
    ]


def row(user_id: int, starts_at: str, ends_at: str) -> tuple[int, datetime, datetime]:
    """One of the `rows`."""
    return user_id, instant(starts_at), instant(ends_at)


def schedule(*layers: Layer, zone: str = "UTC", **more: Any) -> ScheduleSpec:
    """A schedule of these layers."""
    return ScheduleSpec(zone, layers, **more)


def people(plan: Plan, at: str) -> tuple[int, ...]:
    """Who is on call."""
    return on_call_at(plan, instant(at))


def override(
    kind: OverrideKind,
    starts_at: str,
    ends_at: str,
    user_id: int | None = None,
    replaces: int | None = None,
) -> Override:
    """A change by hand."""
    return Override(kind, instant(starts_at), instant(ends_at), user_id, replaces)


def fixed(starts_at: str, ends_at: str, *user_ids: int) -> FixedShift:
    """Some people, from then to then."""
    return FixedShift(instant(starts_at), instant(ends_at), user_ids)


def people_at(shifts: Sequence[Shift], at: datetime) -> set[int]:
    """Whom a list of shifts has on call at an instant."""
    return {shift.user_id for shift in shifts if shift.starts_at <= at < shift.ends_at}


def case(*numbers: str) -> pytest.MarkDecorator:
    """Name a test by the numbers of the cases it shows: `test_x[X6]`."""
    return pytest.mark.parametrize((), [pytest.param(id=" ".join(numbers))])
