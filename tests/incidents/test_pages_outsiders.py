"""Every page below an integration, a service's maintenance and a storm: for outsiders.

The addresses are read from the app, so that a new page is asked for, too.
"""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from incidents.models import (
    Delivery,
    Heartbeat,
    Incident,
    Integration,
    MaintenanceWindow,
    Service,
)
from incidents.web.urls import urlpatterns
from opsknight.models import AuditEntry, User
from tests.factories import DeliveryFactory, IntegrationFactory
from tests.incidents.cast import browser

OF_INTEGRATIONS = sorted(
    str(p.name) for p in urlpatterns if str(p.pattern).startswith("integrations/")
)
OF_MAINTENANCE = ["maintenance_start", "maintenance_plan", "maintenance_end"]


@pytest.fixture
def hook(checkout: Service) -> Integration:
    made: Integration = IntegrationFactory(
        service=checkout, kind="heartbeat", name="Backup", signing_secret="s3cr3t-of-checkout"
    )
    Heartbeat.objects.create(integration=made)
    return made


@pytest.fixture
def delivery(hook: Integration) -> Delivery:
    made: Delivery = DeliveryFactory(integration=hook, kind="heartbeat", body=b"Card data")
    return made


def address_of(name: str, *ids: Any) -> str:
    """The address, with as many of the ids as it takes."""
    try:
        return reverse(f"incidents:{name}", args=ids)
    except NoReverseMatch:
        return reverse(f"incidents:{name}", args=ids[:1])


def left_traces() -> tuple[int, ...]:
    """What a request could have left behind."""
    return (
        Delivery.objects.count(),
        Incident.objects.count(),
        AuditEntry.objects.count(),
        MaintenanceWindow.objects.filter(ended_at=None).count(),
    )


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", OF_INTEGRATIONS)
def test_pages_of_integrations_are_not_found_by_outsiders(
    eve: User, hook: Integration, delivery: Delivery, name: str, method: str
) -> None:
    before, integration = left_traces(), Integration.objects.values().get()
    address = address_of(name, hook.pk, delivery.pk)

    answer = getattr(browser(eve), method)(address, {"do": "send", "body": "{}", "enabled": "1"})

    assert answer.status_code in (404, 405)
    assert not {"Backup", hook.key, "Card data"} & set(answer.content.decode().split('"'))
    assert left_traces() == before
    assert Integration.objects.values().get() == integration


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", OF_INTEGRATIONS)
def test_pages_of_integrations_lead_strangers_to_the_login(
    client: Client, hook: Integration, delivery: Delivery, name: str, method: str
) -> None:
    there = getattr(client, method)(address_of(name, hook.pk, delivery.pk))
    not_there = getattr(client, method)(address_of(name, hook.pk + 1, uuid4()))

    assert there.status_code == not_there.status_code == 302
    assert there["Location"].startswith("/login/")


@pytest.mark.parametrize("name", OF_INTEGRATIONS)
def test_pages_of_integrations_take_no_form_from_elsewhere(
    carol: User, hook: Integration, delivery: Delivery, name: str
) -> None:
    before = left_traces()

    answer = browser(carol, enforces_csrf=True).post(address_of(name, hook.pk, delivery.pk))

    assert answer.status_code in (403, 405)
    assert left_traces() == before


@pytest.mark.parametrize("name", OF_INTEGRATIONS)
def test_pages_of_integrations_open_to_the_team(
    carol: User, hook: Integration, delivery: Delivery, name: str
) -> None:
    answer = browser(carol).get(address_of(name, hook.pk, delivery.pk))

    assert answer.status_code in (200, 405)


@pytest.mark.parametrize("name", OF_MAINTENANCE)
def test_maintenance_is_seen_and_not_changed_by_outsiders(
    eve: User, checkout: Service, name: str
) -> None:
    now = timezone.now()
    window = MaintenanceWindow.objects.create(
        service=checkout, reason="New disks", starts_at=now, ends_at=now + timedelta(days=1)
    )
    before = left_traces()
    pk = window.pk if name == "maintenance_end" else checkout.pk

    answer = browser(eve).post(address_of(name, pk), {"reason": "Quiet", "minutes": "60"})

    assert answer.status_code == 403
    assert left_traces() == before


def test_alerts_of_a_private_storm_are_not_found_by_outsiders(
    bob: User, eve: User, secret: Incident
) -> None:
    Incident.objects.filter(pk=secret.pk).update(is_storm=True)

    codes = [
        browser(user).get(address_of("storm_alerts", secret.pk)).status_code for user in (bob, eve)
    ]

    assert codes == [404, 404]
