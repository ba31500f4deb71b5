"""Service pages: create, edit, integrations, and the test alert that walks the whole way."""

from typing import Any

import pytest
from django.urls import reverse

from incidents.models import Alert, Delivery, Incident, Integration, Service
from opsknight.models import AuditEntry, User
from tests.factories import IncidentFactory, IntegrationFactory
from tests.incidents.cast import browser
from tests.incidents.doors import Door, knock

__all__ = ["knock"]


def test_service_is_created_with_its_audit_entry(bob: User) -> None:
    data = {"name": "Search", "description": "", "team": "", "escalation_policy": ""}

    response = browser(bob).post(reverse("incidents:service_new"), data)

    service = Service.objects.get(name="Search")
    assert response["Location"] == reverse("incidents:service", args=[service.pk])
    assert AuditEntry.objects.filter(action="service.created", actor=bob).count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "Checkout"),
        ("name", "x" * 201),
        ("team", "999"),
        ("escalation_policy", "999"),
    ],
)
def test_wrong_field_of_a_service_is_named(
    bob: User, checkout: Service, field: str, value: str
) -> None:
    data = {"name": "Search", "description": "", "team": "", "escalation_policy": ""}

    response = browser(bob).post(reverse("incidents:service_new"), data | {field: value})

    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert not Service.objects.filter(name="Search").exists()


def test_team_edits_its_own_service(carol: User, checkout: Service) -> None:
    data = {
        "name": "Checkout 2",
        "description": "",
        "team": str(checkout.team_id),
        "escalation_policy": "",
    }

    browser(carol).post(reverse("incidents:service_edit", args=[checkout.pk]), data)

    checkout.refresh_from_db()
    entry = AuditEntry.objects.get(action="service.updated")
    assert checkout.name == "Checkout 2"
    assert entry.changes == {"name": ["Checkout", "Checkout 2"]}


def test_new_integration_leads_to_its_page_with_address_and_key(
    carol: User, checkout: Service
) -> None:
    response: Any = browser(carol).post(
        reverse("incidents:integration_create", args=[checkout.pk]),
        {"kind": "grafana", "name": "New"},
        follow=True,
    )

    integration = checkout.integrations.get()
    page = reverse("incidents:integration", args=[integration.pk])
    assert response.redirect_chain == [(page, 302)]
    assert f"/api/integrations/grafana/{integration.key}" in response.content.decode()


def test_integration_of_an_unknown_kind_is_refused_in_the_form(
    bob: User, checkout: Service
) -> None:
    response = browser(bob).post(
        reverse("incidents:integration_create", args=[checkout.pk]), {"kind": "fax", "name": ""}
    )

    assert response.status_code == 422
    assert set(response.context["form"].errors) == {"kind", "name"}


def test_disabling_twice_disables_once(bob: User, checkout: Service) -> None:
    integration = IntegrationFactory(service=checkout)
    client = browser(bob)
    address = reverse("incidents:integration_toggle", args=[integration.pk])

    client.post(address, {"enabled": "false"})
    client.post(address, {"enabled": "false"})

    integration.refresh_from_db()
    assert integration.enabled is False
    assert AuditEntry.objects.filter(action="integration.updated").count() == 1


def test_rotating_gives_a_new_key_after_asking(bob: User, checkout: Service) -> None:
    integration = IntegrationFactory(service=checkout)
    old = integration.key
    client = browser(bob)
    address = reverse("incidents:integration_rotate", args=[integration.pk])

    question = client.get(address).content.decode()
    client.post(address)

    integration.refresh_from_db()
    assert "stops working" in question
    assert integration.key != old


def test_deleting_an_integration_keeps_its_incidents(bob: User, checkout: Service) -> None:
    integration = IntegrationFactory(service=checkout)
    IncidentFactory(service=checkout)

    browser(bob).post(reverse("incidents:integration_delete", args=[integration.pk]))

    assert not Integration.objects.exists()
    assert Incident.objects.exists()


def test_name_of_an_integration_is_no_markup(bob: User, checkout: Service) -> None:
    IntegrationFactory(service=checkout, name="<script>alert(1)</script>")

    text = browser(bob).get(reverse("incidents:service", args=[checkout.pk])).content.decode()

    assert "<script>alert(1)" not in text


# --- The test alert: through the committer's own thread and connection --------------------------


@pytest.mark.parametrize("kind", Integration.Kind.values)
def test_test_alert_opens_an_incident_and_shows_it(
    knock: Door, bob: User, checkout: Service, kind: str
) -> None:
    integration = IntegrationFactory(service=checkout, kind=kind)

    response = browser(bob).post(
        reverse("incidents:send_test_alert", args=[integration.pk]), follow=True
    )

    incident = Incident.objects.get()
    assert response.redirect_chain == [(reverse("incidents:detail", args=[incident.pk]), 302)]
    assert incident.escalate_at is not None
    assert Alert.objects.get().incident == incident
    assert "test" in incident.title.lower()
    assert Delivery.objects.get().via == "simulator"
    assert AuditEntry.objects.filter(action="integration.test_alert_sent", actor=bob).exists()


def test_test_alert_of_a_disabled_integration_says_what_to_do(
    knock: Door, bob: User, checkout: Service
) -> None:
    integration = IntegrationFactory(service=checkout, enabled=False)

    response: Any = browser(bob).post(reverse("incidents:send_test_alert", args=[integration.pk]))

    assert response.status_code == 409
    assert "Enable it" in response.content.decode()
    assert not Incident.objects.exists()
