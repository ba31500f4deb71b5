"""When what a step paged failed for good, nobody waits for the delay of what comes next."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from escalations.models import EscalationRun
from escalations.services import engine
from incidents.models import Incident, Service
from incidents.services.lifecycle import acknowledge_incidents
from notifications.models import Destination, Notification
from notifications.services.delivery import deliver_due
from notifications.services.destinations import delete_destination
from notifications.uses import uses_of
from opsknight.errors import Conflict
from opsknight.models import User
from tests.escalations.walk import Kind, escalating, paged, policy_of, said, timer
from tests.factories import DestinationFactory, PolicyFactory, ServiceFactory, TeamFactory
from tests.notifications.providers import Endpoint, running_endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint(settings: Settings) -> Iterator[Endpoint]:
    """A receiver that is gone for good."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    with running_endpoint() as endpoint:
        endpoint.answers = [410]
        yield endpoint


@pytest.fixture
def board(endpoint: Endpoint) -> Destination:
    return DestinationFactory(name="Board", address=endpoint.url)


@pytest.fixture
def service(carol: User) -> Service:
    return ServiceFactory(team=TeamFactory(name="Payments", members=[carol]))


def escalate_and_send(incident: Incident) -> None:
    engine.run_due_steps()
    deliver_due(channel="webhook")


def test_t4_the_next_step_follows_at_once(service: Service, board: Destination, bob: User):
    incident = escalating(service, timezone.now(), policy_of((0, [board]), (30, [bob])))

    escalate_and_send(incident)
    engine.run_due_steps()

    assert paged(incident) == ["Bob"]
    assert said(incident, Kind.PAGE_FAILED) == [
        "Page to Board by webhook failed: Answered 410. No other way is left.",
        "Nobody was reached: what comes next follows now",
    ]
    run = EscalationRun.objects.get()
    assert run.generation == 0


def test_before_a_step_that_may_hold_for_ever_the_fallback_is_paged(
    service: Service, board: Destination, bob: User
):
    condition = {"condition_alerts": 3, "condition_minutes": 10}
    policy = policy_of((0, [board]), (30, [bob], condition))
    incident = escalating(service, timezone.now(), policy)

    escalate_and_send(incident)

    assert paged(incident) == ["Carol"]


def test_with_somebody_else_on_the_step_the_delay_stays(
    service: Service, board: Destination, alice: User, bob: User
):
    incident = escalating(service, timezone.now(), policy_of((0, [board, alice]), (30, [bob])))

    escalate_and_send(incident)
    engine.run_due_steps()

    assert paged(incident) == ["Alice"]
    due = timer(incident)
    assert due is not None
    assert due > timezone.now() + timedelta(minutes=29)


def test_at_the_end_of_the_policy_the_fallback_is_paged(
    service: Service, board: Destination, carol: User
):
    incident = escalating(service, timezone.now(), policy_of((0, [board])))

    escalate_and_send(incident)

    assert paged(incident) == ["Carol"]
    assert EscalationRun.objects.get().has_fallen_back


def test_at_the_end_of_a_round_the_wait_stays_and_the_fallback_is_paged_once(
    service: Service, endpoint: Endpoint, board: Destination, carol: User
):
    endpoint.answers = [400, 400]
    policy = policy_of((0, [board]), repeat_times=1, repeat_after_minutes=10)
    incident = escalating(service, timezone.now(), policy)

    escalate_and_send(incident)
    first = timer(incident)
    assert first is not None
    engine.run_due_steps(now=first)
    Notification.objects.filter(state="pending").update(due_at=timezone.now())
    deliver_due(channel="webhook")

    assert first > timezone.now() + timedelta(minutes=9)
    assert len(endpoint.requests) == 2
    assert paged(incident) == ["Carol"]


def test_a_failure_after_somebody_acknowledged_changes_nothing(
    service: Service, board: Destination, bob: User
):
    incident = escalating(service, timezone.now(), policy_of((0, [board]), (30, [bob])))
    engine.run_due_steps()
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    deliver_due(channel="webhook")

    assert timer(incident) is None
    assert paged(incident) == []


def test_a_policy_keeps_its_destination_from_being_deleted(board: Destination, alice: User):
    policy = PolicyFactory(name="Night", steps=[(0, [board]), (5, [board])])

    assert [(use.name, use.url) for use in uses_of(board)] == [
        ("the policy Night", f"/policies/{policy.pk}/")
    ]
    with pytest.raises(Conflict, match="is paged by the policy Night"):
        delete_destination(destination=board, actor=alice)
