"""The auditor, and the outward heartbeat."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from escalations.models import EngineAudit, EnginePass, EscalationRun, OnCallSettings
from escalations.services import engine
from escalations.services.auditor import audit_engine
from escalations.services.outward_heartbeat import tell_outside, why_unhealthy
from incidents.models import Incident, MaintenanceWindow, Service
from incidents.services.lifecycle import acknowledge_incidents
from opsknight.models import User
from tests.escalations.walk import MINUTE, Kind, escalating, paged, policy_of, said, take_all, timer
from tests.factories import MaintenanceWindowFactory, NotificationFactory
from tests.pages_server import Content, PagesServer, running_pages_server

pytestmark = pytest.mark.django_db


def forget(incident: Incident, **fields: object) -> None:
    """As if a bug had written it a while ago."""
    Incident.objects.filter(pk=incident.pk).update(
        escalate_at=None, updated_at=timezone.now() - MINUTE, **fields
    )


def audited() -> EngineAudit:
    audit_engine()
    return EngineAudit.objects.get()


def test_lost_timer_is_found_and_the_escalation_goes_on_where_it_stood(
    service: Service, bob: User, carol: User, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (30, [carol])))
    take_all(now)
    forget(incident)

    found = audited()
    engine.run_due_steps()

    assert (found.repaired, found.repaired_total) == (1, 1)
    assert paged(incident) == ["Bob", "Carol"]
    assert said(incident, Kind.ESCALATION_MOVED) == [
        "The escalation stood still: its timer was lost; started again"
    ]
    assert f"incident {incident.pk} stood still" in caplog.text


def test_incident_that_never_began_is_started(service: Service, bob: User, now: datetime) -> None:
    incident = escalating(service, now, policy_of((0, [bob])))
    forget(incident)

    audit_engine()
    engine.run_due_steps()

    assert paged(incident) == ["Bob"]


def test_end_without_anybody_reached_and_without_fallback_pages_the_fallback(
    service: Service, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [])))
    take_all(now)
    EscalationRun.objects.update(has_fallen_back=False)
    forget(incident)

    audit_engine()
    engine.run_due_steps()

    assert paged(incident) == ["Carol", "Carol"]
    assert timer(incident) is None


def test_timer_that_a_wrong_clock_set_far_ahead_is_found(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (30, [carol])))
    take_all(now)
    far = now + timedelta(days=400)
    EscalationRun.objects.update(next_at=far)
    Incident.objects.update(escalate_at=far, updated_at=now - MINUTE)

    audit_engine()
    engine.run_due_steps()

    assert paged(incident) == ["Bob", "Carol"]


def test_what_is_in_order_is_left_alone(service: Service, bob: User, now: datetime) -> None:
    running = escalating(service, now, policy_of((0, [bob]), (30, [bob])))
    ended = escalating(service, now, policy_of((0, [bob])))
    taken = escalating(service, now)
    take_all(now)
    acknowledge_incidents(incident_ids=[taken.pk], actor=bob)
    Incident.objects.update(updated_at=now - MINUTE)
    before = timer(running), timer(ended)

    found = audited()

    assert (found.repaired, found.overdue) == (0, 0)
    assert before == (timer(running), timer(ended))


def test_late_incidents_are_counted_and_their_lateness_is_kept(
    service: Service, bob: User, now: datetime
) -> None:
    due = now - 5 * MINUTE
    incident = escalating(service, due, policy_of((0, [bob])))

    found = audited()

    assert (found.overdue, found.repaired) == (1, 0)
    assert timer(incident) == due


def test_step_that_failed_counts_until_it_is_taken(
    service: Service, bob: User, now: datetime
) -> None:
    escalating(service, now, policy_of((0, []), (0, [bob])))
    engine.run_due_steps(now=now)
    steps = EscalationRun.objects.get().steps
    EscalationRun.objects.update(steps=[{"no": "delay"}] * 2)
    engine.run_due_steps(now=now)

    failed = audited().overdue
    EscalationRun.objects.update(steps=steps)
    engine.run_due_steps(now=now + MINUTE)

    assert (failed, audited().overdue) == (1, 0)


def test_maintenance_is_not_lateness(service: Service, bob: User, now: datetime) -> None:
    escalating(service, now - 5 * MINUTE, policy_of((0, [bob])))
    MaintenanceWindowFactory(service=service)

    assert audited().overdue == 0
    assert MaintenanceWindow.objects.exists()


def test_pages_that_no_worker_takes_are_counted(now: datetime) -> None:
    NotificationFactory(due_at=now - 5 * MINUTE)

    assert audited().late_pages == 1


# The outward heartbeat


@pytest.fixture
def healthy(db: None) -> None:
    """The engine passed, and was looked after."""
    engine.record_pass()
    audit_engine()


@pytest.fixture
def monitor(settings: Settings) -> Iterator[PagesServer]:
    """A monitor elsewhere whose address is set."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    with running_pages_server() as server:
        server.pages["/ping"] = Content()
        url = server.url("/ping")
        OnCallSettings.objects.create(heartbeat_url=url, heartbeat_seconds=60)
        yield server


def next_time() -> None:
    """The next heartbeat is due."""
    EngineAudit.objects.update(heartbeat_due_at=None)


def test_heartbeat_is_sent_once_in_its_time_while_all_is_well(
    healthy: None, monitor: PagesServer
) -> None:
    told = [tell_outside(), tell_outside()]
    next_time()
    told.append(tell_outside())

    assert told == [True, False, True]
    assert [path for path, _ in monitor.asked] == ["/ping"] * 2
    assert EngineAudit.objects.get().heartbeat_at is not None


def test_heartbeat_is_withheld_while_something_is_wrong(
    healthy: None, monitor: PagesServer
) -> None:
    EngineAudit.objects.update(overdue=1)

    assert not tell_outside()

    assert monitor.asked == []
    assert "1 incidents are overdue" in EngineAudit.objects.get().heartbeat_error


@pytest.mark.parametrize("status", [404, 500, 302])
def test_answer_other_than_success_is_noted_and_tried_again_soon(
    status: int, healthy: None, monitor: PagesServer, now: datetime
) -> None:
    monitor.pages["/ping"].status = status

    assert not tell_outside()

    row = EngineAudit.objects.get()
    assert row.heartbeat_error
    assert row.heartbeat_due_at is not None
    assert row.heartbeat_due_at < now + MINUTE


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/", "No answer"),
        ("ftp://example.com/", "No answer"),
        ("http://[::1/", "No answer"),
    ],
)
def test_address_that_cannot_be_reached_is_noted(
    url: str, reason: str, healthy: None, settings: Settings
) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = True
    OnCallSettings.objects.create(heartbeat_url=url)

    assert not tell_outside()

    assert reason in EngineAudit.objects.get().heartbeat_error


def test_private_network_is_out_of_bounds(healthy: None) -> None:
    OnCallSettings.objects.create(heartbeat_url="http://127.0.0.1:1/")

    assert not tell_outside()

    assert "private network" in EngineAudit.objects.get().heartbeat_error


def test_nothing_is_asked_for_without_an_address(healthy: None) -> None:
    assert not tell_outside()


def test_t8_engine_that_stands_is_unhealthy(healthy: None, now: datetime) -> None:
    assert why_unhealthy() == ""

    EnginePass.objects.update(at=now - 2 * MINUTE)

    assert "has not passed" in why_unhealthy()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"overdue": 3}, "3 incidents are overdue"),
        ({"repaired": 1}, "had stood still"),
        ({"late_pages": 2}, "2 pages wait"),
        ({"at": timezone.now() - timedelta(hours=1)}, "Nobody has looked"),
    ],
)
def test_what_the_auditor_found_is_unhealthy(
    healthy: None, fields: dict[str, object], reason: str
) -> None:
    EngineAudit.objects.update(**fields)

    assert reason in why_unhealthy()
