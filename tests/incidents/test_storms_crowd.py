"""Storms under load: many processes, floods from disk, and whatever order events come in."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from incidents.intake.spool import Spool
from incidents.intake.spooling import Drainer, keep
from incidents.intake.storing import Submission
from incidents.models import Alert, Delivery, Incident, Integration, Service
from incidents.models.delivery import new_delivery_id
from incidents.services.delivery_records import DeliveryRecord
from incidents.services.intake import Batch, receive_events
from incidents.services.received import Received
from incidents.services.storm_sweep import resolve_quiet
from tests.factories import IntegrationFactory, ServiceFactory
from tests.incidents.storms import (
    calm_down,
    event_of,
    firing,
    keys_of,
    results,
    send,
    shop,
    storm_of,
)

__all__ = ["shop"]

pytestmark = pytest.mark.django_db


def test_the_number_of_statements_of_a_storm_does_not_depend_on_the_batch(shop: Service) -> None:
    send(shop, *keys_of("disk", 5))
    counts = []
    for size in (2, 200):
        with CaptureQueriesContext(connection) as captured:
            send(shop, *keys_of(f"batch-{size}", size))
        counts.append(len(captured))

    # savepoint (2), services, open incidents, members, past openings, the storm, members, alerts,
    # timeline
    assert counts[0] == counts[1]
    assert counts[0] <= 10


@pytest.mark.django_db(transaction=True)
def test_processes_that_fold_at_once_open_one_storm(shop: Service) -> None:
    send(shop, *keys_of("disk", 3))
    barrier = Barrier(4)

    def flood(worker: int) -> list[Batch]:
        try:
            barrier.wait()
            # Keys of their own, and some that all of them send.
            return [
                send(shop, *keys_of(f"own-{worker}-{number}", 5), *keys_of("shared", 5))
                for number in range(5)
            ]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        batches = [batch for worker in pool.map(flood, range(4)) for batch in worker]

    storm = storm_of(shop)
    assert Incident.objects.filter(is_storm=True).count() == 1
    assert Incident.objects.count() == 4
    words = [word for batch in batches for word in results(batch)]
    assert words.count("folded") == 4 * 5 * 5 + 5
    assert words.count("deduplicated") == 4 * 5 * 5 - 5
    assert storm.folded_count == storm.firing_count == storm.storm_members.count() == 105
    assert storm.alert_count == 200


@pytest.mark.django_db(transaction=True)
def test_flood_that_waited_on_disk_is_folded_and_every_alert_is_there(
    shop: Service, tmp_path: Path
) -> None:
    integration = IntegrationFactory(service=shop)
    spool = Spool(tmp_path / "spool", 1 << 30, b"key")
    keep(spool, [waiting(integration, key) for key in keys_of("disk", 250)])

    Drainer(spool, lambda batch: None)
    deadline = time.monotonic() + 30
    while Delivery.objects.count() < 250 and time.monotonic() < deadline:
        time.sleep(0.05)

    storm = storm_of(shop)
    assert Alert.objects.count() == Delivery.objects.count() == 250
    assert Incident.objects.count() == 4
    assert storm.folded_count == storm.firing_count == 247


def waiting(integration: Integration, key: str) -> Submission:
    """A delivery of one event, as it is kept on disk while the database is away."""
    record = DeliveryRecord(
        id=new_delivery_id(),
        integration_id=integration.pk,
        kind="events",
        via="http",
        received_at=timezone.now() - timedelta(minutes=10),
        headers={},
        query={},
        body=b"{}",
        verdict="accepted",
    )
    event = event_of(integration.service, key).event
    received = Received(
        event, integration.service_id, integration.pk, "Grafana", delivery_id=record.id
    )
    return Submission([received], record)


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_behind_the_storm_of_another_service(shop: Service) -> None:
    send(shop, *keys_of("disk", 5))
    other = ServiceFactory(name="Search")

    def work() -> list[str | None]:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '5s'")
            return results(send(other, "slow"))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        Incident.objects.select_for_update().get(pk=storm_of(shop).pk)
        words = pool.submit(work).result(10)

    assert words == ["triggered"]


@pytest.mark.django_db(transaction=True)
def test_storms_of_two_services_do_not_lock_each_other_out(shop: Service) -> None:
    other = ServiceFactory(name="Search", storm_threshold=3)
    barrier = Barrier(4)

    def flood(worker: int) -> int:
        try:
            barrier.wait()
            services = [shop, other] if worker % 2 else [other, shop]
            for number in range(10):
                keys = keys_of(f"{worker}-{number}", 4)
                receive_events([event_of(s, key) for s in services for key in keys])
                receive_events([event_of(s, keys[0], "resolve") for s in reversed(services)])
            return 10
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(flood, range(4)))

    storms = [storm_of(service) for service in (shop, other)]
    assert done == [10] * 4
    for storm in storms:
        assert storm.folded_count == storm.storm_members.count()
        assert storm.firing_count == len(firing(storm))
        own = Incident.objects.filter(service=storm.service, is_storm=False).count()
        assert own + storm.folded_count == 160


@pytest.mark.parametrize("seed", range(8))
def test_whatever_comes_a_key_is_open_exactly_while_it_fires(shop: Service, seed: int) -> None:
    """Random events against the simplest model: a key fires or it does not."""
    chance = random.Random(seed)
    Service.objects.filter(pk=shop.pk).update(flapping_openings=0)
    keys, fires = keys_of("key", 12), set[str]()
    for _ in range(25):
        if chance.random() < 0.2:
            calm_down(shop)
        if chance.random() < 0.1:
            resolve_quiet()
        events = [
            (chance.choice(keys), chance.choice(["trigger", "trigger", "acknowledge", "resolve"]))
            for _ in range(chance.randrange(1, 9))
        ]
        batch = receive_events([event_of(shop, key, action) for key, action in events])
        for (key, action), outcome in zip(events, batch.outcomes, strict=True):
            expected = {"trigger": {"triggered", "folded"}, "resolve": {"ignored"}}
            if key in fires:
                expected = {"trigger": {"deduplicated"}, "resolve": {"resolved"}}
            assert outcome.result in expected.get(action, {"acknowledged", "ignored"})
            fires = fires | {key} if action == "trigger" else fires
            fires = fires - {key} if action == "resolve" else fires

        is_open = Incident.objects.filter(service=shop).exclude(status="resolved")
        own = set(is_open.filter(is_storm=False).values_list("dedup_key", flat=True))
        held = {key for storm in is_open.filter(is_storm=True) for key in firing(storm)}
        assert own | held == fires
        assert not own & held
        for storm in Incident.objects.filter(is_storm=True):
            assert storm.folded_count == storm.storm_members.count()
            assert storm.firing_count == len(firing(storm))
