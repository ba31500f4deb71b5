"""What the tests of Amazon SNS share: the stand-in, an integration, and asking the door."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from incidents.intake.sns_client import shared_certificates
from incidents.models import Delivery, Incident, Integration, Service
from tests.incidents.amazon import Amazon, running_amazon
from tests.incidents.doors import Door


@pytest.fixture
def amazon(settings: Settings) -> Iterator[Amazon]:
    """The stand-in, which the product is told to believe."""
    shared_certificates.cache_clear()
    with running_amazon() as amazon:
        settings.SNS_ENDPOINT = amazon.origin
        yield amazon
    shared_certificates.cache_clear()


@pytest.fixture
def cloudwatch(transactional_db: None) -> Integration:
    service = Service.objects.create(name="Checkout")
    return Integration.objects.create(
        service=service, name="AWS", kind="cloudwatch", signature_required=True
    )


def send(door: Door, integration: Integration, message: Any, **headers: str) -> Any:
    address = f"/api/integrations/cloudwatch/{integration.key}"
    plain = {"content-type": "text/plain; charset=UTF-8"}
    return door.post(address, content=json.dumps(message).encode(), **plain, **headers)


def refusal(response: Any) -> str:
    assert response.status_code == 401, response.text
    assert not Incident.objects.exists()
    delivery = Delivery.objects.get()
    assert delivery.verdict == "refused"
    assert delivery.reason == response.json()["error"]["message"]
    return delivery.reason


def ignored(response: Any) -> str:
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "ignored"
    delivery = Delivery.objects.get()
    assert delivery.verdict == "ignored"
    return delivery.reason


def ago(**values: float) -> str:
    return f"{datetime.now(UTC) - timedelta(**values):%Y-%m-%dT%H:%M:%S.000Z}"
