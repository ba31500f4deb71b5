"""Services and integrations."""

from typing import Any

import pytest
from django.test import Client

from incidents.models import Incident, Integration, Service
from incidents.services.catalog import update_service
from opsknight.errors import NotFound
from opsknight.models import ApiKey, AuditEntry, Team
from tests.api.asking import Asker, code_of, fields_of
from tests.factories import (
    IncidentFactory,
    IntegrationFactory,
    PolicyFactory,
    ServiceFactory,
    TeamFactory,
)


def test_service_is_created_with_what_was_sent(bob: Asker, team: Team) -> None:
    policy = PolicyFactory()
    body = {
        "name": "Checkout",
        "description": "Takes the money",
        "team": team.pk,
        "escalation_policy": policy.pk,
    }

    response = bob.post("services", body)

    answered = response.json()
    assert response.status_code == 201
    assert body.items() <= answered.items()
    assert bob.get(f"services/{answered['id']}").json() == answered


def test_slash_at_the_end_makes_no_difference(bob: Asker) -> None:
    response = bob.post("services/", {"name": "API"})

    assert response.status_code == 201
    assert bob.get(f"services/{response.json()['id']}/").status_code == 200


def test_service_keeps_what_a_change_leaves_out(bob: Asker, service: Service, team: Team) -> None:
    response = bob.patch(f"services/{service.pk}", {"description": "New"})

    assert response.json()["description"] == "New"
    assert response.json()["team"] == team.pk


def test_team_of_a_service_is_taken_away_by_null(bob: Asker, service: Service) -> None:
    response = bob.patch(f"services/{service.pk}", {"team": None})

    assert response.json()["team"] is None


def test_change_of_a_service_is_audited(bob: Asker, service: Service) -> None:
    other = TeamFactory(name="Platform")

    bob.patch(f"services/{service.pk}", {"name": "Till", "team": other.pk})

    entry = AuditEntry.objects.get(action="service.updated")
    assert entry.actor == bob.user
    assert entry.ip == "127.0.0.1"
    assert entry.changes == {"name": ["Checkout", "Till"], "team": ["Payments", "Platform"]}


def test_change_without_a_difference_is_not_audited(bob: Asker, service: Service) -> None:
    bob.patch(f"services/{service.pk}", {"name": service.name})

    assert not AuditEntry.objects.filter(action="service.updated").exists()


def test_service_deleted_meanwhile_is_not_found(service: Service) -> None:
    Service.objects.filter(pk=service.pk).delete()

    with pytest.raises(NotFound, match="deleted meanwhile"):
        update_service(service=service, values={"name": "Till"}, actor=None)


def test_service_with_open_incidents_is_not_deleted(alice: Asker, service: Service) -> None:
    IncidentFactory(service=service)

    response = alice.delete(f"services/{service.pk}")

    assert (response.status_code, code_of(response)) == (409, "conflict")
    assert Service.objects.filter(pk=service.pk).exists()


def test_service_is_deleted_with_its_history(alice: Asker, service: Service) -> None:
    IncidentFactory(service=service, status=Incident.Status.RESOLVED)
    IntegrationFactory(service=service)

    response = alice.delete(f"services/{service.pk}")

    assert (response.status_code, response.content) == (204, b"")
    assert not Incident.objects.exists()
    assert AuditEntry.objects.get(action="service.deleted").entity_label == "Checkout"


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("events", "/api/events"),
        ("pagerduty", "/v2/enqueue"),
        ("prometheus", "/api/integrations/prometheus/{key}"),
        ("webhook", "/api/integrations/webhook/{key}"),
    ],
)
def test_integration_answers_its_key_and_address(
    bob: Asker, service: Service, settings: Any, kind: str, path: str
) -> None:
    settings.PUBLIC_URL = "https://ops.example.com"

    response = bob.post("integrations", {"service": service.pk, "kind": kind, "name": "New"})

    answered = response.json()
    assert response.status_code == 201
    assert len(answered["key"]) == 32
    assert answered["url"] == "https://ops.example.com" + path.format(key=answered["key"])
    assert answered["enabled"] is True


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "fax"}, "kind"),
        ({"kind": None}, "kind"),
        ({"service": 999}, "service"),
        ({"service": "checkout"}, "service"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
    ],
)
def test_wrong_integration_names_its_field(
    bob: Asker, service: Service, body: dict[str, Any], field: str
) -> None:
    response = bob.post(
        "integrations", {"service": service.pk, "kind": "events", "name": "New", **body}
    )

    assert set(fields_of(response)) == {field}
    assert not Integration.objects.exists()


def test_integration_is_renamed_and_disabled(bob: Asker) -> None:
    integration = IntegrationFactory()

    response = bob.patch(f"integrations/{integration.pk}", {"name": "Old", "enabled": False})

    integration.refresh_from_db()
    assert response.json()["enabled"] is False
    assert (integration.name, integration.enabled) == ("Old", False)


def test_integration_cannot_be_moved_to_another_service(carol: Asker, service: Service) -> None:
    integration = IntegrationFactory(service=service)

    carol.patch(f"integrations/{integration.pk}", {"service": ServiceFactory().pk, "kind": "x"})

    integration.refresh_from_db()
    assert (integration.service, integration.kind) == (service, "events")


def test_rotation_gives_a_new_key_that_the_audit_does_not_show(bob: Asker) -> None:
    integration = IntegrationFactory()
    old = integration.key

    response = bob.post(f"integrations/{integration.pk}/rotate-key")

    integration.refresh_from_db()
    entry = AuditEntry.objects.get(action="integration.key_rotated")
    assert response.json()["key"] == integration.key != old
    assert entry.changes == {"key": ["•••", "•••"]}


def test_reading_key_does_not_see_the_keys_of_integrations(bob: Asker) -> None:
    integration = IntegrationFactory(kind="webhook")
    reader = Asker(bob.user, [ApiKey.Scope.SERVICES_READ])

    one = reader.get(f"integrations/{integration.pk}").json()
    many = reader.get("integrations").json()["results"]

    assert (one["key"], one["url"]) == (None, None)
    assert integration.key not in str(many)


def test_session_sees_the_keys_of_integrations(client: Client, bob: Asker) -> None:
    integration = IntegrationFactory()
    client.force_login(bob.user)

    response = client.get(f"/api/v1/integrations/{integration.pk}")

    assert response.json()["key"] == integration.key
