"""Saves schedules with their layers: checked as a whole, written as a whole.

What is written is what was asked for: the first member of a layer has the turn at `starts_at`.
`rotations.replace_members` is the other way, for people: it keeps whoever is on call.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from django.db import transaction

from escalations.models import LayerMember, Schedule, ScheduleLayer
from escalations.oncall import MAX_LENGTH
from escalations.selectors import layers_of
from escalations.services import deletion
from escalations.services.people import people_by_id, why_not_pageable
from opsknight.models import Team, User
from opsknight.services.audit import Changes
from opsknight.services.configuration import (
    check,
    invalid,
    record_deletion,
    save_changes,
    save_new,
)
from opsknight.wall_clock import FIRST_YEAR, LAST_YEAR, whole_minute

Reasons = dict[str, list[str]]  # by dotted field name

SCHEDULE_FIELDS = ("name", "description", "time_zone", "team")
MAX_LAYERS = 50
MAX_MEMBERS = 500  # of one layer


@dataclass(frozen=True)
class LayerInput:
    """One layer; its place in the list is its rank, the first decides."""

    name: str
    rotation: str  # ScheduleLayer.Rotation
    rotation_length: int
    starts_at: datetime  # aware
    ends_at: datetime | None  # aware; None: never
    members: tuple[int, ...]  # user ids in the order of their turns


class ScheduleValues(TypedDict, total=False):
    """What can be set on a schedule beside its layers; what is left out stays as it is."""

    name: str
    description: str
    time_zone: str
    team: Team | None


@transaction.atomic
def create_schedule(
    *,
    values: ScheduleValues,
    layers: Sequence[LayerInput],
    actor: User | None,
    ip: str | None = None,
) -> Schedule:
    """Create a schedule; raises InvalidInput that names every wrong field ("layers.0.name")."""
    schedule = Schedule(**values)
    check(schedule)
    _check_layers(layers)
    save_new(
        entity=schedule,
        fields=SCHEDULE_FIELDS,
        action="schedule.created",
        actor=actor,
        ip=ip,
        extra=lambda: _replace_layers(schedule, layers),
    )
    return schedule


@transaction.atomic
def update_schedule(
    *,
    schedule: Schedule,
    values: ScheduleValues,
    layers: Sequence[LayerInput] | None,
    actor: User | None,
    ip: str | None = None,
) -> Schedule:
    """Change a schedule and, unless `layers` is None, replace all its layers.

    Raises InvalidInput. Whoever is on call changes at once.
    """
    if layers is not None:
        _check_layers(layers)
    save_changes(
        entity=schedule,
        values=values,
        action="schedule.updated",
        actor=actor,
        ip=ip,
        extra=lambda: {} if layers is None else _replace_layers(schedule, layers),
    )
    return schedule


@transaction.atomic
def delete_schedule(*, schedule: Schedule, actor: User | None, ip: str | None = None) -> None:
    """Delete a schedule; raises Conflict while policies page it."""
    record_deletion(
        entity=schedule, fields=SCHEDULE_FIELDS, action="schedule.deleted", actor=actor, ip=ip
    )
    deletion.delete_schedule(schedule=schedule)


def _check_layers(layers: Sequence[LayerInput]) -> None:
    """Raise InvalidInput for layers that could not be calculated; one query."""
    reasons: Reasons = {}
    if len(layers) > MAX_LAYERS:
        reasons["layers"] = [f"Use at most {MAX_LAYERS} layers."]
    people = people_by_id(user_id for layer in layers for user_id in layer.members)
    for number, layer in enumerate(layers):
        found = _reasons_of(layer) | _reasons_of_members(layer, people)
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
    if not _is_sane(layer.starts_at):
        reasons["starts_at"] = [f"Use a date between the years {FIRST_YEAR} and {LAST_YEAR}."]
    elif layer.ends_at is not None and whole_minute(layer.ends_at) <= layer.starts_at:
        reasons["ends_at"] = ["The end must be at least a minute later than the start."]
    elif layer.ends_at is not None and not _is_sane(layer.ends_at):
        reasons["ends_at"] = ["Leave the end out for a layer that never ends."]
    return reasons


def _is_sane(moment: datetime) -> bool:
    # The first and the last year are left out: a zone may move an instant over their end.
    return FIRST_YEAR < moment.year < LAST_YEAR


def _reasons_of_members(layer: LayerInput, people: Mapping[int, User]) -> Reasons:
    if not 1 <= len(layer.members) <= MAX_MEMBERS:
        return {"members": [f"Name 1 to {MAX_MEMBERS} people who take turns."]}
    return {
        f"members.{place}": [reason]
        for place, user_id in enumerate(layer.members)
        if (reason := why_not_pageable(user_id, people)) is not None
    }


def _replace_layers(schedule: Schedule, layers: Sequence[LayerInput]) -> Changes:
    """Write the layers and say what changed; the caller holds the transaction and has checked."""
    before = _described(layers_of([schedule.pk]))
    schedule.layers.all().delete()
    rows = ScheduleLayer.objects.bulk_create(
        ScheduleLayer(
            schedule=schedule,
            position=number,
            name=layer.name.strip(),
            rotation=layer.rotation,
            rotation_length=layer.rotation_length,
            starts_at=layer.starts_at,
            ends_at=layer.ends_at,
        )
        for number, layer in enumerate(layers, start=1)
    )
    LayerMember.objects.bulk_create(
        LayerMember(layer=row, user_id=user_id, turn=place)
        for row, layer in zip(rows, layers, strict=True)
        for place, user_id in enumerate(layer.members, start=1)
    )
    after = _described(layers_of([schedule.pk]))
    return {} if before == after else {"layers": [before, after]}


def _described(layers: Iterable[ScheduleLayer]) -> list[str]:
    """The layers for the audit log: "Days: weekly x 1, from … to …: Bob, Carol"."""
    return [
        f"{layer.name}: {layer.rotation} x {layer.rotation_length}, "
        f"from {layer.starts_at:%Y-%m-%d %H:%M} "
        f"to {f'{layer.ends_at:%Y-%m-%d %H:%M}' if layer.ends_at else 'further notice'}: "
        + ", ".join(str(member.user or "nobody") for member in layer.members.all())
        for layer in layers
    ]
