"""What people leave behind: the gaps of the next 90 days, in all schedules."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from escalations.models import Override, Schedule, ScheduleLayer
from escalations.services.departures import gaps_without, losses_without
from opsknight.departures import NeedsConfirmation, require_confirmation
from opsknight.models import User
from opsknight.services.people import delete_user, disable_user
from tests.escalations.schedules.asking import on_call
from tests.factories import (
    LayerRestrictionFactory,
    OverrideFactory,
    ScheduleFactory,
    ScheduleLayerFactory,
    TemporaryScheduleFactory,
)


def test_whoever_is_replaced_by_others_leaves_no_gap(
    layer: ScheduleLayer, ann: User, now: datetime
) -> None:
    assert gaps_without([ann], now) == []


def test_all_of_a_layer_leave_a_gap_together(
    layer: ScheduleLayer, ann: User, ben: User, cid: User, now: datetime
) -> None:
    (gap,) = gaps_without([ann, ben, cid], now)

    assert (gap.schedule, gap.starts_at, gap.goes_on) == (layer.schedule, now, True)


def test_gap_that_was_there_before_is_not_counted(
    schedule: Schedule, ann: User, ben: User, now: datetime
) -> None:
    end = now + timedelta(days=30)
    ScheduleLayerFactory(schedule=schedule, members=[ann], ends_at=end)

    (gap,) = gaps_without([ann], now)

    assert (gap.starts_at, gap.ends_at, gap.goes_on) == (now, end, False)


def test_times_are_told_on_the_clock_of_the_schedule(ann: User) -> None:
    now = datetime.fromisoformat("2026-06-01T12:00:00Z")
    schedule = ScheduleFactory(name="Vienna", time_zone="Europe/Vienna")
    layer = ScheduleLayerFactory(
        schedule=schedule, members=[ann], starts_at=now, ends_at=now + timedelta(days=1)
    )
    LayerRestrictionFactory(layer=layer, weekdays=127)

    assert losses_without([ann], now) == [
        "Vienna: nobody is on call from 2026-06-01 14:00 to 2026-06-01 20:00, "
        "from 2026-06-02 08:00 to 2026-06-02 14:00 (Europe/Vienna)."
    ]


def test_t13_override_and_temporary_shift_are_missed_too(
    schedule: Schedule, ann: User, ben: User, now: datetime
) -> None:
    ahead = {"starts_at": now + timedelta(days=1), "ends_at": now + timedelta(days=2)}
    OverrideFactory(schedule=schedule, user=ann, **ahead)
    TemporaryScheduleFactory(schedule=ScheduleFactory(name="Other"), shifts=[ann], **ahead)

    names = [gap.schedule.name for gap in gaps_without([ann], now)]

    assert names == ["Other", "Primary"]


@pytest.mark.parametrize("leave", [delete_user, disable_user])
def test_nothing_happens_before_it_is_confirmed(
    leave: object, schedule: Schedule, alice: User, ann: User, now: datetime
) -> None:
    ScheduleLayerFactory(schedule=schedule, members=[ann])

    with pytest.raises(NeedsConfirmation):
        leave(actor=alice, user=ann, now=now)  # type: ignore[operator]
    assert on_call(schedule, now) == "Ann"

    leave(actor=alice, user=ann, now=now, is_confirmed=True)  # type: ignore[operator]

    assert on_call(schedule, now) == ""


def test_long_lists_are_shortened() -> None:
    with pytest.raises(NeedsConfirmation) as asked:
        require_confirmation(
            what="Without Ann", losses=[f"Loss {n}." for n in range(30)], is_confirmed=False
        )

    assert asked.value.fields["confirm"][-1] == "… and 10 more."


def test_deleting_a_person_takes_their_overrides_along(
    schedule: Schedule, alice: User, ann: User, now: datetime
) -> None:
    OverrideFactory(schedule=schedule, user=ann)

    delete_user(actor=alice, user=ann, now=now, is_confirmed=True)

    assert not Override.objects.exists()


def test_many_schedules_cost_as_many_queries_as_one(ann: User, now: datetime) -> None:
    counts = []
    for number in (1, 9):
        for schedule in ScheduleFactory.create_batch(number, members=[ann]):
            OverrideFactory(schedule=schedule, user=ann)
        with CaptureQueriesContext(connection) as queries:
            gaps_without([ann], now)
        counts.append(len(queries))

    assert counts[0] == counts[1]
