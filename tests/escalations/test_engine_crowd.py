"""Many incidents, several engines, a Redis that goes away."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import redis
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from escalations import tasks
from escalations.models import EnginePass
from escalations.services import engine
from incidents.models import Incident, Service
from incidents.services.lifecycle import acknowledge_incidents
from notifications.models import Notification
from notifications.services.claims import claim_pages
from opsknight.models import Team, User
from tests.escalations.walk import MINUTE, escalating, paged, policy_of, take_all, timer
from tests.factories import ScheduleFactory, ServiceFactory


@pytest.mark.django_db
@pytest.mark.parametrize("number", [1, 10])
def test_queries_do_not_grow_with_the_incidents(
    number: int, service: Service, team: Team, bob: User, carol: User, now: datetime
) -> None:
    schedule = ScheduleFactory(members=[bob, carol])
    policy = policy_of((0, [bob, team, schedule]), (10, [schedule, team]))
    for _ in range(number):
        escalating(service, now, policy, assignee=bob)

    with CaptureQueriesContext(connection) as first:
        assert engine.run_due_steps(now=now) == number
    with CaptureQueriesContext(connection) as second:
        assert engine.run_due_steps(now=now + 10 * MINUTE) == number

    # Maintenance; the claim; the runs; the policy, its steps and targets (3); schedule, layers and
    # what is in them, overrides, temporary schedules (7); teams; users; the pages (6); runs, timers
    # and timeline written (3); 4 of savepoints.
    assert len(first) == 28
    assert len(second) == 25  # reads no policy


@pytest.mark.django_db
def test_each_pass_takes_the_longest_due_first_and_no_more_than_its_limit(
    service: Service, bob: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]))
    old = [escalating(service, now - n * MINUTE, policy) for n in (1, 3, 2)]

    assert engine.run_due_steps(now=now, limit=2) == 2

    assert [timer(i) is None for i in old] == [False, True, True]


# Real transactions from here on


def in_threads(number: int, work: Callable[[], object]) -> None:
    """Run `work` in so many threads at once, each on its own connection; raise what they raise."""
    barrier = threading.Barrier(number)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            barrier.wait()
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def until_nothing_is_due() -> None:
    while engine.run_due_steps(limit=7):
        pass


@pytest.mark.django_db(transaction=True)
def test_two_engines_at_once_page_everybody_once(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (30, [carol]))
    incidents = [escalating(service, now, policy) for _ in range(60)]

    in_threads(4, until_nothing_is_due)

    assert [paged(incident) for incident in incidents] == [["Bob"]] * 60
    assert Notification.objects.filter(channel="email").count() == 60


@pytest.mark.django_db(transaction=True)
def test_engines_at_once_share_the_turns_of_a_step_evenly(
    service: Service, bob: User, carol: User, eve: User, now: datetime
) -> None:
    policy = policy_of((0, [bob, carol, eve], {"is_round_robin": True}))
    incidents = [escalating(service, now, policy) for _ in range(60)]

    in_threads(4, until_nothing_is_due)

    each = [paged(incident) for incident in incidents]
    assert Counter(name for names in each for name in names) == {"Bob": 20, "Carol": 20, "Eve": 20}
    assert {len(names) for names in each} == {1}


@pytest.mark.django_db(transaction=True)
def test_incident_that_somebody_is_acknowledging_is_not_paged(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob])))
    steps: list[int] = []

    with transaction.atomic():
        acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
        in_threads(1, lambda: steps.append(engine.run_due_steps()))
    steps.append(engine.run_due_steps())

    assert steps == [0, 0]
    assert paged(incident) == []


@pytest.mark.django_db(transaction=True)
def test_acknowledging_and_escalating_at_once_leaves_no_timer(
    service: Service, bob: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (5, [bob]))
    ids = [escalating(service, now, policy).pk for _ in range(40)]
    hands = iter([until_nothing_is_due, lambda: acknowledge_incidents(incident_ids=ids, actor=bob)])

    in_threads(2, lambda: next(hands)())

    assert not Incident.objects.exclude(status="acknowledged", escalate_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_pages_go_out_once_when_redis_is_wiped_in_the_middle(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (10, [carol]))
    incidents = [escalating(service, now, policy) for _ in range(200)]
    client = redis.Redis.from_url(settings.REDIS_URL)

    engine.run_due_steps(now=now)
    client.flushall()
    take_all(now)
    client.flushall()
    take_all(now + 10 * MINUTE)
    client.close()

    assert {tuple(paged(incident)) for incident in incidents} == {("Bob", "Carol")}


# The task


@pytest.mark.django_db(transaction=True)
def test_task_works_off_a_backlog_and_notes_the_pass(
    service: Service, bob: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "ENOUGH_SECONDS", 60)  # a slow machine is no reason to stop
    policy = policy_of((0, [bob]))
    for _ in range(150):
        escalating(service, now, policy)

    tasks.run_due_steps()

    assert not Incident.objects.filter(escalate_at__isnull=False).exists()
    noted = engine.last_pass_at()
    assert noted is not None
    assert timezone.now() - noted < timedelta(seconds=30)


@pytest.mark.django_db
@pytest.mark.parametrize("hours", [-1, 1])  # 1: noted before the clock was set back
def test_last_pass_is_unknown_before_the_first_and_renewed_by_the_next(hours: int) -> None:
    assert engine.last_pass_at() is None
    engine.record_pass()
    EnginePass.objects.update(at=timezone.now() + timedelta(hours=hours))

    engine.record_pass()

    noted = engine.last_pass_at()
    assert noted is not None
    assert abs(timezone.now() - noted) < timedelta(seconds=30)


@pytest.mark.django_db
def test_a_storm_on_one_service_does_not_hold_back_the_first_page_of_another(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]))
    for n in range(30):
        escalating(service, now - timedelta(seconds=30 - n), policy)
    quiet = escalating(ServiceFactory(), now, policy_of((0, [carol])))

    engine.run_due_steps(now=now)
    first = claim_pages(channel="email", limit=2)

    assert quiet.pk in {page.incident.id for page in first}
