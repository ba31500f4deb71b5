"""Overrides on the database: J2 to J5, X12, and what the past allows."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction

from escalations.models import Override, Schedule, ScheduleLayer
from escalations.services.overrides import (
    OverrideInput,
    add_override,
    change_override,
    cover_shifts,
    delete_override,
    end_override,
    take_over,
)
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import AuditEntry, User
from tests.escalations.schedules.asking import await_a_lock, days, on_call, shifts, was_on_call
from tests.factories import (
    LayerRestrictionFactory,
    OverrideFactory,
    ScheduleFactory,
    ScheduleLayerFactory,
    UserFactory,
)

Add = Callable[..., Override]


@pytest.fixture
def add(schedule: Schedule, bob: User, now: datetime) -> Add:
    """Bob makes an override, `start` and `end` hours from now."""

    def make(kind: str, start: float, end: float, **people: User | None) -> Override:
        ids = {f"{name}_id": user.pk for name, user in people.items() if user}
        wanted = OverrideInput(
            kind=kind,
            starts_at=now + timedelta(hours=start),
            ends_at=now + timedelta(hours=end),
            **ids,  # type: ignore[arg-type]
        )
        return add_override(schedule=schedule, wanted=wanted, actor=bob, now=now)

    return make


@pytest.fixture
def two_layers(schedule: Schedule, ann: User, ben: User, now: datetime) -> datetime:
    """Ann always, together with Ben from 9 to 21; the midnight before now."""
    midnight = now.replace(hour=0, minute=0)
    ScheduleLayerFactory(schedule=schedule, position=1, members=[ann])
    day = ScheduleLayerFactory(schedule=schedule, position=2, members=[ben], is_together=True)
    LayerRestrictionFactory(
        layer=day,
        weekdays=127,
        starts=datetime(1, 1, 1, 9).time(),
        ends=datetime(1, 1, 1, 21).time(),
    )
    return midnight + timedelta(days=1)


def test_J2_added_person_is_extra_inside_the_span_only(
    two_layers: datetime, schedule: Schedule, add: Add, cid: User, now: datetime
) -> None:
    day = two_layers
    start = (day - now) / timedelta(hours=1)
    add("add", start + 24, start + 24 * 5, user=cid)

    at = [day + timedelta(hours=hour) for hour in (12, 26, 36, 24 * 5 + 12)]

    assert [on_call(schedule, moment) for moment in at] == [
        "Ann, Ben",
        "Ann, Cid",
        "Ann, Ben, Cid",
        "Ann, Ben",
    ]


def test_J3_removed_person_is_gone_inside_the_span_only(
    two_layers: datetime, schedule: Schedule, add: Add, ben: User, now: datetime
) -> None:
    day = two_layers
    start = (day - now) / timedelta(hours=1)
    add("remove", start + 24, start + 48, replaces=ben)

    at = [day + timedelta(hours=hour) for hour in (12, 36, 60)]

    assert [on_call(schedule, moment) for moment in at] == ["Ann, Ben", "Ann", "Ann, Ben"]


def test_J4_replacement_is_on_only_while_the_replaced_person_would_be(
    two_layers: datetime, schedule: Schedule, add: Add, ben: User, cid: User, now: datetime
) -> None:
    day = two_layers
    start = (day - now) / timedelta(hours=1)
    add("replace", start, start + 48, user=cid, replaces=ben)

    at = [day + timedelta(hours=hour) for hour in (8, 9, 20, 21, 33, 60)]

    assert [on_call(schedule, moment) for moment in at] == [
        "Ann",
        "Ann, Cid",
        "Ann, Cid",
        "Ann",
        "Ann, Cid",
        "Ann, Ben",
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"kind": "add", "user": "ann"}, {"kind": "add", "user": "ann"}),
        ({"kind": "remove", "replaces": "ann"}, {"kind": "remove", "replaces": "ann"}),
        (
            {"kind": "remove", "replaces": "ann"},
            {"kind": "replace", "replaces": "ann", "user": "ben"},
        ),
        ({"kind": "replace", "user": "ann"}, {"kind": "replace", "user": "ben"}),
    ],
    ids=["add", "remove", "remove and replace", "replace everybody"],
)
def test_J5_conflict_is_a_field_error_that_names_the_other_override(
    request: pytest.FixtureRequest, add: Add, first: dict[str, str], second: dict[str, str]
) -> None:
    def people(values: dict[str, str]) -> dict[str, Any]:
        return {k: request.getfixturevalue(v) for k, v in values.items() if k != "kind"}

    other = add(first["kind"], 1, 5, **people(first))

    with pytest.raises(InvalidInput) as refused:
        add(second["kind"], 4, 6, **people(second))

    (text,) = refused.value.fields["starts_at"]
    assert f"{other} (number {other.pk})" in text
    assert Override.objects.count() == 1


def test_J5_overrides_that_only_touch_are_no_conflict(add: Add, ann: User) -> None:
    add("add", 1, 2, user=ann)

    add("add", 2, 3, user=ann)

    assert Override.objects.count() == 2


def test_J5_database_refuses_what_no_service_checked(
    schedule: Schedule, ann: User, now: datetime
) -> None:
    OverrideFactory(schedule=schedule, user=ann)

    with pytest.raises(IntegrityError, match="override_adds_once"), transaction.atomic():
        OverrideFactory(schedule=schedule, user=ann)
    OverrideFactory(schedule=ScheduleFactory(), user=ann)

    assert Override.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_J5_of_two_transactions_at_once_the_second_fails_after_the_first_commits() -> None:
    schedule, ann, bob = ScheduleFactory(), UserFactory(name="Ann"), UserFactory(name="Bob")
    written, waiting, outcomes = threading.Event(), threading.Event(), []

    def second() -> None:
        written.wait(20)
        try:
            with transaction.atomic():
                waiting.set()
                OverrideFactory(schedule=schedule, user=ann)
        except IntegrityError as error:
            outcomes.append(str(error))
        finally:
            connections.close_all()

    thread = threading.Thread(target=second)
    thread.start()
    with transaction.atomic():
        OverrideFactory(schedule=schedule, user=ann)
        written.set()
        assert waiting.wait(20)
        await_a_lock()
        assert outcomes == []
    thread.join(20)

    assert len(outcomes) == 1
    assert "override_adds_once" in outcomes[0]
    assert Override.objects.count() == 1
    assert bob.pk


@pytest.mark.django_db(transaction=True)
def test_J5_of_two_people_at_once_the_second_is_told_of_the_first() -> None:
    schedule, ann, bob = ScheduleFactory(), UserFactory(name="Ann"), UserFactory(name="Bob")
    now = datetime.fromisoformat("2026-06-01T08:00:00Z")
    wanted = OverrideInput(
        kind="add", starts_at=now, ends_at=now + timedelta(hours=1), user_id=ann.pk
    )
    started, outcomes = threading.Event(), []

    def second() -> None:
        started.wait(20)
        try:
            add_override(schedule=schedule, wanted=wanted, actor=bob, now=now)
        except InvalidInput as error:
            outcomes.append(error.fields)
        finally:
            connections.close_all()

    thread = threading.Thread(target=second)
    thread.start()
    with transaction.atomic():
        first = add_override(schedule=schedule, wanted=wanted, actor=bob, now=now)
        started.set()
        await_a_lock()
    thread.join(20)

    assert f"(number {first.pk})" in outcomes[0]["starts_at"][0]
    assert Override.objects.count() == 1


def test_X12_covering_all_shifts_keeps_their_borders_and_gaps(
    layer: ScheduleLayer, ben: User, dan: User, bob: User, now: datetime
) -> None:
    LayerRestrictionFactory(
        layer=layer,
        weekdays=127,
        starts=(now - timedelta(hours=1)).time(),
        ends=(now + timedelta(hours=5)).time(),
    )
    schedule, end = layer.schedule, now + timedelta(days=8)
    before = shifts(schedule, now, end)

    cover_shifts(
        user_id=ben.pk,
        by_id=dan.pk,
        starts_at=now,
        ends_at=now + timedelta(days=7),
        schedule_ids=[schedule.pk],
        actor=bob,
        now=now,
    )

    after = shifts(schedule, now, end)
    assert after == [("Dan" if name == "Ben" else name, *span) for name, *span in before]
    assert [name for name, *_ in after].count("Dan") > 2


def test_nobody_to_cover_is_a_field_error(
    layer: ScheduleLayer, bob: User, dan: User, now: datetime
) -> None:
    with pytest.raises(InvalidInput) as refused:
        cover_shifts(
            user_id=dan.pk,
            by_id=bob.pk,
            starts_at=now,
            ends_at=now + timedelta(days=7),
            schedule_ids=[layer.schedule_id],
            actor=bob,
            now=now,
        )

    assert "no shift in this time" in refused.value.fields["replaces"][0]


@pytest.mark.parametrize(
    ("kind", "start", "end", "people", "field", "text"),
    [
        ("add", -5, -1, ["user"], "ends_at", "what was cannot be changed"),
        ("add", 5, 1, ["user"], "ends_at", "later than the start"),
        ("add", 1, 5, [], "user", "Say who comes"),
        ("add", 1, 5, ["user", "replaces"], "replaces", "in addition"),
        ("remove", 1, 5, [], "replaces", "Say who goes"),
        ("remove", 1, 5, ["user", "replaces"], "user", "nobody comes instead"),
        ("swap", 1, 5, ["user"], "kind", "Use one of add, remove, replace"),
    ],
)
def test_impossible_overrides_are_field_errors(
    add: Add,
    ann: User,
    ben: User,
    kind: str,
    start: int,
    end: int,
    people: list[str],
    field: str,
    text: str,
) -> None:
    named = {name: user for name, user in (("user", ann), ("replaces", ben)) if name in people}

    with pytest.raises(InvalidInput) as refused:
        add(kind, start, end, **named)

    assert text in refused.value.fields[field][0]
    assert not Override.objects.exists()


def test_disabled_person_cannot_come(add: Add, ann: User) -> None:
    User.objects.filter(pk=ann.pk).update(status=User.Status.DISABLED)

    with pytest.raises(InvalidInput, match="the account is disabled"):
        add("add", 1, 5, user=ann)


def test_start_in_the_past_is_now_and_the_past_stays(
    layer: ScheduleLayer, add: Add, dan: User, now: datetime
) -> None:
    override = add("replace", -20, 5, user=dan)

    assert override.starts_at == now
    assert on_call(layer.schedule, now) == "Dan"
    assert was_on_call(layer.schedule, now - timedelta(hours=2), now=now) == "Ben"


def test_override_that_began_can_be_ended_but_not_deleted(
    layer: ScheduleLayer, add: Add, bob: User, dan: User, now: datetime
) -> None:
    override = add("replace", 0, 24, user=dan)
    later = now + timedelta(hours=2)

    with pytest.raises(Conflict, match="End it now instead"):
        delete_override(override=override, actor=bob, now=later)
    end_override(override=override, actor=bob, now=later)

    assert on_call(layer.schedule, later) == "Cid"
    assert was_on_call(layer.schedule, now + timedelta(hours=1), now=later) == "Dan"


def test_override_that_has_not_begun_can_be_deleted(
    layer: ScheduleLayer, add: Add, bob: User, dan: User, now: datetime
) -> None:
    override = add("replace", 1, 24, user=dan)

    delete_override(override=override, actor=bob, now=now)

    assert days(layer.schedule, now, 2) == ["Ben", "Cid"]
    actions = AuditEntry.objects.filter(action__startswith="override.").order_by("pk")
    assert list(actions.values_list("action", flat=True)) == [
        "override.added",
        "override.deleted",
    ]


def test_of_an_override_that_began_only_the_end_changes(
    add: Add, bob: User, dan: User, ann: User, now: datetime
) -> None:
    override = add("add", 0, 24, user=dan)
    later = now + timedelta(hours=1)
    wanted = OverrideInput(
        kind="add", starts_at=now, ends_at=now + timedelta(hours=3), user_id=dan.pk
    )

    moved = replace(wanted, user_id=ann.pk)

    changed = change_override(override=override, wanted=wanted, actor=bob, now=later)
    with pytest.raises(InvalidInput) as refused:
        change_override(override=override, wanted=moved, actor=bob, now=later)

    assert (changed.starts_at, changed.ends_at) == (now, now + timedelta(hours=3))
    assert list(refused.value.fields) == ["user"]


def test_taking_over_lasts_until_the_next_handoff(
    layer: ScheduleLayer, bob: User, now: datetime
) -> None:
    take_over(schedule=layer.schedule, actor=bob, now=now)

    assert shifts(layer.schedule, now, now + timedelta(hours=25)) == [
        ("Bob", 0, 1),
        ("Cid", 1, 25),
    ]


def test_taking_over_from_several_needs_to_know_from_whom(
    two_layers: datetime, schedule: Schedule, bob: User
) -> None:
    noon = two_layers + timedelta(hours=12)

    with pytest.raises(InvalidInput) as refused:
        take_over(schedule=schedule, actor=bob, now=noon)

    assert "Ann or Ben" in refused.value.fields["replaces"][0]


def test_override_by_somebody_who_left_leaves_on_call_who_was(
    layer: ScheduleLayer, add: Add, dan: User, now: datetime
) -> None:
    add("replace", 0, 24, user=dan)

    User.objects.filter(pk=dan.pk).update(status=User.Status.DISABLED)

    assert on_call(layer.schedule, now) == "Ben"
