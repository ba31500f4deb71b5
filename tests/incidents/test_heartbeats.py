"""Heartbeats: beats through the door, and the sweep that opens incidents for missed ones."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from escalations.services.engine import run_due_steps
from incidents.intake.arrivals import Arrival
from incidents.intake.beats import Beat
from incidents.intake.keyring import owner_of
from incidents.intake.spooling import shared_spool
from incidents.models import (
    Alert,
    Delivery,
    EventTemplate,
    Heartbeat,
    HeartbeatSweep,
    Incident,
    Integration,
    Service,
)
from incidents.services import catalog, heartbeats
from incidents.services.beat_records import record_beats
from incidents.services.heartbeats import open_missed_heartbeats
from incidents.services.preview import foresee
from incidents.tasks import open_missed_heartbeats as task
from notifications.models import Notification
from opsknight.models import AuditEntry
from tests.factories import PolicyFactory, ServiceFactory, UserFactory
from tests.incidents.doors import Door, knock

__all__ = ["knock"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def backup(transactional_db: None) -> Integration:
    """The nightly backup, of which a beat is expected every hour."""
    service = ServiceFactory(name="Databases")
    return catalog.create_integration(
        service=service, kind="heartbeat", name="Nightly backup", actor=None
    )


def beat_of(integration: Integration) -> Heartbeat:
    return Heartbeat.objects.select_related("integration").get(integration=integration)


def make_due(integration: Integration) -> None:
    """Let the wait of this heartbeat be over."""
    Heartbeat.objects.filter(integration=integration).update(due_at=Now() - timedelta(seconds=1))


def send(knock: Door, integration: Integration, rest: str = "", method: str = "POST") -> Any:
    return knock.request(method, f"/api/heartbeats/{integration.key}{rest}", b"", {})


# Beats


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("rest", ["", "/"])
def test_a_beat_is_taken_by_every_simple_method(
    knock: Door, backup: Integration, method: str, rest: str
):
    answer = send(knock, backup, rest, method)

    heartbeat = beat_of(backup)
    assert answer.status_code == 200
    assert heartbeat.state == Heartbeat.State.ON_TIME
    assert heartbeat.last_beat_at is not None
    assert heartbeat.due_at is not None
    due_in = heartbeat.due_at - timezone.now()
    assert timedelta(seconds=3890) < due_in <= timedelta(seconds=3900)


def test_head_is_answered_without_a_body(knock: Door, backup: Integration):
    answer = send(knock, backup, method="HEAD")

    assert (answer.status_code, answer.content) == (200, b"")


def test_other_methods_are_no_beats(knock: Door, backup: Integration):
    answer = send(knock, backup, method="DELETE")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert beat_of(backup).last_beat_at is None


def test_beats_leave_a_delivery_each_and_no_alerts(knock: Door, backup: Integration):
    for _ in range(3):
        knock.request("POST", f"/api/heartbeats/{backup.key}", b"exit 0", {})

    assert Alert.objects.count() == 0
    assert Incident.objects.count() == 0
    deliveries = Delivery.objects.filter(integration=backup, verdict="accepted")
    assert [bytes(d.body) for d in deliveries] == [b"exit 0"] * 3
    assert deliveries[0].results == [{"action": "beat", "dedup_key": f"heartbeat-{backup.pk}"}]


def test_the_key_of_another_kind_is_no_heartbeat(knock: Door, transactional_db: None):
    other = Integration.objects.create(service=ServiceFactory(), name="Hook", kind="webhook")

    answer = send(knock, other)

    assert answer.status_code == 403
    assert not Heartbeat.objects.exists()


def test_a_failure_opens_at_once_and_the_next_beat_resolves_it(knock: Door, backup: Integration):
    failed = knock.request(
        "POST", f"/api/heartbeats/{backup.key}/fail", b"pg_dump started\nDisk full\n", {}
    )
    state = beat_of(backup).state
    send(knock, backup)

    incident = Incident.objects.get()
    assert failed.json()["result"]["action"] == "triggered"
    assert state == Heartbeat.State.FAILED
    assert incident.title == "Nightly backup failed: Disk full"
    assert incident.description == "pg_dump started\nDisk full"
    assert incident.status == "resolved"
    assert beat_of(backup).state == Heartbeat.State.ON_TIME


def test_a_failure_is_not_an_alarm_twice_when_the_interval_passes(knock: Door, backup: Integration):
    send(knock, backup, "/fail")

    open_missed_heartbeats()

    assert beat_of(backup).due_at is None
    assert Incident.objects.count() == 1


def test_beats_of_many_in_one_batch_cost_one_statement(
    knock: Door, backup: Integration, django_assert_num_queries: Any
):
    others = [
        catalog.create_integration(
            service=backup.service, kind="heartbeat", name=f"Job {n}", actor=None
        )
        for n in range(5)
    ]
    beats = [Beat(i.pk, timezone.now(), False) for i in others]

    with django_assert_num_queries(1):
        record_beats(beats)

    assert Heartbeat.objects.filter(last_beat_at__isnull=False).count() == 5


# L1: the scenario of the specification


def test_l1_a_missed_beat_opens_one_incident_naming_it_and_the_next_beat_resolves_it(
    knock: Door, backup: Integration
):
    send(knock, backup)
    make_due(backup)

    task()
    task()
    incident = Incident.objects.get()
    late = beat_of(backup)
    send(knock, backup)

    assert incident.title.startswith("Nightly backup: no heartbeat for")
    assert incident.dedup_key == f"heartbeat-{backup.pk}"
    assert incident.status == "triggered"
    assert incident.escalate_at is not None  # the engine pages now
    assert (late.state, late.due_at) == (Heartbeat.State.LATE, None)
    incident.refresh_from_db()
    assert (incident.status, incident.escalate_at) == ("resolved", None)
    assert beat_of(backup).state == Heartbeat.State.ON_TIME


def test_l1_the_missed_beat_pages_and_after_the_next_one_the_later_step_is_silent(
    knock: Door, backup: Integration
):
    bob, carol = UserFactory(name="Bob"), UserFactory(name="Carol")
    policy = PolicyFactory(steps=[(0, [bob]), (15, [carol])])
    Service.objects.update(escalation_policy=policy)
    make_due(backup)
    open_missed_heartbeats()

    run_due_steps()
    send(knock, backup)
    run_due_steps(now=timezone.now() + timedelta(minutes=16))

    assert set(Notification.objects.values_list("user__name", flat=True)) == {"Bob"}


def test_a_beat_in_time_opens_nothing(knock: Door, backup: Integration):
    send(knock, backup)

    opened = open_missed_heartbeats()

    assert (opened, Incident.objects.count()) == (0, 0)


def test_silence_after_a_resolved_alarm_is_an_alarm_again(knock: Door, backup: Integration):
    for _ in range(2):
        make_due(backup)
        open_missed_heartbeats()
        send(knock, backup)

    assert list(Incident.objects.values_list("status", flat=True)) == ["resolved", "resolved"]


# L2: muted


def test_l2_a_muted_heartbeat_expires_without_an_alarm(knock: Door, backup: Integration):
    send(knock, backup)
    make_due(backup)
    catalog.update_integration(integration=backup, values={"enabled": False}, actor=None)

    open_missed_heartbeats()

    heartbeat = beat_of(backup)
    assert Incident.objects.count() == 0
    assert (heartbeat.state, heartbeat.due_at) == (Heartbeat.State.MUTED, None)


def test_a_heartbeat_enabled_again_starts_anew(knock: Door, backup: Integration):
    send(knock, backup)
    make_due(backup)
    for enabled in (False, True):
        catalog.update_integration(integration=backup, values={"enabled": enabled}, actor=None)
        open_missed_heartbeats()

    heartbeat = beat_of(backup)
    assert Incident.objects.count() == 0
    assert heartbeat.state == Heartbeat.State.WAITING
    assert heartbeat.due_at is not None
    assert heartbeat.due_at > timezone.now() + timedelta(minutes=64)


def test_an_integration_that_became_another_kind_is_no_heartbeat_any_more(backup: Integration):
    make_due(backup)
    Integration.objects.update(kind="webhook")

    open_missed_heartbeats()

    assert Incident.objects.count() == 0
    assert beat_of(backup).due_at is None


# L3: the first beat never came


def test_l3_and_t12_silence_from_the_beginning_is_an_alarm_when_a_first_beat_is_expected(
    backup: Integration,
):
    before = beat_of(backup)
    make_due(backup)

    open_missed_heartbeats()

    assert before.state == Heartbeat.State.WAITING
    assert before.due_at is not None
    assert before.due_at > timezone.now() + timedelta(minutes=64)
    assert Incident.objects.get().title == "Nightly backup: no heartbeat ever arrived"


def test_l3_silence_from_the_beginning_is_no_alarm_when_no_first_beat_is_expected(
    knock: Door, backup: Integration
):
    heartbeats.update_heartbeat(
        heartbeat=beat_of(backup), values={"expects_first": False}, actor=None
    )

    open_missed_heartbeats()
    waiting = beat_of(backup)
    send(knock, backup)

    assert (waiting.state, waiting.due_at) == (Heartbeat.State.WAITING, None)
    assert Incident.objects.count() == 0
    assert beat_of(backup).due_at is not None  # from the first beat on, silence is one


# The sweep


def test_two_sweeps_at_once_open_one_incident(backup: Integration):
    make_due(backup)
    open_missed_heartbeats(limit=0)

    def sweep(_: int) -> int:
        try:
            return open_missed_heartbeats()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(sweep, range(4)))

    assert sum(opened) == 1
    assert Incident.objects.count() == 1


def test_a_sweep_that_dies_before_commit_leaves_everything_to_the_next(backup: Integration):
    make_due(backup)
    transaction.set_autocommit(False)
    open_missed_heartbeats()
    transaction.rollback()
    transaction.set_autocommit(True)

    open_missed_heartbeats()

    assert Incident.objects.count() == 1


def test_after_an_outage_of_our_own_everybody_gets_a_grace(backup: Integration):
    open_missed_heartbeats()
    HeartbeatSweep.objects.update(at=Now() - timedelta(minutes=2))
    make_due(backup)

    open_missed_heartbeats()

    heartbeat = beat_of(backup)
    assert Incident.objects.count() == 0
    assert heartbeat.due_at is not None
    assert heartbeat.due_at > timezone.now() + timedelta(seconds=290)


def test_a_heartbeat_without_grace_gets_a_minute_after_an_outage(backup: Integration):
    heartbeats.update_heartbeat(heartbeat=beat_of(backup), values={"grace_seconds": 0}, actor=None)
    open_missed_heartbeats()
    HeartbeatSweep.objects.update(at=Now() - timedelta(minutes=2))
    make_due(backup)

    open_missed_heartbeats()
    make_due(backup)
    open_missed_heartbeats()

    assert Incident.objects.count() == 1  # and then silence is an alarm as ever


def test_nobody_is_judged_while_deliveries_wait_on_disk(backup: Integration):
    make_due(backup)
    spool = shared_spool()
    with spool.draining() as nobody_else_does:
        assert nobody_else_does
        spool.append([b"a delivery"])
        open_missed_heartbeats()
        while_waiting = Incident.objects.count()
        HeartbeatSweep.objects.update(held_since=Now() - timedelta(minutes=6))
        open_missed_heartbeats()
        segment = spool.oldest()
        assert segment is not None
        spool.remove(segment)

    assert while_waiting == 0
    assert Incident.objects.count() == 1  # a spool that nobody empties does not silence alarms


def test_an_integration_made_elsewhere_is_waited_for_as_well(transactional_db: None):
    made = Integration.objects.create(service=ServiceFactory(), name="Cron", kind="heartbeat")

    open_missed_heartbeats()

    assert beat_of(made).due_at is not None


@pytest.fixture
def broken(backup: Integration) -> Iterator[Integration]:
    """A heartbeat whose incidents the database refuses."""
    made = catalog.create_integration(
        service=backup.service, kind="heartbeat", name="Broken", actor=None
    )
    alter = "ALTER TABLE incidents_incident"
    with connection.cursor() as cursor:
        cursor.execute(f"{alter} ADD CONSTRAINT broken CHECK (dedup_key <> 'heartbeat-{made.pk}')")
    yield made
    with connection.cursor() as cursor:
        cursor.execute(f"{alter} DROP CONSTRAINT broken")


def test_a_heartbeat_that_cannot_be_opened_does_not_silence_the_others(
    backup: Integration, broken: Integration
):
    make_due(backup)
    make_due(broken)

    open_missed_heartbeats()

    assert Incident.objects.get().dedup_key == f"heartbeat-{backup.pk}"
    assert beat_of(broken).due_at is not None


def test_rules_of_the_integration_hold_for_missed_beats(backup: Integration):
    EventTemplate.objects.create(integration=backup, title="{{ event.summary | upper }}")
    make_due(backup)

    open_missed_heartbeats()

    assert Incident.objects.get().title.startswith("NIGHTLY BACKUP: NO HEARTBEAT")


def test_what_a_message_would_do_is_foreseen_under_its_own_key(backup: Integration):
    make_due(backup)
    open_missed_heartbeats()
    arrival = Arrival(owner=owner_of(backup), kind="heartbeat", body=b"")

    [foreseen] = foresee(arrival).events

    assert (foreseen.result, foreseen.incident_id) == ("resolved", Incident.objects.get().pk)


# Settings


def test_a_change_of_the_interval_starts_the_wait_anew_and_is_audited(
    knock: Door, backup: Integration
):
    send(knock, backup)

    changed = heartbeats.update_heartbeat(
        heartbeat=beat_of(backup),
        values={"interval_seconds": 600, "grace_seconds": 60},
        actor=None,
        ip="127.0.0.1",
    )

    assert changed.due_at is not None
    assert timedelta(seconds=650) < changed.due_at - timezone.now() <= timedelta(seconds=660)
    entry = AuditEntry.objects.get(action="heartbeat.updated")
    assert entry.changes == {"interval_seconds": [3600, 600], "grace_seconds": [300, 60]}


def test_a_save_without_a_difference_changes_no_wait(knock: Door, backup: Integration):
    send(knock, backup)
    before = beat_of(backup).due_at

    heartbeats.update_heartbeat(
        heartbeat=beat_of(backup), values={"interval_seconds": 3600}, actor=None
    )

    assert beat_of(backup).due_at == before


def test_a_clock_of_the_database_that_is_set_back_delays_no_alarm_by_more_than_one_wait(
    backup: Integration,
):
    an_hour = timedelta(hours=1)
    open_missed_heartbeats()
    # All this was noted by a clock that was four hours ahead.
    Heartbeat.objects.update(interval_seconds=3600, grace_seconds=300, due_at=Now() + 4 * an_hour)
    HeartbeatSweep.objects.update(at=Now() + 4 * an_hour)

    open_missed_heartbeats()

    due_at = beat_of(backup).due_at
    assert due_at is not None
    assert due_at <= timezone.now() + timedelta(seconds=3600 + 300)
