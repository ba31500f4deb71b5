"""The layers of a schedule: checked as a whole, written as a whole.

A layer that is named by its id stays the same layer: whoever is on call in it still is after the
change, the order of turns goes on from there. Any other layer is written as it was asked for: its
first turn is at `starts_at`, and that is also the way to hand over on purpose.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time

from escalations.calendars.addresses import read_address
from escalations.models import LayerRestriction, Schedule, ScheduleLayer
from escalations.models.schedule import MAX_SHIFT_HOURS, weekday_bits, weekdays_in
from escalations.oncall import MAX_LENGTH
from escalations.selectors import layers_of
from escalations.services.people import people_by_id, why_not_pageable
from escalations.services.rotations import TurnOrder, keep_turns, write_turns
from opsknight.models import User
from opsknight.services.audit import Changes
from opsknight.services.configuration import invalid
from opsknight.wall_clock import FIRST_YEAR, LAST_YEAR, whole_minute

Reasons = dict[str, list[str]]  # by dotted field name

MAX_LAYERS = 50
MAX_TURNS = 500  # of one layer
MAX_PEOPLE = 20  # of one turn
MAX_RESTRICTIONS = 50  # of one layer
DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS_OF: dict[str, int] = {"hourly": 1, "daily": 24, "weekly": 168, "monthly": 28 * 24}
LAYER_FIELDS = (
    "position",
    "name",
    "is_together",
    "rotation",
    "rotation_length",
    "starts_at",
    "begins_at",
    "ends_at",
    "shift_hours",
    "skips_inactive",
    "source",
)


@dataclass(frozen=True)
class RestrictionInput:
    """A time of the week in which the layer is active, on the clock of the schedule."""

    weekdays: frozenset[int]  # on which it begins, 0 is Monday; none: never
    starts: time
    ends: time  # not later than `starts`: on the next day


@dataclass(frozen=True, kw_only=True)
class LayerInput:
    """One layer; its place in the list is its rank, the first with somebody on call decides."""

    name: str
    starts_at: datetime  # aware: one handoff
    turns: tuple[tuple[int, ...], ...]  # user ids; those of one turn are on call together
    id: int | None = None  # of the layer that this was; None: a new one
    rotation: str = ScheduleLayer.Rotation.WEEKLY
    rotation_length: int = 1
    shift_hours: int | None = None  # None: the whole turn
    begins_at: datetime | None = None  # aware; None: always was
    ends_at: datetime | None = None  # aware; None: never
    restrictions: tuple[RestrictionInput, ...] = ()
    skips_inactive: bool = False
    is_together: bool = False  # on call at the same time as the layer above
    source: str = ScheduleLayer.Source.ROTATION
    calendar_url: str | None = None  # None: as it was


def check_layers(schedule: Schedule, layers: Sequence[LayerInput]) -> None:
    """Raise InvalidInput for layers that could not be calculated; 4 queries at most.

    `schedule` may be unsaved: then no layer has an id yet.
    """
    reasons: Reasons = {}
    if len(layers) > MAX_LAYERS:
        reasons["layers"] = [f"Use at most {MAX_LAYERS} layers."]
    people = people_by_id(i for layer in layers for turn in layer.turns for i in turn)
    known = {row.pk: row for row in layers_of([schedule.pk])} if schedule.pk else {}
    seen: set[int] = set()
    for number, layer in enumerate(layers):
        row = known.get(layer.id or 0)
        found = _reasons_of(layer) | _reasons_of_restrictions(layer)
        found |= _reasons_of_calendar(layer, row) | _reasons_of_people(layer, people, row)
        if layer.id is not None and (layer.id not in known or layer.id in seen):
            found["id"] = [f"{schedule} has no such layer, or it is named twice. Leave it out."]
        seen |= {layer.id} if layer.id is not None else set()
        reasons |= {f"layers.{number}.{name}": texts for name, texts in found.items()}
    if reasons:
        raise invalid(reasons)


def _reasons_of(layer: LayerInput) -> Reasons:
    reasons: Reasons = {}
    if not 1 <= len(layer.name.strip()) <= 200:
        reasons["name"] = ["Give the layer a name of at most 200 characters."]
    if layer.rotation not in ScheduleLayer.Rotation.values:
        reasons["rotation"] = [f"Use one of {', '.join(ScheduleLayer.Rotation.values)}."]
    if not 1 <= layer.rotation_length <= MAX_LENGTH:
        reasons["rotation_length"] = [f"A turn lasts 1 to {MAX_LENGTH} of its unit."]
    elif reason := _why_not_shift(layer):
        reasons["shift_hours"] = [reason]
    if not _is_sane(layer.starts_at):
        reasons["starts_at"] = [f"Use a date between the years {FIRST_YEAR} and {LAST_YEAR}."]
    elif reason := _why_not_end(layer):
        reasons["ends_at"] = [reason]
    if layer.begins_at is not None and not _is_sane(layer.begins_at):
        reasons["begins_at"] = ["Leave the begin out for a layer that always was."]
    return reasons


def _why_not_shift(layer: LayerInput) -> str:
    if layer.shift_hours is None:
        return ""
    longest = HOURS_OF.get(layer.rotation, MAX_SHIFT_HOURS) * layer.rotation_length
    if layer.rotation == ScheduleLayer.Rotation.MONTHLY:
        longest = 31 * 24 * layer.rotation_length
    longest = min(longest, MAX_SHIFT_HOURS)
    if 1 <= layer.shift_hours <= longest:
        return ""
    return f"A shift of this rotation lasts 1 to {longest} hours; leave it out for the whole turn."


def _why_not_end(layer: LayerInput) -> str:
    if layer.ends_at is None:
        return ""
    end = whole_minute(layer.ends_at)
    if end <= layer.starts_at:
        return "The end must be at least a minute later than the start."
    if layer.begins_at is not None and end <= whole_minute(layer.begins_at):
        return "The end must be at least a minute later than the begin."
    return "" if _is_sane(layer.ends_at) else "Leave the end out for a layer that never ends."


def _is_sane(moment: datetime) -> bool:
    # The first and the last year are left out: a zone may move an instant over their end.
    return FIRST_YEAR < moment.year < LAST_YEAR


def _reasons_of_restrictions(layer: LayerInput) -> Reasons:
    if len(layer.restrictions) > MAX_RESTRICTIONS:
        return {"restrictions": [f"Use at most {MAX_RESTRICTIONS} restrictions."]}
    return {
        f"restrictions.{place}.weekdays": ["A weekday is 0 (Monday) to 6 (Sunday)."]
        for place, restriction in enumerate(layer.restrictions)
        if not restriction.weekdays <= frozenset(range(7))
    }


def _reasons_of_calendar(layer: LayerInput, known: ScheduleLayer | None) -> Reasons:
    if layer.source not in ScheduleLayer.Source.values:
        return {"source": [f"Use one of {', '.join(ScheduleLayer.Source.values)}."]}
    address = layer.calendar_url
    if address is None and known is not None:
        address = known.calendar_url
    if layer.source == ScheduleLayer.Source.CALENDAR and not address:
        return {"calendar_url": ["Give the address of the calendar."]}
    try:
        read_address(address or "https://none.example")
    except ValueError as error:
        return {"calendar_url": [str(error)]}
    return {}


def _reasons_of_people(
    layer: LayerInput, people: Mapping[int, User], known: ScheduleLayer | None
) -> Reasons:
    """Whoever is in the layer already may stay in it without an account that works."""
    if layer.source == ScheduleLayer.Source.CALENDAR:
        return {"members": ["Its calendar says who is on call."]} if layer.turns else {}
    # A layer may lose its last person, but there is no reason to make one that has none.
    if len(layer.turns) > MAX_TURNS or not (layer.turns or known):
        return {"members": [f"Name 1 to {MAX_TURNS} people who take turns."]}
    old = {member.user_id for member in known.members.all()} if known else set()
    reasons: Reasons = {}
    for place, turn in enumerate(layer.turns):
        path = f"members.{place}"
        if not 1 <= len(turn) <= MAX_PEOPLE or len(set(turn)) < len(turn):
            reasons[path] = [f"Name 1 to {MAX_PEOPLE} people of one turn, each once."]
        for user_id in turn:
            is_old = user_id in old and user_id in people
            if not is_old and (reason := why_not_pageable(user_id, people)) is not None:
                reasons.setdefault(path, []).append(reason)
    return reasons


def write_layers(
    *,
    schedule: Schedule,
    layers: Sequence[LayerInput],
    before: Mapping[int, TurnOrder],
    now: datetime,
) -> Changes:
    """Write the layers and say what changed; the caller holds the lock and has checked them.

    `before` are the turns of the layers that were (`rotations.turn_orders`).
    """
    old = list(layers_of([schedule.pk]))
    described = describe_layers(old)
    rows = {row.pk: row for row in old}
    kept = {layer.id for layer in layers if layer.id in rows}
    ScheduleLayer.objects.filter(schedule=schedule).exclude(pk__in=kept).delete()
    for position, layer in enumerate(layers, start=1):
        row = rows.get(layer.id or 0) or ScheduleLayer(schedule=schedule)
        _write_layer(row, layer, position)
    keep_turns(schedule=schedule, before=before, now=now)
    after = describe_layers(layers_of([schedule.pk]))
    return {} if described == after else {"layers": [described, after]}


def _write_layer(row: ScheduleLayer, layer: LayerInput, position: int) -> None:
    is_new = row.pk is None
    fields = [*LAYER_FIELDS]
    row.position, row.name, row.is_together = position, layer.name.strip(), layer.is_together
    row.rotation, row.rotation_length = layer.rotation, layer.rotation_length
    row.starts_at, row.begins_at, row.ends_at = layer.starts_at, layer.begins_at, layer.ends_at
    row.shift_hours, row.skips_inactive = layer.shift_hours, layer.skips_inactive
    row.source = layer.source
    if layer.calendar_url is not None and layer.calendar_url != row.calendar_url:
        # Another calendar: what was read from the one before is not what this one says.
        row.calendar_url, row.calendar_checked_at, row.calendar_error = layer.calendar_url, None, ""
        fields += ["calendar_url", "calendar_checked_at", "calendar_error"]
    row.save(update_fields=None if is_new else fields)
    if is_new or turns_in(row) != layer.turns:
        write_turns(layer=row, turns=layer.turns)
    if is_new or restrictions_in(row) != layer.restrictions:
        row.restrictions.all().delete()
        LayerRestriction.objects.bulk_create(
            LayerRestriction(
                layer=row,
                weekdays=weekday_bits(restriction.weekdays),
                starts=restriction.starts,
                ends=restriction.ends,
            )
            for restriction in layer.restrictions
        )


def turns_in(row: ScheduleLayer) -> tuple[tuple[int, ...], ...]:
    """The turns of a prefetched layer as they were entered; places of deleted people are empty."""
    turns: dict[int, list[int]] = {}
    for member in row.members.all():
        turns.setdefault(member.turn, [])
        if member.user_id is not None:
            turns[member.turn].append(member.user_id)
    return tuple(tuple(people) for people in turns.values())


def restrictions_in(row: ScheduleLayer) -> tuple[RestrictionInput, ...]:
    """The restrictions of a prefetched layer."""
    return tuple(
        RestrictionInput(weekdays_in(each.weekdays), each.starts, each.ends)
        for each in row.restrictions.all()
    )


def input_of(row: ScheduleLayer) -> LayerInput:
    """A prefetched layer as it could be saved again, to start an edit from."""
    return LayerInput(
        id=row.pk,
        name=row.name,
        starts_at=row.starts_at,
        turns=tuple(turn for turn in turns_in(row) if turn),
        rotation=row.rotation,
        rotation_length=row.rotation_length,
        shift_hours=row.shift_hours,
        begins_at=row.begins_at,
        ends_at=row.ends_at,
        restrictions=restrictions_in(row),
        skips_inactive=row.skips_inactive,
        is_together=row.is_together,
        source=row.source,
    )


def describe_layers(layers: Iterable[ScheduleLayer]) -> list[str]:
    """Layers for the audit log: "Days: weekly x 1, from … to …: Bob, Carol + Dan"."""
    return [_described(layer) for layer in layers]


def _described(layer: ScheduleLayer) -> str:
    end = f"{layer.ends_at:%Y-%m-%d %H:%M}" if layer.ends_at else "further notice"
    what = f"{layer.rotation} x {layer.rotation_length}"
    if layer.source == ScheduleLayer.Source.CALENDAR:
        what = "calendar"
    parts = [f"{layer.name}: {what}", f"from {layer.starts_at:%Y-%m-%d %H:%M} to {end}"]
    if layer.begins_at:
        parts.append(f"not before {layer.begins_at:%Y-%m-%d %H:%M}")
    if layer.shift_hours:
        parts.append(f"{layer.shift_hours} h each")
    parts += [_restriction_in_words(each) for each in layer.restrictions.all()]
    if layer.skips_inactive:
        parts.append("skips inactive days")
    if layer.is_together:
        parts.append("together with the one above")
    turns: dict[int, list[str]] = {}
    for member in layer.members.all():
        turns.setdefault(member.turn, []).append(str(member.user or "nobody"))
    return f"{', '.join(parts)}: {', '.join(' + '.join(names) for names in turns.values())}"


def _restriction_in_words(row: LayerRestriction) -> str:
    days = " ".join(DAY_NAMES[day] for day in sorted(weekdays_in(row.weekdays))) or "no day"
    return f"{days} {row.starts:%H:%M}-{row.ends:%H:%M}"
