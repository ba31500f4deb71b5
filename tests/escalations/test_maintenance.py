"""Maintenance and the engine: no step during it, step 1 after it."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from escalations.models import EscalationRun
from escalations.services import engine
from incidents.models import Incident, MaintenanceWindow, Service
from incidents.services.maintenance import (
    WindowValues,
    delete_maintenance,
    end_maintenance,
    schedule_maintenance,
    start_maintenance,
)
from incidents.services.maintenance_effects import follow_maintenance
from notifications.models import Notification
from opsknight.models import User
from tests.escalations.walk import MINUTE, Kind, escalating, paged, policy_of, said, take_all, timer
from tests.factories import ContactMethodFactory, NotificationRuleFactory, ServiceFactory
from tests.incidents.storms import send

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def maintain(service: Service) -> MaintenanceWindow:
    """Maintenance for an hour from now."""
    return start_maintenance(service=service, length=HOUR, reason="Upgrade", actor=None)


def test_queued_pages_go_out_and_a_new_alert_pages_nobody(
    service: Service, bob: User, carol: User, now: datetime
) -> None:  # scenario M1
    method = ContactMethodFactory(user=bob)
    for delay in (0, 10):
        NotificationRuleFactory(user=bob, contact_method=method, delay_minutes=delay)
    incident = escalating(service, now, policy_of((0, [bob]), (5, [carol])))
    take_all(now)
    queued = Notification.objects.filter(incident=incident, state="pending").count()

    maintain(service)
    send(service, "new")
    take_all(now + 30 * MINUTE)

    still = Notification.objects.filter(incident=incident, state="pending").count()
    assert queued == still > 0
    assert paged(incident) == ["Bob"]  # step 2 is not taken
    assert paged(Incident.objects.get(dedup_key="new")) == []


def test_step_1_is_paged_when_maintenance_is_ended_by_hand(
    service: Service, bob: User, carol: User, now: datetime
) -> None:  # scenario M2
    incident = escalating(service, now, policy_of((0, [bob]), (5, [carol])))
    take_all(now)
    window = maintain(service)

    end_maintenance(window=window, actor=bob)
    engine.run_due_steps()

    assert paged(incident) == ["Bob", "Bob"]
    assert EscalationRun.objects.get(incident=incident).generation == 1
    assert "Maintenance is over: the escalation starts again" in said(incident, Kind.MAINTENANCE)


def test_step_1_is_paged_when_maintenance_expires(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (5, [carol])))
    take_all(now)
    window = maintain(service)

    take_all(window.ends_at - MINUTE)
    before = paged(incident)
    take_all(window.ends_at)

    assert (before, paged(incident)) == (["Bob"], ["Bob", "Bob"])


def test_alert_of_the_maintenance_pages_step_1_after_it(
    service: Service, bob: User, carol: User
) -> None:
    service.escalation_policy = policy_of((0, [bob]), (5, [carol]))
    service.save(update_fields=["escalation_policy"])
    window = maintain(service)
    send(service, "disk")

    end_maintenance(window=window, actor=bob)
    engine.run_due_steps()

    assert paged(Incident.objects.get()) == ["Bob"]


def test_engine_takes_no_step_although_no_sweep_has_been(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob])))
    MaintenanceWindow.objects.create(
        service=service, reason="Upgrade", starts_at=now - HOUR, ends_at=now + HOUR
    )

    assert engine.run_due_steps() == 0
    follow_maintenance()

    assert paged(incident) == []
    assert timer(incident) == now + HOUR


@pytest.mark.parametrize("undo", [end_maintenance, delete_maintenance])
def test_window_to_come_leaves_escalations_alone_when_planned_and_when_called_off(
    service: Service, bob: User, carol: User, now: datetime, undo: Callable[..., object]
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (5, [carol])))
    take_all(now)
    before = timer(incident)

    values: WindowValues = {
        "reason": "Upgrade",
        "starts_at": now + HOUR,
        "ends_at": now + 2 * HOUR,
    }
    window = schedule_maintenance(service=service, values=values, actor=bob)
    between = timer(incident)
    undo(window=window, actor=bob)

    assert before == between == timer(incident)
    assert said(incident, Kind.MAINTENANCE) == []


def test_plan_of_a_suppressed_incident_says_when_it_pages(service: Service, bob: User) -> None:
    service.escalation_policy = policy_of((0, [bob]))
    service.save(update_fields=["escalation_policy"])
    maintain(service)
    send(service, "disk")
    client = Client()
    client.force_login(bob)

    address = reverse("escalations:plan_panel", args=[Incident.objects.get().pk])
    panel = client.get(address).content.decode()

    assert "Maintenance" in panel
    assert "when it is over" in panel


def test_other_services_escalate_during_maintenance(
    service: Service, bob: User, now: datetime
) -> None:
    maintain(service)
    incident = escalating(ServiceFactory(), now, policy_of((0, [bob])))

    take_all(now)

    assert paged(incident) == ["Bob"]
