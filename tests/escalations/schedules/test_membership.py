"""Rows P1 to P12 of the on-call maths: people come and go, the person on call stays."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from escalations.models import Schedule, ScheduleLayer
from escalations.selectors import layers_of
from escalations.services.layers import LayerInput, input_of
from escalations.services.rotations import put_on_call
from escalations.services.schedules import update_schedule
from opsknight.departures import NeedsConfirmation
from opsknight.errors import InvalidInput
from opsknight.models import User
from opsknight.services.people import delete_user
from tests.escalations.schedules.asking import days, gaps, on_call
from tests.factories import ScheduleLayerFactory

Edit = Callable[[LayerInput], LayerInput]


@pytest.fixture
def save(layer: ScheduleLayer, bob: User, now: datetime) -> Callable[[Edit], None]:
    """Change the layer as the editor does."""

    def change(edit: Edit, is_confirmed: bool = False) -> None:
        row = layers_of([layer.schedule_id]).get(pk=layer.pk)
        update_schedule(
            schedule=Schedule.objects.get(pk=layer.schedule_id),
            values={},
            layers=[edit(input_of(row))],
            actor=bob,
            now=now,
            is_confirmed=is_confirmed,
        )

    return change


def turns_of(*people: User | tuple[User, ...]) -> Edit:
    turns = tuple(
        tuple(p.pk for p in turn) if isinstance(turn, tuple) else (turn.pk,) for turn in people
    )
    return lambda layer: replace(layer, turns=turns)


def test_P1_deleting_somebody_else_keeps_the_active_person(
    layer: ScheduleLayer, alice: User, ann: User, now: datetime
) -> None:
    delete_user(actor=alice, user=ann, now=now)

    assert days(layer.schedule, now) == ["Ben", "Cid", "Ben", "Ben"]


def test_P1_removing_somebody_else_keeps_the_active_person(
    layer: ScheduleLayer, save: Callable[[Edit], None], ben: User, cid: User, now: datetime
) -> None:
    save(turns_of(ben, cid))

    assert days(layer.schedule, now) == ["Ben", "Cid", "Ben", "Cid"]


def test_P2_deleting_the_active_person_activates_the_next_until_the_same_handoff(
    layer: ScheduleLayer, alice: User, ben: User, now: datetime
) -> None:
    delete_user(actor=alice, user=ben, now=now)

    assert on_call(layer.schedule, now) == "Cid"
    # The handoff of the grid stays: an hour from now the turn after Ben's begins.
    assert days(layer.schedule, now) == ["Cid", "Cid", "Ann", "Cid"]


def test_P3_deleting_the_last_of_the_list_while_active_activates_the_first(
    layer: ScheduleLayer, alice: User, cid: User, now: datetime
) -> None:
    tomorrow = now + timedelta(days=1)
    assert on_call(layer.schedule, tomorrow) == "Cid"

    delete_user(actor=alice, user=cid, now=tomorrow)

    assert on_call(layer.schedule, tomorrow) == "Ann"


def test_P4_deleting_the_last_member_leaves_nobody_and_names_the_gap(
    schedule: Schedule, alice: User, ann: User, now: datetime
) -> None:
    ScheduleLayerFactory(schedule=schedule, members=[ann])

    with pytest.raises(NeedsConfirmation, match="Without Ann: Primary: nobody is on call"):
        delete_user(actor=alice, user=ann, now=now)
    delete_user(actor=alice, user=ann, now=now, is_confirmed=True)

    assert on_call(schedule, now) == ""
    assert gaps(schedule, now, now + timedelta(days=1)) == [(0, 24)]


def test_P5_first_member_is_active_at_once(
    schedule: Schedule, bob: User, ann: User, now: datetime
) -> None:
    empty = ScheduleLayerFactory(schedule=schedule, starts_at=now - timedelta(days=100))
    wanted = replace(input_of(layers_of([schedule.pk]).get()), turns=((ann.pk,),))
    assert on_call(schedule, now) == ""

    update_schedule(schedule=schedule, values={}, layers=[wanted], actor=bob, now=now)

    assert on_call(schedule, now) == "Ann"
    assert schedule.layers.get() == empty


def test_P6_reordering_keeps_the_active_person_and_the_next_is_that_of_the_new_order(
    layer: ScheduleLayer,
    save: Callable[[Edit], None],
    ann: User,
    ben: User,
    cid: User,
    now: datetime,
) -> None:
    save(turns_of(cid, ben, ann))

    assert days(layer.schedule, now) == ["Ben", "Ann", "Cid", "Ben"]


def test_P7_the_same_person_may_have_two_turns_in_a_row(
    layer: ScheduleLayer, save: Callable[[Edit], None], ann: User, ben: User, now: datetime
) -> None:
    save(turns_of(ann, ann, ben))
    assert days(layer.schedule, now) == ["Ben", "Ann", "Ann", "Ben"]

    save(turns_of(ann, ben))

    assert days(layer.schedule, now) == ["Ben", "Ann", "Ben", "Ann"]


def test_P8_the_turn_of_somebody_who_is_not_in_the_layer_is_a_field_error(
    layer: ScheduleLayer, bob: User, dan: User, now: datetime
) -> None:
    with pytest.raises(InvalidInput) as refused:
        put_on_call(layer=layer, user_id=dan.pk, actor=bob, now=now)

    assert "add them to it first" in refused.value.fields["user"][0]


@pytest.mark.parametrize(
    "edit",
    [
        lambda layer: replace(layer, rotation="weekly"),
        lambda layer: replace(layer, rotation="hourly", rotation_length=36),
        lambda layer: replace(layer, starts_at=layer.starts_at - timedelta(days=1, hours=5)),
    ],
    ids=["type", "length", "start"],
)
def test_P9_change_of_the_rotation_keeps_the_person_until_the_next_handoff(
    layer: ScheduleLayer, save: Callable[[Edit], None], edit: Edit, now: datetime
) -> None:
    save(edit)

    assert on_call(layer.schedule, now) == "Ben"
    later = [on_call(layer.schedule, now + timedelta(hours=hour)) for hour in range(0, 24 * 22, 6)]
    assert later[len(list(_leading(later)))] == "Cid"


def _leading(names: list[str]) -> list[str]:
    return names[: next(i for i, name in enumerate(names) if name != names[0])]


def test_P10_after_three_missed_handoffs_of_four_people_the_third_next_is_on_call(
    schedule: Schedule, ann: User, ben: User, cid: User, dan: User, now: datetime
) -> None:
    # Nothing has to run at a handoff: the answer follows from the calendar alone.
    ScheduleLayerFactory(
        schedule=schedule, members=[ann, ben, cid, dan], rotation="daily", starts_at=now
    )

    assert on_call(schedule, now) == "Ann"
    assert on_call(schedule, now + timedelta(days=3)) == "Dan"


def test_P11_asked_at_the_same_instant_everybody_gets_the_same_answer(
    layer: ScheduleLayer, now: datetime
) -> None:
    # Nodes pass the instant of the database; their own clocks decide nothing.
    handoff = now + timedelta(hours=1)

    answers = {on_call(layer.schedule, handoff) for _ in range(3)}

    assert answers == {"Cid"}
    assert on_call(layer.schedule, handoff - timedelta(seconds=1)) == "Ben"


def test_P12_change_of_the_time_zone_drops_nobody(
    layer: ScheduleLayer, bob: User, now: datetime
) -> None:
    schedule = Schedule.objects.get(pk=layer.schedule_id)

    update_schedule(
        schedule=schedule,
        values={"time_zone": "Pacific/Kiritimati"},
        layers=None,
        actor=bob,
        now=now,
    )

    assert on_call(schedule, now) == "Ben"
    assert gaps(schedule, now, now + timedelta(days=30)) == []


def test_people_of_one_turn_are_on_call_together_and_one_may_leave(
    layer: ScheduleLayer,
    save: Callable[[Edit], None],
    ann: User,
    ben: User,
    cid: User,
    dan: User,
    now: datetime,
) -> None:
    save(turns_of(ann, (ben, dan), cid))
    assert days(layer.schedule, now, 2) == ["Ben, Dan", "Cid"]

    save(turns_of(ann, dan, cid))

    assert days(layer.schedule, now, 3) == ["Dan", "Cid", "Ann"]


def test_layer_keeps_its_identity_when_it_is_edited(
    layer: ScheduleLayer, save: Callable[[Edit], None]
) -> None:
    save(lambda edited: replace(edited, name="Nights", rotation="weekly"))

    assert list(ScheduleLayer.objects.values_list("pk", "name")) == [(layer.pk, "Nights")]


def test_emptying_a_layer_names_the_gap_and_asks(
    layer: ScheduleLayer, save: Callable[..., None], now: datetime
) -> None:
    with pytest.raises(NeedsConfirmation, match="nobody is on call from"):
        save(lambda edited: replace(edited, turns=()))
    assert on_call(layer.schedule, now) == "Ben"

    save(lambda edited: replace(edited, turns=()), is_confirmed=True)

    assert on_call(layer.schedule, now) == ""
