"""Deliveries are kept for a while only, and not too many of one integration."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from incidents.models import Delivery, Integration
from incidents.models.delivery import first_id_at
from incidents.services import retention
from incidents.services.retention import prune_deliveries
from incidents.tasks import prune_deliveries as task
from tests.factories import IntegrationFactory

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def hook(db: None) -> Integration:
    return IntegrationFactory()


def deliver(integration: Integration, age: timedelta) -> Delivery:
    moment = NOW - age
    return Delivery.objects.create(
        id=first_id_at(moment),
        received_at=moment,
        integration=integration,
        kind="webhook",
        verdict="accepted",
    )


def kept() -> set[Any]:
    return set(Delivery.objects.values_list("pk", flat=True))


def test_old_deliveries_are_deleted(hook: Integration) -> None:
    deliver(hook, timedelta(days=30, seconds=1))
    young = deliver(hook, timedelta(days=30))

    assert prune_deliveries(now=NOW) == 1
    assert kept() == {young.pk}


def test_number_of_days_is_a_setting(hook: Integration, settings: Any) -> None:
    settings.DELIVERY_DAYS = 2
    deliver(hook, timedelta(days=3))

    assert prune_deliveries(now=NOW) == 1


def test_surplus_of_one_integration_is_deleted_oldest_first(
    hook: Integration, settings: Any
) -> None:
    settings.DELIVERIES_PER_INTEGRATION = 3
    other = deliver(IntegrationFactory(), timedelta(hours=100))
    made = [deliver(hook, timedelta(hours=hours)) for hours in (9, 8, 7, 6, 5)]

    assert prune_deliveries(now=NOW) == 2
    assert kept() == {other.pk, *(delivery.pk for delivery in made[2:])}


def test_deliveries_without_an_integration_are_deleted(hook: Integration) -> None:
    left = deliver(hook, timedelta(hours=1))
    orphan = deliver(IntegrationFactory(), timedelta(hours=2))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM incidents_integration WHERE id = %s", [orphan.integration_id])

    assert prune_deliveries(now=NOW) == 1
    assert kept() == {left.pk}


def test_many_are_deleted_in_batches(hook: Integration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for hours in range(7):
        deliver(hook, timedelta(days=31, hours=hours))

    assert prune_deliveries(now=NOW) == 7


def test_pruning_twice_does_no_harm(hook: Integration) -> None:
    deliver(hook, timedelta(days=31))

    assert [prune_deliveries(now=NOW), prune_deliveries(now=NOW)] == [1, 0]


def test_sweep_that_takes_too_long_leaves_the_rest_to_the_next(
    hook: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(hook, timedelta(days=31))
    monkeypatch.setattr(retention, "MAX_SECONDS", -1.0)

    assert prune_deliveries(now=NOW) == 0


def test_nothing_to_prune_is_no_work(db: None) -> None:
    assert prune_deliveries(now=NOW) == 0


def test_task_prunes_by_the_present_time(hook: Integration) -> None:
    deliver(hook, timedelta(days=365))

    task()

    assert kept() == set()


def test_integrations_are_found_without_reading_every_delivery(hook: Integration) -> None:
    Delivery.objects.bulk_create(
        Delivery(
            id=first_id_at(NOW - timedelta(minutes=n)), integration=hook, kind="x", verdict="x"
        )
        for n in range(2_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE incidents_delivery")
        cursor.execute(f"EXPLAIN {retention._INTEGRATIONS}")
        plan = str(cursor.fetchall())

    assert "delivery_of_integration" in plan
    assert "Seq Scan on incidents_delivery" not in plan
