"""Time and the engine: outages, clocks that differ, zones that change. Named after their rows."""

from datetime import datetime, timedelta

import pytest
import time_machine

from escalations.services import engine
from incidents.models import Service
from opsknight.models import User
from tests.escalations.walk import MINUTE, escalating, paged, policy_of, said, take_all
from tests.factories import ScheduleFactory, UserFactory

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def test_p10_after_an_outage_of_three_handoffs_the_person_of_now_is_paged_and_told_late(
    service: Service, now: datetime
) -> None:
    people = [UserFactory(name=name) for name in ("Ann", "Ben", "Cem", "Dot")]
    schedule = ScheduleFactory(name="Primary", members=people)
    start = now.replace(minute=0, second=0, microsecond=0)
    schedule.layers.update(rotation="hourly", starts_at=start)
    incident = escalating(service, start, policy_of((0, [schedule])))

    take_all(start + 3 * HOUR + MINUTE)

    assert said(incident)[0] == "Step 1, 3 h late: paged Dot (Primary on call)"


@pytest.mark.parametrize("minutes", [-2, 2])
def test_p11_the_database_decides_what_is_due_whatever_the_clock_of_the_worker_says(
    minutes: int, service: Service, bob: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]))
    due, later = escalating(service, now, policy), escalating(service, now + MINUTE)

    with time_machine.travel(now + minutes * MINUTE):
        engine.run_due_steps()

    assert (paged(due), paged(later)) == (["Bob"], [])
    assert said(due)[0] == "Step 1: paged Bob"  # not late


def test_p12_another_zone_of_a_schedule_counts_at_the_next_step_and_drops_nobody(
    service: Service,
) -> None:
    noon = datetime.fromisoformat("2026-03-02T12:00:00+00:00")
    people = [UserFactory(name="Ann"), UserFactory(name="Ben")]
    schedule = ScheduleFactory(name="Primary", members=people, time_zone="UTC")
    schedule.layers.update(rotation="daily", starts_at=noon.replace(hour=9))
    steps = [(0, [schedule]), (5, [schedule])]
    incident = escalating(service, noon, policy_of(*steps))

    take_all(noon)
    type(schedule).objects.update(time_zone="Pacific/Auckland")
    take_all(noon + 5 * MINUTE)

    assert len(paged(incident)) == 2
    assert all("nobody" not in text for text in said(incident)[:2])
