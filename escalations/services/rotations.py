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
from escalations.selectors import UNREADABLE, layers_of, spec_of
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import User
from opsknight.services.audit import record_change


@dataclass(frozen=True)
class TurnOrder:
    """Who takes the turns of a layer from a moment on, the person on call first."""

    user_ids: tuple[int, ...]


def turn_orders(*, schedule: Schedule, now: datetime) -> dict[int, TurnOrder]:
    """The order of turns in each layer that has people, by layer id; 2 queries."""
    orders = {}
    for layer in layers_of([schedule.pk]):
        if found := _place_on_turn(schedule, layer, now):
            index, takers = found
            orders[layer.pk] = TurnOrder((*takers[index:], *takers[:index]))
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
        index, takers = found
        wanted = next((user_id for user_id in order.user_ids if user_id in takers), None)
        if wanted is not None and takers[index] != wanted:
            _turn_round(layer, takers.index(wanted) - index)
            turned.append(layer)
    return turned


def replace_members(*, layer: ScheduleLayer, user_ids: Sequence[int], now: datetime) -> None:
    """Let exactly these people take turns, in this order; whoever is on call stays so if listed.

    The same person may be listed more than once. Raises InvalidInput for unknown people.
    """
    known = set(User.objects.filter(pk__in=user_ids).values_list("pk", flat=True))
    if unknown := [str(user_id) for user_id in user_ids if user_id not in known]:
        message = f"There is no user {', '.join(unknown)}."
        raise InvalidInput(message, fields={"members": [message]})
    with transaction.atomic():
        schedule = Schedule.objects.select_for_update().get(pk=layer.schedule_id)
        before = turn_orders(schedule=schedule, now=now)
        LayerMember.objects.filter(layer=layer).delete()
        LayerMember.objects.bulk_create(
            LayerMember(layer=layer, user_id=user_id, position=position)
            for position, user_id in enumerate(user_ids, start=1)
        )
        keep_turns(schedule=schedule, before=before, now=now)


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
        schedule = Schedule.objects.select_for_update().get(pk=layer.schedule_id)
        layer = layers_of([schedule.pk]).get(pk=layer.pk)
        found = _place_on_turn(schedule, layer, now)
        if found is None:
            raise Conflict(f"Nobody can be on call in {layer.name} now: it has no people or ended.")
        index, takers = found
        if user_id not in takers:
            message = f"This person takes no turn in {layer.name}; add them to it first."
            raise InvalidInput(message, fields={"user": [message]})
        names = {member.user_id: str(member.user) for member in layer.members.all()}
        if takers[index] == user_id:
            return
        _turn_round(layer, takers.index(user_id) - index)
        record_change(
            actor=actor,
            action="schedule_layer.put_on_call",
            entity=layer,
            changes={"on_call": [names[takers[index]], names[user_id]]},
            ip=ip,
        )


def _place_on_turn(
    schedule: Schedule, layer: ScheduleLayer, now: datetime
) -> tuple[int, tuple[int, ...]] | None:
    """Which place of a layer has its turn now, and who takes each place; None: it is over."""
    try:
        (data,) = spec_of(schedule, [layer]).layers
        index = turn_at(data, schedule.time_zone, now)
    except UNREADABLE:
        return None
    return None if index is None else (index, tuple(user_id for (user_id,) in data.turns))


def _turn_round(layer: ScheduleLayer, steps: int) -> None:
    """Move everybody `steps` places to the front, the first ones to the back."""
    members = list(layer.members.all())
    steps %= len(members)
    for position, member in enumerate(members[steps:] + members[:steps], start=1):
        member.position = position
    # The constraint on positions is deferred: it looks at the end of the transaction.
    LayerMember.objects.bulk_update(members, ["position"])
