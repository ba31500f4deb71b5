"""Schedules as data for `oncall`, from their rows."""

from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from zoneinfo import ZoneInfoNotFoundError

from escalations import oncall
from escalations.models import (
    LayerMember,
    LayerRestriction,
    Override,
    Schedule,
    ScheduleLayer,
    TemporarySchedule,
)
from escalations.models.schedule import weekdays_in
from opsknight.models import User

# What oncall raises for a schedule that cannot be calculated: an unknown zone, an absurd date.
UNREADABLE = (ValueError, OverflowError, ZoneInfoNotFoundError)

ROTATION_KINDS: dict[str, oncall.RotationKind] = {
    ScheduleLayer.Rotation.HOURLY: "hourly",
    ScheduleLayer.Rotation.DAILY: "daily",
    ScheduleLayer.Rotation.WEEKLY: "weekly",
    ScheduleLayer.Rotation.MONTHLY: "monthly",
}
OVERRIDE_KINDS: dict[str, oncall.OverrideKind] = {
    Override.Kind.ADD: "add",
    Override.Kind.REMOVE: "remove",
    Override.Kind.REPLACE: "replace",
}


def spec_of(
    schedule: Schedule,
    layers: Iterable[ScheduleLayer],
    overrides: Iterable[Override] = (),
    temporaries: Iterable[TemporarySchedule] = (),
    *,
    absent: Collection[int] = (),
) -> oncall.ScheduleSpec:
    """One schedule as data, from rows with everything in them prefetched; no query.

    People without an active account, and the `absent` ids, are left out: a turn of nobody else
    passes to the next one, a replacement by such a person leaves on call who was. Raises one of
    UNREADABLE when a date or a length is absurd.
    """
    return oncall.ScheduleSpec(
        zone=schedule.time_zone,
        layers=_layers(layers, absent),
        overrides=tuple(_override(row) for row in overrides if is_effective(row, absent)),
        temporaries=tuple(_temporary(row, absent) for row in temporaries),
    )


def _layers(rows: Iterable[ScheduleLayer], absent: Collection[int]) -> tuple[oncall.Layer, ...]:
    layers: list[oncall.Layer] = []
    rank = 0
    for row in rows:
        if layers and not row.is_together:
            rank += 1
        layers.append(layer_of(row, rank, absent))
    return tuple(layers)


def layer_of(row: ScheduleLayer, rank: int = 0, absent: Collection[int] = ()) -> oncall.Layer:
    """One layer as data; raises one of UNREADABLE."""
    is_calendar = row.source == ScheduleLayer.Source.CALENDAR
    return oncall.Layer(
        name=row.name,
        rotation=None if is_calendar else _rotation(row),
        turns=() if is_calendar else turns_of(list(row.members.all()), absent),
        begins_at=row.begins_at,
        ends_at=row.ends_at,
        shift_hours=None if is_calendar else row.shift_hours,
        restrictions=tuple(_restriction(r) for r in row.restrictions.all()),
        skips_inactive=row.skips_inactive and not is_calendar,
        rank=rank,
        fixed=_fixed(row, absent) if is_calendar else (),
    )


def _rotation(row: ScheduleLayer) -> oncall.Rotation:
    return oncall.Rotation(ROTATION_KINDS[row.rotation], row.rotation_length, row.starts_at)


def turns_of(
    members: Sequence[LayerMember], absent: Collection[int] = ()
) -> tuple[tuple[int, ...], ...]:
    """Who takes each turn: one whose people are all gone or not active falls to the next one.

    So nobody else's turn moves when a person leaves, and a rotation with one active person left
    always has somebody on call.
    """
    present: dict[int, list[int]] = {}
    for member in members:
        active = present.setdefault(member.turn, [])
        if member.user_id is not None and is_active(member.user, absent):
            active.append(member.user_id)
    turns = [tuple(active) for active in present.values()]
    if not any(turns):
        return ()
    return tuple(
        next(people for people in chain(turns[i:], turns[:i]) if people) for i in range(len(turns))
    )


def _restriction(row: LayerRestriction) -> oncall.Restriction:
    return oncall.Restriction(weekdays_in(row.weekdays), row.starts, row.ends)


def _fixed(row: ScheduleLayer, absent: Collection[int]) -> tuple[oncall.FixedShift, ...]:
    return tuple(
        oncall.FixedShift(shift.starts_at, shift.ends_at, (shift.user_id,))
        for shift in row.imported_shifts.all()
        if is_active(shift.user, absent)
    )


def is_effective(row: Override, absent: Collection[int] = ()) -> bool:
    """Whether whoever comes can be paged; who only goes may be anybody."""
    return row.user_id is None or is_active(row.user, absent)


def _override(row: Override) -> oncall.Override:
    return oncall.Override(
        kind=OVERRIDE_KINDS[row.kind],
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        user_id=row.user_id,
        replaces=row.replaces_id,
    )


def _temporary(row: TemporarySchedule, absent: Collection[int]) -> oncall.TemporarySchedule:
    shifts = tuple(
        oncall.FixedShift(shift.starts_at, shift.ends_at, (shift.user_id,))
        for shift in row.shifts.all()
        if is_active(shift.user, absent)
    )
    return oncall.TemporarySchedule(row.starts_at, row.ends_at, shifts)


def is_active(user: User | None, absent: Collection[int] = ()) -> bool:
    """Whether somebody can be on call: has an active account and is none of `absent`."""
    return user is not None and user.is_active and user.pk not in absent
