"""People come, go and change places: whoever is on call stays on call."""

from datetime import datetime, timedelta

import pytest

from escalations.models import LayerMember, Schedule, ScheduleLayer
from escalations.oncall import on_call_at
from escalations.selectors import layers_of, spec_of
from escalations.services.rotations import (
    keep_turns,
    put_on_call,
    replace_turns,
    turn_orders,
)
from opsknight.errors import Conflict
from opsknight.models import User
from tests.factories import ScheduleFactory, ScheduleLayerFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def trio(db: None) -> list[User]:
    """Ann, Ben and Cid."""
    return [UserFactory(name=name) for name in ("Ann", "Ben", "Cid")]


@pytest.fixture
def layer(trio: list[User], now: datetime) -> ScheduleLayer:
    """Ann, Ben and Cid take a day each; Ben has his now, for another hour."""
    return ScheduleLayerFactory(
        schedule=ScheduleFactory(name="Primary"),
        position=1,
        members=trio,
        rotation="daily",
        starts_at=now - timedelta(hours=47),
    )


def on_call(schedule: Schedule, at: datetime) -> str | None:
    user_ids = on_call_at(spec_of(schedule, layers_of([schedule.pk])), at)
    return ", ".join(User.objects.get(pk=user_id).name for user_id in user_ids) or None


def next_days(layer: ScheduleLayer, now: datetime, days: int = 4) -> list[str | None]:
    """Who is on call now, and a day, two days … later."""
    return [on_call(layer.schedule, now + timedelta(days=day)) for day in range(days)]


def test_days_follow_the_list(layer: ScheduleLayer, now: datetime) -> None:
    assert next_days(layer, now) == ["Ben", "Cid", "Ann", "Ben"]


@pytest.mark.parametrize(
    ("leaves", "days"),
    [
        ("Ann", ["Ben", "Cid", "Ben", "Ben"]),  # K4, P1: Ben stays on, Ann's turn goes to him
        ("Ben", ["Cid", "Cid", "Ann", "Cid"]),  # P2: the next one takes over at once
        ("Cid", ["Ben", "Ann", "Ann", "Ben"]),
    ],
)
@pytest.mark.parametrize("way", ["deleted", "disabled"])
def test_turns_of_somebody_who_leaves_pass_to_the_next_and_nobody_elses_move(
    way: str, leaves: str, days: list[str], layer: ScheduleLayer, now: datetime
) -> None:
    leaver = User.objects.get(name=leaves)

    if way == "deleted":
        leaver.delete()
    else:
        User.objects.filter(pk=leaver.pk).update(status=User.Status.DISABLED)

    assert next_days(layer, now) == days


def test_when_the_last_one_leaves_nobody_is_on_call(layer: ScheduleLayer, now: datetime) -> None:
    User.objects.update(status=User.Status.DISABLED)

    assert next_days(layer, now, 2) == [None, None]


@pytest.mark.parametrize(
    ("names", "days"),
    [
        ("Ben Cid", ["Ben", "Cid", "Ben", "Cid"]),  # P1
        ("Ann Cid", ["Cid", "Ann", "Cid", "Ann"]),  # P2
        ("Cid Ben Ann", ["Ben", "Ann", "Cid", "Ben"]),  # P6: Ben stays on, next is Ann
        ("Ann Ben Cid Dan", ["Ben", "Cid", "Dan", "Ann"]),
        ("Ann Ann Ben", ["Ben", "Ann", "Ann", "Ben"]),  # P7
        ("Dan", ["Dan", "Dan", "Dan", "Dan"]),
    ],
)
def test_replacing_the_members_keeps_whoever_is_on_call(
    names: str, days: list[str], layer: ScheduleLayer, now: datetime
) -> None:
    UserFactory(name="Dan")
    ids = [User.objects.get(name=name).pk for name in names.split()]

    replace_turns(layer=layer, turns=[[pk] for pk in ids], now=now)

    assert next_days(layer, now) == days


def test_first_member_is_on_call_at_once(now: datetime, trio: list[User]) -> None:
    layer = ScheduleLayerFactory(starts_at=now - timedelta(days=100))

    replace_turns(layer=layer, turns=[[trio[0].pk]], now=now)

    assert on_call(layer.schedule, now) == "Ann"


def test_change_of_the_rotation_keeps_the_person_until_the_next_handoff(
    layer: ScheduleLayer, now: datetime
) -> None:
    before = turn_orders(schedule=layer.schedule, now=now)
    layer.rotation, layer.starts_at = "weekly", now - timedelta(days=1)
    layer.save()

    turned = keep_turns(schedule=layer.schedule, before=before, now=now)

    assert turned == [layer]
    assert on_call(layer.schedule, now) == "Ben"
    assert on_call(layer.schedule, now + timedelta(days=6)) == "Cid"


def test_positions_may_have_holes(layer: ScheduleLayer, now: datetime) -> None:
    for member in layer.members.order_by("-turn"):
        LayerMember.objects.filter(pk=member.pk).update(turn=member.turn * 3 + 1)

    assert next_days(layer, now) == ["Ben", "Cid", "Ann", "Ben"]


def test_turn_is_given_over_and_the_order_goes_on_from_there(
    layer: ScheduleLayer, bob: User, trio: list[User], now: datetime
) -> None:
    put_on_call(layer=layer, user_id=trio[0].pk, actor=bob, now=now)

    assert next_days(layer, now) == ["Ann", "Ben", "Cid", "Ann"]


def test_nobody_can_be_put_on_call_in_a_layer_that_ended(
    layer: ScheduleLayer, bob: User, trio: list[User], now: datetime
) -> None:
    ScheduleLayer.objects.update(ends_at=now - timedelta(hours=1))

    with pytest.raises(Conflict):
        put_on_call(layer=layer, user_id=trio[0].pk, actor=bob, now=now)


def test_first_layer_with_somebody_on_call_decides(
    layer: ScheduleLayer, bob: User, now: datetime
) -> None:
    ScheduleLayerFactory(schedule=layer.schedule, position=2, members=[bob])
    assert on_call(layer.schedule, now) == "Ben"

    User.objects.exclude(pk=bob.pk).update(status=User.Status.DISABLED)

    assert on_call(layer.schedule, now) == "Bob"
