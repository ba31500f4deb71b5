"""Trying out a policy, and escalating by hand."""

from typing import Any

import pytest
from django.utils import timezone

from escalations.services import engine
from incidents.models import Service
from notifications.models import Notification
from opsknight.models import Team
from tests.api.asking import Asker, fields_of
from tests.factories import IncidentFactory, PolicyFactory, ScheduleFactory


@pytest.fixture
def body(carol: Asker, team: Team) -> dict[str, Any]:
    """A policy with two steps."""
    schedule = ScheduleFactory(members=[carol.user])
    second = [{"type": "user", "id": carol.user.pk}, {"type": "team", "id": team.pk}]
    return {
        "name": "Critical",
        "repeat_after_minutes": 10,
        "steps": [
            {"targets": [{"type": "schedule", "id": schedule.pk}]},
            {"delay_minutes": 5, "targets": second},
        ],
    }


# Trying it out


def test_dry_run_says_who_would_be_paged_when(
    alice: Asker, carol: Asker, body: dict[str, Any]
) -> None:
    body |= {"repeat_times": 0, "fallback_user": alice.user.pk, "resolve_after_minutes": 60}
    pk = alice.post("escalation-policies", body).json()["id"]
    asked = {"at": "2030-01-01T12:00:00Z"}

    moments = carol.post(f"escalation-policies/{pk}/dry-run", asked).json()["moments"]

    assert [(m["at"], m["kind"], m["step"]) for m in moments] == [
        ("2030-01-01T12:00:00Z", "step", 1),
        ("2030-01-01T12:05:00Z", "step", 2),
        ("2030-01-01T12:15:00Z", "fallback", None),
        ("2030-01-01T13:15:00Z", "resolve", None),
    ]
    assert moments[2]["pages"][0] | {"ways": None} == {
        "type": "user",
        "id": alice.user.pk,
        "name": "Alice",
        "why": "",
        "ways": None,
    }
    assert moments[0]["pages"][0]["ways"] == [
        {"channel": "email", "wait_minutes": 0, "held_until": None}
    ]


def test_dry_run_pages_nobody(alice: Asker, body: dict[str, Any]) -> None:
    pk = alice.post("escalation-policies", body).json()["id"]

    alice.post(f"escalation-policies/{pk}/dry-run", {})

    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"at": "tomorrow"}, "at"),
        ({"at": "9999-12-31T23:59:59Z"}, "at"),
        ({"urgency": "huge"}, "urgency"),
    ],
)
def test_dry_run_names_what_is_wrong_with_the_question(
    alice: Asker, body: dict[str, Any], asked: dict[str, Any], field: str
) -> None:
    pk = alice.post("escalation-policies", body).json()["id"]

    response = alice.post(f"escalation-policies/{pk}/dry-run", asked)

    assert list(fields_of(response)) == [field]


# Escalating an incident


def test_incident_is_escalated_to_a_chosen_step(alice: Asker, bob: Asker, service: Service) -> None:
    service.escalation_policy = PolicyFactory(steps=[(0, [bob.user]), (60, [alice.user])])
    service.save(update_fields=["escalation_policy"])
    incident = IncidentFactory(service=service, escalate_at=timezone.now())
    engine.run_due_steps()
    bob.post(f"incidents/{incident.pk}/acknowledge", {})

    response = bob.post(f"incidents/{incident.pk}/escalate", {"step": 2})
    engine.run_due_steps()

    assert (response.status_code, response.json()["status"]) == (200, "triggered")
    paged = Notification.objects.filter(channel="in_app").values_list("user", flat=True)
    assert list(paged.order_by("id")) == [bob.user.pk, alice.user.pk]


@pytest.mark.parametrize("step", [0, 3, "first", 10**30])
def test_step_that_does_not_exist_is_named(alice: Asker, service: Service, step: object) -> None:
    service.escalation_policy = PolicyFactory(steps=[(0, [alice.user]), (5, [alice.user])])
    service.save(update_fields=["escalation_policy"])
    incident = IncidentFactory(service=service)

    response = alice.post(f"incidents/{incident.pk}/escalate", {"step": step})

    assert (response.status_code, list(fields_of(response))) == (400, ["step"])
