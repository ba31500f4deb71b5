"""Who is on call, found the slow way: the rules word by word, one instant, counting through.

What the calculation is compared with. It shares only the data types with it: wall times come from
`opsknight.wall_clock`, slots are counted one by one from the anchor, and no week is tabulated.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from escalations.oncall import Layer, Override, ScheduleSpec
from opsknight.wall_clock import first_instant, last_instant, wall_time, whole_minute

DAY = timedelta(days=1)
STEPS = {"hourly": timedelta(hours=1), "daily": DAY, "weekly": 7 * DAY}


def people_at(spec: ScheduleSpec, at: datetime) -> list[int]:
    """Everybody on call at an instant, in order."""
    temporaries = [t for t in spec.temporaries if _spans(t, at)]
    if temporaries:
        shifts = [shift for t in temporaries for shift in t.shifts if _spans(shift, at)]
        return unique(user_id for shift in shifts for user_id in shift.user_ids)
    people: list[int] = []
    for rank in sorted({layer.rank for layer in spec.layers}):
        layers = [layer for layer in spec.layers if layer.rank == rank]
        people = unique(one for layer in layers for one in people_of(layer, spec.zone, at))
        if people:
            break
    for override in spec.overrides:
        if _spans(override, at):
            people = changed(people, override)
    return people


def changed(people: list[int], override: Override) -> list[int]:
    """Who is on call after an override."""
    new, old = override.user_id, override.replaces
    if override.kind == "add":
        return unique([*people, new])
    if override.kind == "remove":
        return [one for one in people if one != old]
    if old is None:
        return [new]
    if new in people and old in people and new != old:
        return [one for one in people if one != old]
    return [new if one == old else one for one in people]


def unique(people: Iterator[int] | list[int]) -> list[int]:
    """Each person once."""
    return list(dict.fromkeys(people))


def people_of(layer: Layer, zone: str, at: datetime) -> list[int]:
    """Whom one layer has on call."""
    if layer.begins_at and at < whole_minute(layer.begins_at):
        return []
    if layer.ends_at and at >= whole_minute(layer.ends_at):
        return []
    if layer.restrictions and not any(
        opens <= at < closes for opens, closes in windows(layer, zone, at - DAY, at + DAY)
    ):
        return []
    people: list[int] = []
    if layer.rotation and layer.turns:
        slot, turn = turn_at(layer, zone, at)
        if at < shift_end(layer, zone, slot):
            people += layer.turns[turn % len(layer.turns)]
    people += [one for shift in layer.fixed if _spans(shift, at) for one in shift.user_ids]
    return unique(people)


def turn_at(layer: Layer, zone: str, at: datetime) -> tuple[int, int]:
    """The slot that contains an instant, and how many turns it is from the anchor."""
    slot = turn = 0
    while slot_start(layer, zone, slot) > at:
        slot -= 1
        turn -= takes_turn(layer, zone, slot)
    while slot_start(layer, zone, slot + 1) <= at:
        turn += takes_turn(layer, zone, slot)
        slot += 1
    return slot, turn


def takes_turn(layer: Layer, zone: str, slot: int) -> bool:
    """Whether there is any time in a slot; with skipping, any in which somebody is on call."""
    start, end = slot_start(layer, zone, slot), slot_start(layer, zone, slot + 1)
    if not layer.skips_inactive:
        return start < end
    end = min(end, shift_end(layer, zone, slot))
    if not layer.restrictions:
        return start < end
    return any(
        max(start, opens) < min(end, closes)
        for opens, closes in windows(layer, zone, start - DAY, end + DAY)
    )


def slot_start(layer: Layer, zone: str, slot: int) -> datetime:
    """When a slot starts."""
    return first_instant(slot_wall(layer, zone, slot), zone)


def shift_end(layer: Layer, zone: str, slot: int) -> datetime:
    """When the shift of a slot ends, or the slot."""
    end = slot_start(layer, zone, slot + 1)
    if layer.shift_hours is None:
        return end
    wall = slot_wall(layer, zone, slot) + timedelta(hours=layer.shift_hours)
    return min(end, last_instant(wall, zone))


def slot_wall(layer: Layer, zone: str, slot: int) -> datetime:
    """What the clock shows when a slot starts."""
    rotation = layer.rotation
    anchor = whole_minute(wall_time(rotation.starts_at, zone))
    if rotation.kind != "monthly":
        return anchor + slot * rotation.length * STEPS[rotation.kind]
    month = anchor.month - 1 + slot * rotation.length
    year, month = anchor.year + month // 12, month % 12 + 1
    last_day = (date(year + month // 12, month % 12 + 1, 1) - DAY).day
    return anchor.replace(year=year, month=month, day=min(anchor.day, last_day))


def windows(
    layer: Layer, zone: str, start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """When restrictions are open, those of all days of a range and the day before and after."""
    day = wall_time(start, zone).date() - DAY
    while day <= wall_time(end, zone).date() + DAY:
        for one in layer.restrictions:
            if day.weekday() in one.weekdays:
                closes_on = day + DAY if one.ends <= one.starts else day
                opens = datetime.combine(day, one.starts)
                closes = datetime.combine(closes_on, one.ends)
                yield first_instant(opens, zone), last_instant(closes, zone)
        day += DAY


def _spans(one: object, at: datetime) -> bool:
    return whole_minute(one.starts_at) <= at < whole_minute(one.ends_at)
