"""How much the group committer puts into one transaction."""

from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from incidents.intake import committer as committing
from incidents.intake.committer import GroupCommitter
from incidents.models import Delivery, Integration
from incidents.models.delivery import new_delivery_id
from incidents.services.delivery_records import DeliveryRecord
from tests.incidents.doors import integration

__all__ = ["integration"]


def record(integration: Integration, body: bytes) -> DeliveryRecord:
    """A delivery without an event."""
    given: dict[str, Any] = {"headers": {}, "query": {}, "verdict": Delivery.Verdict.INVALID}
    return DeliveryRecord(
        id=new_delivery_id(),
        integration_id=integration.pk,
        kind=integration.kind,
        via=Delivery.Via.HTTP,
        received_at=timezone.now(),
        body=body,
        **given,
    )


def sizes_of_transactions(integration: Integration, body: bytes) -> list[int]:
    """How many of 60 deliveries were stored in each transaction."""
    committer = GroupCommitter()
    futures = [committer.submit([], record(integration, body)) for _ in range(60)]
    for future in futures:
        future.result(30)
    assert committer.is_idle.wait(10)
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text FROM incidents_delivery")
        return list(Counter(row[0] for row in cursor.fetchall()).values())


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "IDLE_SECONDS", 0.02)


def test_deliveries_without_events_count_too(
    integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "MAX_EVENTS", 10)

    sizes = sizes_of_transactions(integration, b"{")

    assert sum(sizes) == 60
    assert max(sizes) <= 10


def test_large_bodies_are_stored_a_few_at_a_time(
    integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "MAX_BYTES", 5_000, raising=False)

    sizes = sizes_of_transactions(integration, b"x" * 1_000)

    assert sum(sizes) == 60
    assert max(sizes) <= 5
