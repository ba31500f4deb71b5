"""The page of one integration: its shell, tabs, set-up guide, and its line on the service page."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents.models import Delivery, Integration, Service
from opsknight.models import User
from tests.factories import IntegrationFactory
from tests.incidents.cast import browser


@pytest.fixture
def grafana(checkout: Service) -> Integration:
    """An integration of Checkout: configured by responders and Payments."""
    return IntegrationFactory(service=checkout, name="Grafana Vienna", kind="grafana")


def test_integration_leads_back_to_its_service_and_says_what_it_is(
    carol: User, grafana: Integration
) -> None:
    address = reverse("incidents:integration", args=[grafana.pk])

    text = browser(carol).get(address).content.decode()

    assert "Grafana Vienna" in text
    assert reverse("incidents:service", args=[grafana.service_id]) in text
    assert "Disabled" not in text


def test_disabled_integration_says_so(carol: User, grafana: Integration) -> None:
    Integration.objects.update(enabled=False)

    text = browser(carol).get(reverse("incidents:integration", args=[grafana.pk])).content.decode()

    assert "Disabled" in text
    assert "Send test alert" not in text


def test_tabs_lead_only_to_pages_that_exist(carol: User, grafana: Integration) -> None:
    client = browser(carol)
    page = client.get(reverse("incidents:integration", args=[grafana.pk]))

    tabs = page.content.decode().partition('<nav class="tabs"')[2].partition("</nav>")[0]
    addresses = [part.partition('"')[0] for part in tabs.split('href="')[1:]]

    assert addresses[0] == reverse("incidents:integration", args=[grafana.pk])
    assert [client.get(address).status_code for address in addresses] == [200] * len(addresses)
    assert tabs.count('aria-current="page"') == 1


def test_stranger_finds_no_integration(eve: User, grafana: Integration) -> None:
    response = browser(eve).get(reverse("incidents:integration", args=[grafana.pk]))

    assert response.status_code == 404
    assert "Grafana Vienna" not in response.content.decode()


def test_service_page_shows_the_last_delivery_of_each_integration(
    carol: User, checkout: Service, grafana: Integration
) -> None:
    IntegrationFactory(service=checkout, name="Never heard of")
    for verdict in ("accepted", "invalid"):
        Delivery.objects.create(integration=grafana, kind="grafana", verdict=verdict)

    text = browser(carol).get(reverse("incidents:service", args=[checkout.pk])).content.decode()

    assert "Not understood" in text
    assert "Accepted" not in text
    assert text.count("nothing yet") == 1


def test_service_page_costs_as_many_queries_with_ten_integrations(
    carol: User, checkout: Service, grafana: Integration
) -> None:
    client = browser(carol)
    address = reverse("incidents:service", args=[checkout.pk])
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    IntegrationFactory.create_batch(9, service=checkout)

    with CaptureQueriesContext(connection) as many:
        client.get(address)

    assert len(many) == len(few)


@pytest.mark.parametrize(("port", "is_said"), [(0, True), (2525, False)])
def test_mail_integration_says_that_no_mail_is_taken(
    carol: User, checkout: Service, settings: Any, port: int, is_said: bool
) -> None:
    settings.MAIL_PORT = port
    integration = IntegrationFactory(service=checkout, kind="email")

    page = browser(carol).get(reverse("incidents:integration", args=[integration.pk]))

    assert ("takes no mail yet" in page.content.decode()) is is_said
