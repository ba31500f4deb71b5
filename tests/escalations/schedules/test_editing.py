"""Two edits at once, schedules with and without rotations (J10), and rotations K1 to K6."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connections, transaction

from escalations.models import LayerMember, Schedule, ScheduleLayer
from escalations.selectors import layers_of
from escalations.services.layers import LayerInput, RestrictionInput, input_of
from escalations.services.policies import create_policy
from escalations.services.policy_steps import StepInput, TargetInput
from escalations.services.schedules import (
    create_schedule,
    delete_schedule,
    preview_schedule,
    update_schedule,
)
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import AuditEntry, User
from opsknight.services.people import delete_user
from opsknight.services.versions import SavedMeanwhile
from tests.escalations.schedules.asking import await_a_lock, days, on_call
from tests.factories import PolicyFactory, ScheduleFactory, ScheduleLayerFactory, UserFactory


def layer_of(*people: User, **values: object) -> LayerInput:
    start = datetime(2026, 6, 1, 8, tzinfo=UTC)
    turns = tuple((user.pk,) for user in people)
    return replace(LayerInput(name="Days", starts_at=start, turns=turns), **values)  # type: ignore[arg-type]


# Two at once


def test_second_editor_is_told_who_saved_when_and_nothing_is_lost(
    layer: ScheduleLayer, alice: User, bob: User, now: datetime
) -> None:
    mine, theirs = (Schedule.objects.get() for _ in range(2))
    update_schedule(
        schedule=theirs, values={"name": "Second"}, layers=None, actor=bob, now=now, version=1
    )

    with pytest.raises(SavedMeanwhile) as refused:
        update_schedule(
            schedule=mine, values={"name": "Third"}, layers=[], actor=alice, now=now, version=1
        )

    assert refused.value.message.startswith(f"Bob saved Second at {now:%Y-%m-%d %H:%M} UTC")
    assert (Schedule.objects.get().name, ScheduleLayer.objects.count()) == ("Second", 1)


@pytest.mark.django_db(transaction=True)
def test_of_two_editors_at_the_same_instant_one_is_told() -> None:
    schedule, bob = ScheduleFactory(), UserFactory(name="Bob")
    now = datetime(2026, 6, 1, tzinfo=UTC)
    together, outcomes = threading.Barrier(2), []

    def edit(name: str) -> None:
        mine = Schedule.objects.get()
        together.wait(20)
        try:
            update_schedule(
                schedule=mine, values={"name": name}, layers=None, actor=bob, now=now, version=1
            )
            outcomes.append("saved")
        except SavedMeanwhile:
            outcomes.append("told")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=edit, args=(name,)) for name in ("One", "Two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(outcomes) == ["saved", "told"]
    schedule.refresh_from_db()
    assert schedule.version == 2


@pytest.mark.django_db(transaction=True)
def test_policy_that_names_a_schedule_while_it_is_being_deleted_is_refused() -> None:
    schedule, bob = ScheduleFactory(), UserFactory(name="Bob")
    step = StepInput(delay_minutes=0, targets=(TargetInput("schedule", schedule.pk),))
    schedule_id, outcomes = schedule.pk, []

    def save() -> None:
        try:
            create_policy(values={"name": "Days"}, steps=[step], actor=bob)
        except InvalidInput as error:
            outcomes.append(error.fields)
        finally:
            connections.close_all()

    thread = threading.Thread(target=save)
    with transaction.atomic():
        delete_schedule(schedule=schedule, actor=bob)
        thread.start()
        await_a_lock()
    thread.join(20)

    assert outcomes == [{"steps.0.targets.0.id": [f"There is no schedule {schedule_id}."]}]


def test_saving_the_same_again_is_no_new_version(
    layer: ScheduleLayer, bob: User, now: datetime
) -> None:
    schedule = Schedule.objects.get()
    same = [input_of(row) for row in layers_of([schedule.pk])]

    update_schedule(schedule=schedule, values={}, layers=same, actor=bob, now=now)

    assert schedule.version == 1
    assert not AuditEntry.objects.exists()


def test_nothing_is_half_saved(layer: ScheduleLayer, bob: User, dan: User, now: datetime) -> None:
    good, bad = layer_of(dan), layer_of(dan, rotation_length=0, name="")

    with pytest.raises(InvalidInput) as refused:
        update_schedule(
            schedule=Schedule.objects.get(),
            values={"name": "New", "time_zone": "Europe/Vienna"},
            layers=[good, bad],
            actor=bob,
            now=now,
        )

    assert set(refused.value.fields) == {"layers.1.name", "layers.1.rotation_length"}
    assert Schedule.objects.get().name == "Primary"
    assert ScheduleLayer.objects.get() == layer


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"rotation_length": 0}, "rotation_length"),
        ({"rotation_length": -3}, "rotation_length"),
        ({"rotation": "yearly"}, "rotation"),
        ({"shift_hours": 0}, "shift_hours"),
        ({"shift_hours": 169}, "shift_hours"),  # of a week
        ({"ends_at": datetime(2026, 5, 1, tzinfo=UTC)}, "ends_at"),
        (
            {
                "begins_at": datetime(2026, 8, 1, tzinfo=UTC),
                "ends_at": datetime(2026, 7, 1, tzinfo=UTC),
            },
            "ends_at",
        ),
        ({"turns": ()}, "members"),
        ({"turns": ((),)}, "members.0"),
        ({"turns": ((4711,),)}, "members.0"),
        ({"source": "calendar", "turns": ()}, "calendar_url"),
        ({"id": 4711}, "id"),
    ],
)
def test_impossible_layers_are_field_errors(
    bob: User, dan: User, now: datetime, values: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_schedule(
            values={"name": "New"}, layers=[layer_of(dan, **values)], actor=bob, now=now
        )

    assert f"layers.0.{field}" in refused.value.fields
    assert not Schedule.objects.exists()


def test_unknown_zone_is_a_field_error(bob: User, now: datetime) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_schedule(
            values={"name": "New", "time_zone": "Mars/Base"}, layers=[], actor=bob, now=now
        )

    assert list(refused.value.fields) == ["time_zone"]


def test_schedule_that_a_policy_pages_is_not_deleted(schedule: Schedule, bob: User) -> None:
    PolicyFactory(name="Payments first", steps=[(0, [schedule])])

    with pytest.raises(Conflict, match="paged by Payments first"):
        delete_schedule(schedule=schedule, actor=bob)

    assert Schedule.objects.exists()


def test_preview_is_what_saving_would_give_and_saves_nothing(
    layer: ScheduleLayer, bob: User, dan: User, now: datetime
) -> None:
    row = layers_of([layer.schedule_id]).get()
    wanted = replace(input_of(row), turns=((dan.pk,),))

    rota = preview_schedule(
        schedule=Schedule.objects.get(), values={}, layers=[wanted], actor=bob, now=now
    )

    assert rota.spec.layers[0].turns == ((dan.pk,),)
    assert days(layer.schedule, now) == ["Ben", "Cid", "Ann", "Ben"]
    assert not AuditEntry.objects.exists()


# J10


def test_J10_schedule_is_made_without_a_rotation(bob: User, now: datetime) -> None:
    schedule = create_schedule(values={"name": "Empty"}, layers=[], actor=bob, now=now)

    assert on_call(schedule, now) == ""


def test_J10_schedule_is_made_with_a_rotation(bob: User, dan: User, now: datetime) -> None:
    schedule = create_schedule(values={"name": "Full"}, layers=[layer_of(dan)], actor=bob, now=now)

    assert on_call(schedule, now) == "Dan"


def test_J10_rotation_keeps_its_schedule_whatever_of_it_changes(
    layer: ScheduleLayer, bob: User, dan: User, now: datetime
) -> None:
    schedule = Schedule.objects.get()
    wanted = replace(
        input_of(layers_of([schedule.pk]).get()),
        name="Weeks",
        rotation="weekly",
        turns=((dan.pk,),),
        restrictions=(RestrictionInput(frozenset(range(7)), now.time(), now.time()),),
    )

    update_schedule(
        schedule=schedule,
        values={"time_zone": "Asia/Tokyo"},
        layers=[wanted],
        actor=bob,
        now=now,
    )

    row = ScheduleLayer.objects.get(pk=layer.pk)
    assert (row.schedule_id, row.name, row.rotation) == (schedule.pk, "Weeks", "weekly")


# K


@pytest.mark.parametrize(
    ("rotation", "length", "later"),
    [
        ("daily", 2, timedelta(days=3)),
        ("weekly", 1, timedelta(days=8)),
        ("monthly", 1, timedelta(days=32)),
        ("hourly", 1, timedelta(hours=1, minutes=30)),
    ],
)
def test_K1_after_its_length_the_next_person_is_on_call(
    schedule: Schedule,
    ann: User,
    ben: User,
    now: datetime,
    rotation: str,
    length: int,
    later: timedelta,
) -> None:
    ScheduleLayerFactory(
        schedule=schedule,
        members=[ann, ben],
        rotation=rotation,
        rotation_length=length,
        starts_at=now,
    )

    assert (on_call(schedule, now), on_call(schedule, now + later)) == ("Ann", "Ben")


def test_K2_rotation_wraps(schedule: Schedule, ann: User, ben: User, now: datetime) -> None:
    started = now - timedelta(hours=3, minutes=50)
    ScheduleLayerFactory(
        schedule=schedule,
        members=[ann, ben],
        rotation="hourly",
        rotation_length=2,
        starts_at=started,
    )

    later = now + timedelta(minutes=20)
    assert (on_call(schedule, now), on_call(schedule, later)) == ("Ben", "Ann")


def test_K3_turns_may_have_holes(layer: ScheduleLayer, now: datetime) -> None:
    for member in layer.members.all():
        LayerMember.objects.filter(pk=member.pk).update(turn=member.turn * 3 + 1)

    assert days(layer.schedule, now) == ["Ben", "Cid", "Ann", "Ben"]


def test_K4_deleting_the_account_of_the_first_keeps_the_second_active(
    layer: ScheduleLayer, alice: User, ann: User, now: datetime
) -> None:
    delete_user(actor=alice, user=ann, now=now)

    assert on_call(layer.schedule, now) == "Ben"


def test_K5_handoff_is_at_the_same_wall_clock_across_a_change_of_clocks(
    schedule: Schedule, ann: User, ben: User
) -> None:
    zone = ZoneInfo("America/New_York")
    Schedule.objects.update(time_zone="America/New_York")
    ScheduleLayerFactory(
        schedule=schedule,
        members=[ann, ben],
        rotation="daily",
        starts_at=datetime(2026, 3, 1, 9, tzinfo=zone),
    )

    for day in (7, 8, 9):
        handoff = datetime(2026, 3, day, 9, tzinfo=zone).astimezone(UTC)
        before = on_call(schedule, handoff - timedelta(seconds=1))
        assert {before, on_call(schedule, handoff)} == {"Ann", "Ben"}


def test_K6_layer_with_members_can_be_deleted(
    layer: ScheduleLayer, bob: User, now: datetime
) -> None:
    update_schedule(
        schedule=Schedule.objects.get(),
        values={},
        layers=[],
        actor=bob,
        now=now,
        is_confirmed=True,
    )

    assert not LayerMember.objects.exists()
