"""What callers ask: who, when, how long, and when nobody. All from `duties_between`."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from escalations.oncall.clock import moment_of, seconds_of
from escalations.oncall.history import duties_between
from escalations.oncall.layers import layer_pieces, within_life
from escalations.oncall.spec import Gap, Layer, Plan, Shift
from escalations.oncall.timeline import NOBODY, Duties, Duty, Piece, overlay, together
from escalations.oncall.turns import turns_of
from opsknight.wall_clock import to_utc


def on_call_at(plan: Plan, at: datetime) -> tuple[int, ...]:
    """Return the ids of those on call at an instant, once each, in the order of the layers."""
    second = seconds_of(to_utc(at))
    ((_, _, duties),) = duties_between(plan, second, second + 1)
    return tuple(duty.user_id for duty in duties)


def shifts_between(plan: Plan, start: datetime, end: datetime) -> list[Shift]:
    """Return who is on call in [start, end), in order of time, cut at both ends of the window.

    What a person does for one reason without a break is one shift: a rotation of [ann, ann, bob]
    shows one shift of double length.
    """
    return _shifts(_parts(plan, start, end), start, end)


def shifts_of(plan: Plan, user_id: int, start: datetime, end: datetime) -> list[Shift]:
    """Return the shifts of one person in [start, end), cut there."""
    return [shift for shift in shifts_between(plan, start, end) if shift.user_id == user_id]


def layer_shifts_between(layer: Layer, zone: str, start: datetime, end: datetime) -> list[Shift]:
    """Return the shifts of one layer in [start, end), before ranks, overrides and temporaries."""
    first, last = _seconds(start, end)
    parts = [
        (starts_at, ends_at, together(groups))
        for starts_at, ends_at, groups in overlay(
            layer_pieces(layer, zone, first, last), first, last
        )
    ]
    return _shifts(parts, start, end)


def gaps_between(plan: Plan, start: datetime, end: datetime) -> list[Gap]:
    """Return when nobody is on call in [start, end), cut there."""
    return [
        Gap(max(moment_of(starts_at), to_utc(start)), min(moment_of(ends_at), to_utc(end)))
        for starts_at, ends_at, duties in _parts(plan, start, end)
        if duties == NOBODY
    ]


def hours_per_person(plan: Plan, start: datetime, end: datetime) -> dict[int, timedelta]:
    """Return how long everybody is on call in [start, end), in real time, by user id."""
    total: dict[int, timedelta] = {}
    for shift in shifts_between(plan, start, end):
        # Nobody is on call twice at once, so the shifts of a person never overlap.
        total[shift.user_id] = total.get(shift.user_id, timedelta()) + shift.length
    return total


def turn_at(layer: Layer, zone: str, at: datetime) -> int | None:
    """Return whose turn it is at an instant, as an index into `layer.turns`.

    Restrictions and the length of shifts are disregarded: between shifts it is the turn of who was
    on call, or, where inactive slots are skipped, of who will be. None when the layer has no turns,
    has not begun or has ended.
    """
    second = seconds_of(to_utc(at))
    start, end = within_life(layer, second, second + 1)
    if start >= end or layer.rotation is None or not layer.turns:
        return None
    turns = turns_of(layer, layer.rotation, zone)
    return turns.number_of(turns.grid.slot_at(second)) % len(layer.turns)


def whole_shifts_between(
    plan: Plan, start: datetime, end: datetime, *, reach: timedelta = timedelta(days=366)
) -> list[Shift]:
    """Return the shifts that lie in [start, end) at least in part, as long as they really are.

    For calendars, whose entries must stay the same while the window moves. A shift that begins
    before the window or goes on after it is followed for `reach` at most, and cut there.
    """
    first, last = to_utc(start), to_utc(end)
    shifts = shifts_between(plan, first, last)
    for step in _steps_to(reach):
        if all(shift.starts_at > first for shift in shifts):
            break
        first = to_utc(start) - step
        shifts = _touching(shifts_between(plan, first, last), start, end)
    for step in _steps_to(reach):
        if all(shift.ends_at < last for shift in shifts):
            break
        last = to_utc(end) + step
        shifts = _touching(shifts_between(plan, first, last), start, end)
    return shifts


def _steps_to(reach: timedelta) -> Iterator[timedelta]:
    step = timedelta(days=2)
    while step < reach:
        yield step
        step *= 4
    yield reach


def _touching(shifts: Iterable[Shift], start: datetime, end: datetime) -> list[Shift]:
    return [shift for shift in shifts if shift.starts_at < end and shift.ends_at > start]


# Seconds and instants


def _parts(plan: Plan, start: datetime, end: datetime) -> list[Piece[Duties]]:
    return duties_between(plan, *_seconds(start, end))


def _seconds(start: datetime, end: datetime) -> tuple[int, int]:
    """The whole seconds that touch a window; no border of a shift lies within a second."""
    last = to_utc(end)
    return seconds_of(to_utc(start)), seconds_of(last) + bool(last.microsecond)


def _shifts(parts: Iterable[Piece[Duties]], start: datetime, end: datetime) -> list[Shift]:
    """Return what everybody does without a break as shifts, by their start, cut at the window."""
    rows: list[Piece[Duty]] = []
    running: dict[Duty, int] = {}  # where the shift that goes on is in `rows`
    for starts_at, ends_at, duties in parts:
        going_on: dict[Duty, int] = {}
        for duty in duties:
            index = running.get(duty, len(rows))
            since = rows[index][0] if duty in running else starts_at
            rows[index : index + 1] = [(since, ends_at, duty)]
            going_on[duty] = index
        running = going_on
    first, last = to_utc(start), to_utc(end)
    return [
        Shift(max(moment_of(starts_at), first), min(moment_of(ends_at), last), *duty)
        for starts_at, ends_at, duty in rows
    ]
