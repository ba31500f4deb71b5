"""What waits on disk gets into the database once and in order, whatever lies beside it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from incidents.intake import spooling
from incidents.intake.announcer import Announcer
from incidents.intake.committer import GroupCommitter
from incidents.intake.events import Event
from incidents.intake.spool import Spool
from incidents.intake.spooling import Drainer, keep
from incidents.intake.storing import Submission
from incidents.models import Alert, Delivery, Incident, Integration
from incidents.models.delivery import new_delivery_id
from incidents.services.delivery_records import DeliveryRecord
from incidents.services.received import Received
from tests.incidents.doors import integration
from tests.processes import wait_until

__all__ = ["integration"]

MANY = 1 << 30


def delivery(
    integration: Integration, key: str, action: Any = "trigger", body: bytes = b"{}", **fields: Any
) -> Submission:
    """A delivery of one event."""
    record = DeliveryRecord(
        id=new_delivery_id(),
        integration_id=integration.pk,
        kind="events",
        via="http",
        received_at=timezone.now() - timedelta(minutes=10),
        headers={},
        query={},
        body=body,
        verdict="accepted",
    )
    event = Event(action=action, dedup_key=key, summary=f"{key} is down", **fields)
    received = Received(
        event, integration.service_id, integration.pk, "Curl", delivery_id=record.id
    )
    return Submission([received], record)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", MANY, b"key")


@pytest.fixture
def drain(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Empty the spool as the thread does, once; raises what stops it."""
    monkeypatch.setattr(spooling, "LOOK_EVERY_SECONDS", 3600)  # the thread leaves it to us
    drainer = Drainer(spool, lambda batch: None)
    return drainer._drain


def break_rows_of(table: str, key: str, body: str) -> None:
    """Let the database do something with each row of that dedup key."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE OR REPLACE FUNCTION break_row() RETURNS trigger LANGUAGE plpgsql AS $$ "
            f"BEGIN IF NEW.dedup_key = '{key}' THEN {body} END IF; RETURN NEW; END $$;"
            f"CREATE OR REPLACE TRIGGER break_row BEFORE INSERT ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION break_row()"
        )


@pytest.fixture
def mended(transactional_db: None) -> Iterator[None]:
    """Take away what `break_rows_of` made."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION IF EXISTS break_row() CASCADE")


def test_a_delivery_that_was_kept_twice_gets_in_once(
    integration: Integration, spool: Spool, drain: Callable[[], None]
) -> None:
    trigger, resolve = delivery(integration, "disk"), delivery(integration, "disk", "resolve")
    keep(spool, [trigger, resolve])
    keep(spool, [trigger, resolve])  # the database hung, and then broke

    drain()

    assert Delivery.objects.count() == 2
    assert Alert.objects.count() == 2
    assert Incident.objects.count() == 1


def test_numbers_too_large_for_the_disk_format_are_kept_as_they_are(
    integration: Integration, spool: Spool, drain: Callable[[], None]
) -> None:
    large = 123456789012345678901234567890
    keep(spool, [delivery(integration, "disk", details={"n": large})])

    drain()

    assert Alert.objects.get().details == {"n": large}


def test_the_committer_outlives_a_delivery_that_cannot_be_kept(
    integration: Integration, spool: Spool
) -> None:
    committer = GroupCommitter(spool, Announcer())
    spool.append([b"something waits"])  # so all goes to disk
    unkeepable = delivery(integration, "disk", details={"n": object()})
    fine = delivery(integration, "cpu")

    futures = [committer.submit(s.received, s.record) for s in (unkeepable, fine)]

    with pytest.raises(Exception, match="not stored"):
        futures[0].result(10)
    assert futures[1].result(10)[0].result == "queued"


def test_a_delivery_that_is_more_than_the_database_can_take_does_not_hold_up_the_others(
    integration: Integration, spool: Spool, drain: Callable[[], None], mended: None
) -> None:
    break_rows_of(
        "incidents_alert", "huge", "RAISE 'too much' USING ERRCODE = 'program_limit_exceeded';"
    )
    keep(spool, [delivery(integration, key) for key in ("first", "huge", "last")])

    drain()

    assert not spool.is_waiting()
    assert set(Alert.objects.values_list("dedup_key", flat=True)) == {"first", "last"}
    assert Delivery.objects.filter(verdict="invalid").count() == 1


def test_a_busy_key_is_tried_again_instead_of_being_given_up(
    integration: Integration, spool: Spool, drain: Callable[[], None], mended: None
) -> None:
    break_rows_of("incidents_incident", "busy", "RETURN NULL;")  # as if somebody took it each time
    keep(spool, [delivery(integration, "busy")])
    with pytest.raises(Exception, match="Many senders"):
        drain()
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION break_row() CASCADE")

    drain()

    assert Incident.objects.filter(dedup_key="busy").exists()


def test_a_kept_delivery_survives_that_its_integration_is_deleted_at_this_moment(
    integration: Integration, spool: Spool, drain: Callable[[], None]
) -> None:
    keep(spool, [delivery(integration, "disk")])

    def work() -> None:
        try:
            drain()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            integration.delete()
            done = pool.submit(work)
            wait_until(somebody_waits, 10, "the drainer waits for the deletion")
        done.result(10)

    assert Alert.objects.get().integration is None
    assert Incident.objects.get().status == "triggered"
    assert not (spool._folder / "unreadable").exists()


def somebody_waits() -> bool:
    """Whether another connection waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')"
        )
        return bool(cursor.fetchone()[0])


def test_what_cannot_be_read_is_put_aside_once_however_often_it_is_tried(
    integration: Integration, spool: Spool, drain: Callable[[], None], mended: None, tmp_path: Path
) -> None:
    break_rows_of("incidents_alert", "disk", "RAISE 'full' USING ERRCODE = 'disk_full';")
    spool.append([b"nonsense"])
    keep(spool, [delivery(integration, "disk")])

    for _ in range(3):
        with pytest.raises(Exception, match="full"):
            drain()

    assert list(spool.read(tmp_path / "spool" / "unreadable")) == [b"nonsense"]
    assert spool.is_waiting()


def test_a_crowd_goes_to_disk_in_parts_so_that_a_full_disk_refuses_only_the_rest(
    integration: Integration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "PART_BYTES", 10_000)
    committer = GroupCommitter(Spool(tmp_path / "small", 35_000, b"key"), Announcer())
    crowd = [delivery(integration, f"disk-{n}", body=b"x" * 10_000) for n in range(5)]

    committer._keep(crowd)

    kept = [submission.outcomes is not None for submission in crowd]
    assert kept == [True, True, True, False, False]
    assert all(submission.error for submission in crowd[3:])


def test_large_deliveries_come_off_the_disk_a_few_at_a_time(
    integration: Integration,
    spool: Spool,
    drain: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spooling, "PART_BYTES", 10_000)
    keep(spool, [delivery(integration, f"disk-{n}", body=b"x" * 5_000) for n in range(8)])

    drain()

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM incidents_delivery")
        assert cursor.fetchone()[0] == 4
