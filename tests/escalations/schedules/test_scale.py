"""Many schedules: few queries, little time."""

import time
from datetime import datetime, timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from escalations.models import LayerMember, LayerRestriction, Override, Schedule, ScheduleLayer
from escalations.oncall import shifts_between
from escalations.selectors import history_of
from escalations.services.history import record_unrecorded_versions
from opsknight.models import User
from tests.factories import UserFactory

SCHEDULES = 500
# Of the processor, whatever else the machine does.
SECONDS = 2.0


def make_schedules(people: list[User], now: datetime) -> list[int]:
    """Each with a weekly and a nightly layer, and an override."""
    schedules = Schedule.objects.bulk_create(
        Schedule(name=f"S{n}", time_zone="Europe/Vienna", created_at=now - timedelta(days=90))
        for n in range(SCHEDULES)
    )
    layers = ScheduleLayer.objects.bulk_create(
        ScheduleLayer(schedule=schedule, name=kind, position=place, rotation=kind, starts_at=now)
        for schedule in schedules
        for place, kind in enumerate(("daily", "weekly"), start=1)
    )
    LayerMember.objects.bulk_create(
        LayerMember(layer=layer, user=people[(n + turn) % len(people)], turn=turn)
        for n, layer in enumerate(layers)
        for turn in range(1, 5)
    )
    LayerRestriction.objects.bulk_create(
        LayerRestriction(layer=layer, starts="20:00", ends="08:00")
        for layer in layers
        if layer.position == 1
    )
    Override.objects.bulk_create(
        Override(
            schedule=schedule,
            kind="add",
            user=people[0],
            starts_at=now + timedelta(days=2),
            ends_at=now + timedelta(days=3),
        )
        for schedule in schedules
    )
    return [schedule.pk for schedule in schedules]


def test_a_month_of_500_schedules_is_calculated_in_seconds(db: None, now: datetime) -> None:
    ids = make_schedules(UserFactory.create_batch(20), now)
    assert record_unrecorded_versions(now=now) == SCHEDULES

    with CaptureQueriesContext(connection) as queries:
        started_at = time.process_time()
        histories = history_of(ids, now=now, start=now)
        found = [shifts_between(h, now, now + timedelta(days=30)) for h in histories.values()]
        seconds = time.process_time() - started_at

    assert (len(found), min(len(shifts) for shifts in found) > 30) == (SCHEDULES, True)
    assert len(queries) <= 9
    assert seconds < SECONDS
