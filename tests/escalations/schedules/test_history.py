"""Edits never change the past: versions of schedules."""

import random
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from escalations.models import Schedule, ScheduleLayer, ScheduleVersion
from escalations.oncall import on_call_at, shifts_between
from escalations.selectors import chronicles_of, duty_at, layers_of, rotas_of, stretches_between
from escalations.services.history import record_unrecorded_versions, record_versions
from escalations.services.layers import input_of
from escalations.services.schedules import update_schedule
from escalations.tasks import follow_schedules
from opsknight.models import User
from tests.escalations.schedules.asking import on_call, was_on_call
from tests.factories import OverrideFactory, TemporaryScheduleFactory

HOUR = timedelta(hours=1)


@pytest.fixture
def recorded(layer: ScheduleLayer, now: datetime) -> Schedule:
    """Known as it is since 90 days ago."""
    record_versions([layer.schedule_id], now=now)
    return layer.schedule


def test_edit_changes_the_future_and_not_the_past(
    recorded: Schedule, bob: User, dan: User, now: datetime
) -> None:
    row = layers_of([recorded.pk]).get()
    wanted = replace(input_of(row), turns=((dan.pk,),))
    later = now + HOUR / 2

    update_schedule(schedule=recorded, values={}, layers=[wanted], actor=bob, now=later)

    assert on_call(recorded, later) == "Dan"
    assert was_on_call(recorded, now, now=later) == "Ben"
    assert was_on_call(recorded, now - 24 * HOUR, now=later) == "Ann"
    assert was_on_call(recorded, now + 24 * HOUR, now=later) == "Dan"


def test_change_by_other_ways_is_recorded_by_the_sweep(
    recorded: Schedule, ben: User, now: datetime
) -> None:
    User.objects.filter(pk=ben.pk).update(status=User.Status.DISABLED)
    later = now + HOUR / 2

    written = record_unrecorded_versions(now=later), record_unrecorded_versions(now=later + HOUR)

    assert written == (1, 0)
    assert was_on_call(recorded, now, now=later) == "Ben"
    assert was_on_call(recorded, later, now=later) == "Cid"


def test_version_that_cannot_be_read_is_passed_over_and_followed_by_one_that_can(
    recorded: Schedule, now: datetime
) -> None:
    ScheduleVersion.objects.update(spec={"zone": "UTC", "layers": [{"no": "name"}]})

    before = was_on_call(recorded, now, now=now)
    written = record_unrecorded_versions(now=now + HOUR / 2)

    assert (before, written) == ("Ben", 1)
    assert was_on_call(recorded, now + HOUR / 2, now=now + HOUR / 2) == "Ben"


def test_change_holds_before_the_sweep_recorded_it(
    recorded: Schedule, ben: User, now: datetime
) -> None:
    User.objects.filter(pk=ben.pk).update(status=User.Status.DISABLED)

    assert was_on_call(recorded, now, now=now) == "Cid"
    assert was_on_call(recorded, now - HOUR, now=now) == "Ben"


def test_names_of_the_past_outlive_the_account(
    recorded: Schedule, ben: User, now: datetime
) -> None:
    ben.delete()
    record_unrecorded_versions(now=now + HOUR / 2)

    chronicle = chronicles_of([recorded.pk], now=now + HOUR)[recorded.pk]

    (user_id,) = duty_at(chronicle, now).user_ids
    assert chronicle.names[user_id] == "Ben"


def test_override_that_is_over_is_no_change(recorded: Schedule, dan: User, now: datetime) -> None:
    OverrideFactory(schedule=recorded, user=dan, starts_at=now, ends_at=now + HOUR)
    record_versions([recorded.pk], now=now)

    written = record_unrecorded_versions(now=now + 2 * HOUR)

    assert (written, ScheduleVersion.objects.count()) == (0, 2)
    assert was_on_call(recorded, now, now=now + 2 * HOUR) == "Ben, Dan"


def test_two_changes_of_one_instant_are_both_kept(
    recorded: Schedule, dan: User, now: datetime
) -> None:
    override = OverrideFactory(schedule=recorded, user=dan, starts_at=now, ends_at=now + HOUR)
    record_versions([recorded.pk], now=now)
    override.delete()

    record_versions([recorded.pk], now=now)

    assert was_on_call(recorded, now, now=now) == "Ben"


@pytest.mark.parametrize("seed", range(3))
def test_P14_engine_and_calendar_agree_at_every_sampled_minute(
    recorded: Schedule, ann: User, ben: User, dan: User, now: datetime, seed: int
) -> None:
    chance = random.Random(seed)
    for _ in range(20):
        start = now + chance.randrange(360) * 24 * HOUR
        kind, user, replaces = chance.choice(
            [
                ("add", dan, None),
                ("remove", None, ann),
                ("replace", dan, ben),
                ("replace", dan, None),
            ]
        )
        with suppress(IntegrityError), transaction.atomic():
            OverrideFactory(
                schedule=recorded,
                kind=kind,
                user=user,
                replaces=replaces,
                starts_at=start,
                ends_at=start + chance.randrange(1, 200) * HOUR,
            )
    TemporaryScheduleFactory(
        schedule=recorded, shifts=[dan], starts_at=now + 99 * HOUR, ends_at=now + 200 * HOUR
    )
    live = rotas_of([recorded.pk], since=now)[recorded.pk].spec
    record_versions([recorded.pk], now=now)
    calendar = chronicles_of([recorded.pk], now=now)[recorded.pk].history
    shifts = shifts_between(calendar, now, now + 366 * 24 * HOUR)

    for _ in range(300):
        at = now + timedelta(minutes=chance.randrange(366 * 24 * 60))
        shown = {shift.user_id for shift in shifts if shift.starts_at <= at < shift.ends_at}
        assert set(on_call_at(live, at)) == shown


def test_deleted_schedule_takes_its_versions_along(recorded: Schedule) -> None:
    recorded.delete()

    assert not ScheduleVersion.objects.exists()


def test_sweep_task_records_every_schedule(layer: ScheduleLayer) -> None:
    follow_schedules()

    assert ScheduleVersion.objects.get().schedule_id == layer.schedule_id


def test_the_past_that_is_loaded_can_be_limited(
    recorded: Schedule, dan: User, now: datetime
) -> None:
    for hour in range(5):
        at = now + hour * HOUR
        OverrideFactory(schedule=recorded, user=dan, starts_at=at, ends_at=at + HOUR)
        record_versions([recorded.pk], now=at)
    end = now + 6 * HOUR

    all_of_it = chronicles_of([recorded.pk], now=end)[recorded.pk].history
    part = chronicles_of([recorded.pk], now=end, start=now + 3 * HOUR)[recorded.pk].history

    assert len(part.versions) < len(all_of_it.versions)
    window = now + 3 * HOUR, end
    assert shifts_between(part, *window) == shifts_between(all_of_it, *window)


def test_stretches_cover_the_whole_range(recorded: Schedule, dan: User, now: datetime) -> None:
    OverrideFactory(schedule=recorded, user=dan, starts_at=now + HOUR, ends_at=now + 2 * HOUR)
    chronicle = chronicles_of([recorded.pk], now=now)[recorded.pk]

    stretches = stretches_between(chronicle, now, now + 4 * HOUR)

    names = [", ".join(chronicle.names[i] for i in each.user_ids) for each in stretches]
    assert names == ["Ben", "Cid, Dan", "Cid"]
    assert (stretches[0].starts_at, stretches[-1].ends_at) == (now, now + 4 * HOUR)
