"""Changing who takes turns in a layer, without changing who is on call by accident.

The place in a rotation follows from the calendar alone, so adding, removing or reordering people
would move everybody's turn. After such a change the list is turned round until the person who was
on call still is, or, if that person left, the one who came after. The order stays what it was:
only who stands first in the list differs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from escalations.models import LayerMember, Schedule, ScheduleLayer
from escalations.oncall import turn_at
from escalations.selectors import UNREADABLE, layer_of, layers_of
from escalations.services.history import record_versions
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import User
from opsknight.services.audit import record_change
from opsknight.services.versions import count_version, lock_version


@dataclass(frozen=True)
class TurnOrder:
    """Who takes the turns of a layer from a moment on, those on call first."""

    turns: tuple[tuple[int, ...], ...]


def turn_orders(*, schedule: Schedule, now: datetime) -> dict[int, TurnOrder]:
    """The order of turns in each layer that has people, by layer id; 3 queries."""
    orders = {}
    for layer in layers_of([schedule.pk]):
        if found := _place_on_turn(schedule, layer, now):
            index, turns = found
            orders[layer.pk] = TurnOrder((*turns[index:], *turns[:index]))
    return orders


def keep_turns(
    *, schedule: Schedule, before: Mapping[int, TurnOrder], now: datetime
) -> list[ScheduleLayer]:
    """After a change, keep on call who was on call `before` (`turn_orders`); return layers turned.

    Callers hold the transaction of the change.
    """
    turned = []
    for layer in layers_of([schedule.pk]):
        order = before.get(layer.pk)
        found = _place_on_turn(schedule, layer, now)
        if order is None or found is None:
            continue
        index, turns = found
        wanted = _turn_of_the_same(order, turns, index)
        if wanted is not None and wanted != index:
            _turn_round(layer, wanted - index)
            turned.append(layer)
    return turned


def _turn_of_the_same(
    order: TurnOrder, turns: tuple[tuple[int, ...], ...], index: int
) -> int | None:
    """Which of `turns` has most of those who were on call; if all left, of those after them.

    Of several such turns the one at `index`, which is on now, is the best, then the first.
    """
    for people in order.turns:
        common = [len(set(people) & set(turn)) for turn in turns]
        if best := max(common):
            return index if common[index] == best else common.index(best)
    return None


def replace_turns(
    *, layer: ScheduleLayer, turns: Sequence[Sequence[int]], now: datetime
) -> list[ScheduleLayer]:
    """Let exactly these people take turns, in this order; whoever is on call stays so if listed.

    People of one turn are on call together; the same person may have several turns. Returns
    `layer` if the list was turned round for that. Callers hold the lock on the schedule and have
    checked the people.
    """
    before = turn_orders(schedule=layer.schedule, now=now)
    write_turns(layer=layer, turns=turns)
    turned = keep_turns(schedule=layer.schedule, before=before, now=now)
    return [each for each in turned if each.pk == layer.pk]


def write_turns(*, layer: ScheduleLayer, turns: Sequence[Sequence[int]]) -> None:
    """Let exactly these people take turns: the first turn is at `starts_at` of the layer."""
    LayerMember.objects.filter(layer=layer).delete()
    LayerMember.objects.bulk_create(
        LayerMember(layer=layer, user_id=user_id, turn=turn)
        for turn, people in enumerate(turns, start=1)
        for user_id in people
    )


def put_on_call(
    *,
    layer: ScheduleLayer,
    user_id: int,
    actor: User,
    now: datetime,
    ip: str | None = None,
) -> None:
    """Give the present turn of a layer to one of its people; the order goes on from there.

    Raises InvalidInput for somebody who takes no turn in it, Conflict when the layer has ended.
    """
    with transaction.atomic():
        schedule = layer.schedule
        lock_version(entity=schedule, expected=None)
        layer = layers_of([schedule.pk]).get(pk=layer.pk)
        found = _place_on_turn(schedule, layer, now)
        if found is None:
            raise Conflict(f"Nobody can be on call in {layer.name} now: it has no people or ended.")
        index, turns = found
        wanted = next((turn for turn in turns if user_id in turn), None)
        if wanted is None:
            message = f"This person takes no turn in {layer.name}; add them to it first."
            raise InvalidInput(message, fields={"user": [message]})
        if user_id in turns[index]:
            return
        names = {member.user_id: str(member.user) for member in layer.members.all()}
        _turn_round(layer, turns.index(wanted) - index)
        before, after = (", ".join(names[i] for i in turn) for turn in (turns[index], wanted))
        record_change(
            actor=actor,
            action="schedule_layer.put_on_call",
            entity=layer,
            changes={"on_call": [before, after]},
            ip=ip,
        )
        count_version(entity=schedule, actor=actor, now=now)
        record_versions([schedule.pk], now=now, actor=actor)


def _place_on_turn(
    schedule: Schedule, layer: ScheduleLayer, now: datetime
) -> tuple[int, tuple[tuple[int, ...], ...]] | None:
    """Which turn of a layer it is now, and who takes each turn; None: it is over."""
    try:
        data = layer_of(layer)
        index = turn_at(data, schedule.time_zone, now)
    except UNREADABLE:
        return None
    return None if index is None else (index, data.turns)


def _turn_round(layer: ScheduleLayer, steps: int) -> None:
    """Move every turn `steps` places to the front, the first ones to the back."""
    members = list(layer.members.all())
    numbers = list(dict.fromkeys(member.turn for member in members))
    steps %= len(numbers)
    places = {number: place for place, number in enumerate(numbers[steps:] + numbers[:steps], 1)}
    for member in members:
        member.turn = places[member.turn]
    # The constraint on turns is deferred: it looks at the end of the transaction.
    LayerMember.objects.bulk_update(members, ["turn"])
