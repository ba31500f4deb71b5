"""The intake under pressure: many at once, poisoned events, constant cost."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from incidents.intake import committer as committing
from incidents.intake.committer import GroupCommitter
from incidents.intake.events import Event
from incidents.models import Alert, Incident, Integration, Service, TimelineEntry
from incidents.services.intake import Batch, receive_events
from incidents.services.received import Received
from tests.incidents.doors import integration

__all__ = ["integration"]


def received(integration: Integration, **fields: Any) -> Received:
    event = Event(**({"action": "trigger", "dedup_key": "k", "summary": "Down"} | fields))
    return Received(event, integration.service_id, integration.pk, "Curl")


def test_many_committers_with_one_key_open_one_incident(
    integration: Integration, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(committing, "IDLE_SECONDS", 0.02)
    committers = [GroupCommitter() for _ in range(4)]

    futures = [
        committers[n % 4].submit([received(integration, dedup_key=f"key-{n % 3}")])
        for n in range(240)
    ]
    results = [future.result(30)[0].result for future in futures]

    assert results.count("triggered") == 3
    assert Incident.objects.count() == 3
    assert sorted(Incident.objects.values_list("alert_count", flat=True)) == [80, 80, 80]
    assert all(committer.is_idle.wait(10) for committer in committers)


def test_a_poisoned_event_fails_alone(integration: Integration, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(committing, "IDLE_SECONDS", 0.02)
    committer = GroupCommitter()
    poisoned = received(integration, dedup_key="bad", summary="x" * 501)

    with ThreadPoolExecutor(20) as pool:
        futures = [
            pool.submit(
                lambda n=n: committer.submit(
                    [poisoned if n == 7 else received(integration, dedup_key=f"good-{n}")]
                )
            )
            for n in range(20)
        ]
    answers = [future.result().exception(30) for future in futures]

    assert [type(a).__name__ for a in answers if a] == ["Rejected"]
    assert Incident.objects.count() == 19
    assert committer.is_idle.wait(10)


@pytest.mark.django_db
def test_the_number_of_statements_does_not_depend_on_the_batch(integration: Integration):
    Service.objects.update(storm_threshold=0)  # no storm: it has its own test
    counts = []
    for size in (2, 200):
        batch = [received(integration, dedup_key=f"{size}-{n}") for n in range(size)]
        with CaptureQueriesContext(connection) as captured:
            receive_events(batch)
        counts.append(len(captured))

    # savepoint (2), integrations, services, open incidents, past openings, ids, incidents, alerts,
    # timeline
    assert counts[0] == counts[1]
    assert counts[0] <= 10
    assert Incident.objects.count() == 202


@pytest.mark.django_db
def test_trigger_resolve_trigger_in_one_batch_makes_two_incidents(integration: Integration):
    batch = receive_events(
        [
            received(integration),
            received(integration, action="resolve"),
            received(integration, summary="Down again"),
        ]
    )

    assert [o.result for o in batch.outcomes] == ["triggered", "resolved", "triggered"]
    assert list(Incident.objects.order_by("id").values_list("title", "status")) == [
        ("Down", "resolved"),
        ("Down again", "triggered"),
    ]
    assert Alert.objects.filter(incident__isnull=False).count() == 3


def test_alerts_join_an_incident_while_its_timeline_is_being_written(integration: Integration):
    receive_events([received(integration)])
    incident = Incident.objects.get()

    def join() -> Batch:
        try:
            return receive_events([received(integration)])
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        TimelineEntry.objects.create(incident=incident, kind="paged", message="Page sent")
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # as its commit does
        joined, _ = wait([pool.submit(join)], timeout=10)

    assert [batch.result().outcomes[0].result for batch in joined] == ["deduplicated"]


@pytest.mark.django_db
def test_a_web_server_whose_clock_is_ahead_delays_no_page(
    integration: Integration, monkeypatch: pytest.MonkeyPatch
):
    ahead = timezone.now() + timedelta(minutes=10)
    monkeypatch.setattr("incidents.services.intake.timezone.now", lambda: ahead)

    receive_events([received(integration)])

    assert Incident.objects.filter(escalate_at__lte=Now()).count() == 1


@pytest.mark.django_db
def test_resolve_then_trigger_of_an_open_key_in_one_batch_opens_the_next_incident(
    integration: Integration,
):
    receive_events([received(integration)])

    batch = receive_events(
        [received(integration, action="resolve"), received(integration, summary="Down again")]
    )

    assert [o.result for o in batch.outcomes] == ["resolved", "triggered"]
    assert list(Incident.objects.order_by("id").values_list("title", "status")) == [
        ("Down", "resolved"),
        ("Down again", "triggered"),
    ]
