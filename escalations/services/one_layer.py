"""Changes of one layer of a schedule; the others stay as they are."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from escalations.models import Schedule, ScheduleLayer
from escalations.selectors import Rota, layers_of
from escalations.services.layers import LayerInput, input_of
from escalations.services.schedules import preview_schedule, update_schedule
from opsknight.departures import NeedsConfirmation
from opsknight.errors import NotFound
from opsknight.models import User


def save_layer(
    *,
    schedule: Schedule,
    layer: LayerInput,
    place: int,
    actor: User,
    now: datetime,
    version: int | None = None,
    is_confirmed: bool = False,
    ip: str | None = None,
) -> Schedule:
    """Put a layer, new or known by its id, at `place` (0 decides first) among the others.

    Raises as `schedules.update_schedule` does; its fields are under "layers.<place>.".
    """
    return update_schedule(
        schedule=schedule,
        values={},
        layers=_with(schedule, layer, place),
        actor=actor,
        ip=ip,
        now=now,
        version=version,
        is_confirmed=is_confirmed,
    )


def preview_layer(
    *, schedule: Schedule, layer: LayerInput, place: int, actor: User, now: datetime
) -> Rota:
    """The schedule as `save_layer` would make it, nothing saved; raises InvalidInput."""
    layers = _with(schedule, layer, place)
    return preview_schedule(schedule=schedule, values={}, layers=layers, actor=actor, now=now)


def move_layer(
    *,
    schedule: Schedule,
    layer_id: int,
    by: int,
    actor: User,
    now: datetime,
    version: int | None = None,
    ip: str | None = None,
) -> Schedule:
    """Let a layer decide earlier (`by` -1) or later (1); raises NotFound, SavedMeanwhile."""
    layers = _inputs(schedule)
    place = _place_of(layers, layer_id)
    moved = layers.pop(place)
    layers.insert(max(place + by, 0), moved)
    return update_schedule(
        schedule=schedule, values={}, layers=layers, actor=actor, ip=ip, now=now, version=version
    )


def delete_layer(
    *,
    schedule: Schedule,
    layer_id: int,
    actor: User,
    now: datetime,
    version: int | None = None,
    is_confirmed: bool = False,
    ip: str | None = None,
) -> None:
    """Take a layer away; raises NeedsConfirmation that names the gaps, unless `is_confirmed`."""
    layers = _inputs(schedule)
    layers.pop(_place_of(layers, layer_id))
    update_schedule(
        schedule=schedule,
        values={},
        layers=layers,
        actor=actor,
        ip=ip,
        now=now,
        version=version,
        is_confirmed=is_confirmed,
    )


def losses_without_layer(
    *, schedule: Schedule, layer_id: int, actor: User, now: datetime
) -> list[str]:
    """The gaps that deleting a layer would open, a sentence each; nothing is saved."""
    try:
        with transaction.atomic():
            delete_layer(schedule=schedule, layer_id=layer_id, actor=actor, now=now)
            transaction.set_rollback(True)
    except NeedsConfirmation as question:
        return question.fields["confirm"]
    return []


def place_of(schedule: Schedule, layer_id: int | None) -> int:
    """The place of a layer; of one that is not there yet, the one after the last."""
    ids = [row.pk for row in _rows(schedule)]
    return ids.index(layer_id) if layer_id in ids else len(ids)


def _with(schedule: Schedule, layer: LayerInput, place: int) -> list[LayerInput]:
    layers = [other for other in _inputs(schedule) if other.id != layer.id or layer.id is None]
    layers.insert(place, layer)
    return layers


def _inputs(schedule: Schedule) -> list[LayerInput]:
    return [input_of(row) for row in _rows(schedule)]


def _rows(schedule: Schedule) -> Sequence[ScheduleLayer]:
    return list(layers_of([schedule.pk]))


def _place_of(layers: Sequence[LayerInput], layer_id: int) -> int:
    for place, layer in enumerate(layers):
        if layer.id == layer_id:
            return place
    raise NotFound("This layer was deleted meanwhile.")
