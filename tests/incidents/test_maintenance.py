"""Maintenance windows: alerts are recorded and page nobody; at the end what is open pages."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from incidents import tasks
from incidents.models import Alert, Incident, MaintenanceWindow, Service
from incidents.services.lifecycle import open_incident, resolve_incidents, unacknowledge_incident
from incidents.services.maintenance import (
    delete_maintenance,
    end_maintenance,
    schedule_maintenance,
    start_maintenance,
)
from incidents.services.maintenance_effects import follow_maintenance
from incidents.services.maintenance_now import maintenance_now
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import AuditEntry, User
from tests.factories import IncidentFactory
from tests.incidents.storms import keys_of, results, send, storm_of, told
from tests.processes import wait_until

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def window(
    service: Service, starts: timedelta, ends: timedelta, **fields: Any
) -> MaintenanceWindow:
    """A window from so long from now until then, written as if the past had planned it."""
    now = timezone.now()
    values = {"reason": "New disks", "starts_at": now + starts, "ends_at": now + ends}
    return MaintenanceWindow.objects.create(service=service, **(values | fields))


def expire(window: MaintenanceWindow) -> None:
    """Let the window be over, and what it held with it."""
    now = timezone.now()
    past = now - timedelta(seconds=1)
    held = Incident.objects.filter(service=window.service)
    MaintenanceWindow.objects.filter(pk=window.pk).update(starts_at=now - HOUR, ends_at=past)
    held.filter(suppressed_until__isnull=False).update(suppressed_until=past)
    held.filter(escalate_at=window.ends_at).update(escalate_at=past)


def newest() -> Incident:
    return Incident.objects.latest("id")


# During it


def test_alert_during_maintenance_is_recorded_and_suppressed(checkout: Service) -> None:
    held = window(checkout, -HOUR, HOUR, time_zone="Europe/Vienna")

    batch = send(checkout, "disk")

    incident = newest()
    assert results(batch) == ["triggered"]
    assert batch.outcomes[0].status == "suppressed"
    assert not batch.has_triggered
    assert (incident.status, incident.escalate_at) == ("suppressed", None)
    assert incident.suppressed_until == held.ends_at
    assert told(incident)[1].startswith("Maintenance until ")
    assert told(incident)[1].endswith(": New disks")
    assert Alert.objects.filter(incident=incident).count() == 1


def test_alerts_join_what_is_suppressed_and_a_resolve_resolves_it(checkout: Service) -> None:
    window(checkout, -HOUR, HOUR)

    words = [results(send(checkout, "disk"))[0] for _ in range(2)]
    resolved = results(send(checkout, "disk", action="resolve"))

    incident = newest()
    assert (words, resolved) == (["triggered", "deduplicated"], ["resolved"])
    assert (incident.status, incident.suppressed_until) == ("resolved", None)


@pytest.mark.parametrize(
    ("starts", "ends"),
    [(HOUR, 2 * HOUR), (-2 * HOUR, -HOUR)],  # to come, over
)
def test_window_that_does_not_hold_suppresses_nothing(
    checkout: Service, starts: timedelta, ends: timedelta
) -> None:
    window(checkout, starts, ends)

    send(checkout, "disk")

    assert newest().status == "triggered"


def test_repeated_window_suppresses_in_a_later_occurrence(checkout: Service) -> None:
    window(checkout, -3 * DAY - HOUR, -3 * DAY + HOUR, repeat="daily")

    send(checkout, "disk")

    assert newest().status == "suppressed"


def test_other_services_page_as_ever(checkout: Service, wiki: Service) -> None:
    window(checkout, -HOUR, HOUR)

    send(wiki, "disk")

    assert newest().status == "triggered"


def test_storm_during_maintenance_is_suppressed_with_it(checkout: Service) -> None:
    Service.objects.update(storm_threshold=2)
    held = window(checkout, -HOUR, HOUR)

    send(checkout, *keys_of("disk", 5))

    storm = storm_of(checkout)
    assert (storm.status, storm.suppressed_until) == ("suppressed", held.ends_at)


def test_incident_opened_by_hand_during_maintenance_waits_for_its_end(
    checkout: Service, bob: User
) -> None:
    window(checkout, -HOUR, HOUR)

    incident = open_incident(service=checkout, title="Odd", actor=bob)

    assert (incident.status, incident.escalate_at) == ("suppressed", None)


def test_of_overlapping_windows_the_last_end_counts(checkout: Service) -> None:
    window(checkout, -HOUR, HOUR)
    long = window(checkout, -HOUR, 2 * HOUR, reason="Longer")

    send(checkout, "disk")

    assert newest().suppressed_until == long.ends_at
    assert maintenance_now()[checkout.pk].reason == "Longer"


# Its end


def test_open_incidents_are_triggered_when_maintenance_is_over(checkout: Service) -> None:
    held = window(checkout, -HOUR, HOUR)
    send(checkout, "disk", "cpu")
    send(checkout, "cpu", action="resolve")
    expire(held)

    tasks.follow_maintenance()

    disk = Incident.objects.get(dedup_key="disk")
    assert (disk.status, disk.suppressed_until) == ("triggered", None)
    assert disk.escalate_at is not None
    assert disk.escalate_at <= timezone.now()
    assert told(disk)[-1] == "Maintenance is over: triggered"
    assert follow_maintenance() == 0
    held.refresh_from_db()
    assert held.ended_at is not None


def test_nothing_is_released_while_another_window_holds(checkout: Service) -> None:
    first = window(checkout, -HOUR, HOUR)
    send(checkout, "disk")
    second = window(checkout, -timedelta(minutes=5), 2 * HOUR, reason="Second")
    expire(first)

    assert follow_maintenance() == 1

    incident = newest()
    assert (incident.status, incident.suppressed_until) == ("suppressed", second.ends_at)


def test_ending_by_hand_releases_at_once(checkout: Service, bob: User) -> None:
    held = window(checkout, -HOUR, HOUR)
    send(checkout, "disk")

    end_maintenance(window=held, actor=bob)

    incident = newest()
    assert (incident.status, incident.suppressed_until) == ("triggered", None)
    assert incident.escalate_at is not None
    assert AuditEntry.objects.filter(action="maintenance.ended", actor=bob).count() == 1


def test_deleting_a_window_that_holds_releases_at_once(checkout: Service, bob: User) -> None:
    held = window(checkout, -HOUR, HOUR)
    send(checkout, "disk")

    delete_maintenance(window=held, actor=bob)

    assert newest().status == "triggered"


def test_ending_one_of_two_windows_waits_for_the_other(checkout: Service, bob: User) -> None:
    long, short = window(checkout, -HOUR, 2 * HOUR), window(checkout, -HOUR, HOUR)
    send(checkout, "disk")

    end_maintenance(window=long, actor=bob)

    assert (newest().status, newest().suppressed_until) == ("suppressed", short.ends_at)


def test_what_slips_in_while_a_window_is_ended_is_released_by_the_sweep(
    checkout: Service,
) -> None:
    until = timezone.now() + HOUR
    IncidentFactory(service=checkout, status="suppressed", suppressed_until=until)

    assert follow_maintenance() == 1

    assert newest().status == "triggered"


def test_what_a_route_suppressed_stays_suppressed(checkout: Service) -> None:
    IncidentFactory(service=checkout, status="suppressed")
    held = window(checkout, -HOUR, HOUR)
    expire(held)

    assert follow_maintenance() == 0

    assert newest().status == "suppressed"


def test_window_cannot_be_ended_twice(checkout: Service, bob: User) -> None:
    held = window(checkout, -HOUR, HOUR)
    end_maintenance(window=held, actor=bob)

    with pytest.raises(Conflict):
        end_maintenance(window=held, actor=bob)


@pytest.mark.django_db(transaction=True)
def test_sweeps_at_once_release_everything_once(checkout: Service) -> None:
    held = window(checkout, -HOUR, HOUR)
    for number in range(40):
        IncidentFactory(
            service=checkout, title=str(number), status="suppressed", suppressed_until=held.ends_at
        )
    expire(held)

    def sweep(_: int) -> int:
        try:
            return follow_maintenance()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(sweep, range(4)))

    assert sum(counts) == 40
    assert not Incident.objects.exclude(status="triggered").exists()


@pytest.mark.django_db(transaction=True)
def test_sweep_leaves_alone_what_somebody_has_in_hand(checkout: Service) -> None:
    held = window(checkout, -HOUR, HOUR)
    send(checkout, "disk", "cpu")
    expire(held)

    def sweep() -> int:
        try:
            return follow_maintenance()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        Incident.objects.select_for_update().get(dedup_key="disk")
        count = pool.submit(sweep).result(10)

    assert count == 1
    assert follow_maintenance() == 1


# Planning one


def test_starting_now_holds_what_is_triggered(checkout: Service, carol: User) -> None:
    due = timezone.now() + timedelta(minutes=5)
    incident = IncidentFactory(service=checkout, escalate_at=due)

    started = start_maintenance(service=checkout, length=HOUR, reason="Upgrade", actor=carol)

    incident.refresh_from_db()
    assert (incident.status, incident.escalate_at) == ("triggered", started.ends_at)
    assert told(incident)[-1].startswith("Escalation paused. Maintenance until ")
    entry = AuditEntry.objects.get(action="maintenance.scheduled")
    assert entry.actor == carol


def test_given_back_during_maintenance_is_held_by_the_sweep(checkout: Service, bob: User) -> None:
    held = window(checkout, -HOUR, HOUR)
    incident = IncidentFactory(service=checkout, status="acknowledged")
    unacknowledge_incident(incident_id=incident.pk, actor=bob)

    follow_maintenance()

    incident.refresh_from_db()
    assert incident.escalate_at == held.ends_at


def test_resolve_by_hand_during_maintenance_resolves(checkout: Service, bob: User) -> None:
    window(checkout, -HOUR, HOUR)
    send(checkout, "disk")

    resolve_incidents(incident_ids=[newest().pk], actor=bob)

    assert (newest().status, newest().suppressed_until) == ("resolved", None)


START = datetime.fromisoformat("2190-03-02T12:00:00+00:00")


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"ends_at": START - HOUR}, "ends_at", "It must end after it starts."),
        ({"ends_at": START}, "ends_at", "It must end after it starts."),
        ({"ends_at": START + 91 * DAY}, "ends_at", "A window lasts at most 90 days."),
        (
            {"repeat": "daily", "ends_at": START + 25 * HOUR},
            "ends_at",
            "A window that repeats daily lasts at most a day.",
        ),
        (
            {"starts_at": START - 200 * 365 * DAY, "ends_at": START - 200 * 365 * DAY + HOUR},
            "ends_at",
            "This is in the past.",
        ),
        ({"time_zone": "Mars/Olympus"}, "time_zone", None),
        ({"reason": ""}, "reason", None),
        ({"repeat": "yearly"}, "repeat", None),
        (
            {"repeat": "daily", "repeat_until": START - DAY},
            "repeat_until",
            "It must not stop before it starts.",
        ),
        (
            {"repeat_until": START + DAY},
            "repeat_until",
            "Leave this empty for a window that happens once.",
        ),
    ],
)
def test_window_that_cannot_be_meant_is_refused(
    checkout: Service, bob: User, changes: dict[str, Any], field: str, reason: str | None
) -> None:
    values = {"reason": "Upgrade", "starts_at": START, "ends_at": START + HOUR} | changes

    with pytest.raises(InvalidInput) as caught:
        schedule_maintenance(service=checkout, values=values, actor=bob)  # type: ignore[arg-type]

    assert list(caught.value.fields) == [field]
    assert reason is None or caught.value.fields[field] == [reason]
    assert not MaintenanceWindow.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("remove", [end_maintenance, delete_maintenance])
def test_a_window_removed_as_it_begins_holds_nothing_any_more(
    checkout: Service, remove: Callable[..., object]
) -> None:
    incident = IncidentFactory(service=checkout, escalate_at=timezone.now() - HOUR)
    begins = window(checkout, timedelta(seconds=1), 90 * DAY)

    def work() -> None:
        try:
            remove(window=MaintenanceWindow.objects.get(), actor=None)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():  # a sweep, which holds what escalates in the last moment
            list(MaintenanceWindow.objects.select_for_update(no_key=True))
            done = pool.submit(work)
            wait_until(lambda: timezone.now() > begins.starts_at, 5, "it has begun")
            follow_maintenance()
            incident.refresh_from_db()
            assert incident.escalate_at == begins.ends_at
        done.result(10)

    incident.refresh_from_db()
    assert incident.escalate_at is not None
    assert incident.escalate_at <= timezone.now()


@pytest.mark.django_db(transaction=True)
def test_a_window_that_two_people_end_at_once_ends_once(checkout: Service) -> None:
    held = window(checkout, -HOUR, HOUR)
    twice = [MaintenanceWindow.objects.get(pk=held.pk) for _ in range(2)]
    end_maintenance(window=twice[0], actor=None)

    with pytest.raises(Conflict):
        end_maintenance(window=twice[1], actor=None)
