"""Integrations in Django's admin: what stays as it was made."""

from django.urls import reverse

from incidents.models import Integration, Service
from opsknight.models import User
from tests.factories import IntegrationFactory
from tests.incidents.cast import browser


def test_kind_of_an_integration_stays_what_it_was(alice: User, checkout: Service) -> None:
    # Its key, secrets and the duty to sign were made for that kind.
    made = IntegrationFactory(service=checkout, kind="github", signature_required=True)
    data = {"service": checkout.pk, "name": "Renamed", "kind": "webhook", "enabled": "on"}

    address = reverse("admin:incidents_integration_change", args=[made.pk])
    response = browser(alice).post(address, data)

    assert response.status_code == 302
    assert Integration.objects.values_list("name", "kind").get() == ("Renamed", "github")


def test_kind_stays_on_the_page_of_the_service_too(alice: User, checkout: Service) -> None:
    made = IntegrationFactory(service=checkout, kind="github", signature_required=True)
    data = {
        "name": checkout.name,
        "description": "",
        "team": checkout.team_id,
        "escalation_policy": "",
        "storm_threshold": checkout.storm_threshold,
        "flapping_openings": checkout.flapping_openings,
        "flapping_minutes": checkout.flapping_minutes,
        "integrations-TOTAL_FORMS": "2",
        "integrations-INITIAL_FORMS": "1",
        "integrations-0-id": made.pk,
        "integrations-0-service": checkout.pk,
        "integrations-0-name": "Renamed",
        "integrations-0-kind": "webhook",
        "integrations-0-enabled": "on",
        "integrations-1-service": checkout.pk,
        "integrations-1-name": "New",
        "integrations-1-kind": "webhook",
        "integrations-1-enabled": "on",
    }

    address = reverse("admin:incidents_service_change", args=[checkout.pk])
    response = browser(alice).post(address, data)

    assert response.status_code == 302
    kinds = dict(Integration.objects.values_list("name", "kind"))
    assert kinds == {"Renamed": "github", "New": "webhook"}
