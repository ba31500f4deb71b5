"""Flapping: a key that opens and resolves again and again pages once and stays open."""

from datetime import timedelta

import pytest
from django.utils import timezone

from escalations.services import engine
from incidents.models import Incident, Service
from incidents.services.intake import receive_events
from incidents.services.lifecycle import acknowledge_incidents, resolve_incidents
from incidents.services.storm_sweep import resolve_quiet
from opsknight.models import User
from tests.escalations.walk import paged, policy_of
from tests.incidents.storms import event_of, results, send, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(checkout: Service) -> Service:
    """Checkout, where a key may open three times in 30 minutes."""
    Service.objects.filter(pk=checkout.pk).update(flapping_openings=3, flapping_minutes=30)
    checkout.refresh_from_db()
    return checkout


def flap(service: Service, times: int, key: str = "disk") -> None:
    """Open and resolve so often."""
    for _ in range(times):
        send(service, key)
        send(service, key, action="resolve")


def newest() -> Incident:
    return Incident.objects.latest("id")


def test_key_that_opens_too_often_is_marked(shop: Service) -> None:
    flap(shop, 3)
    before = newest().is_flapping

    batch = send(shop, "disk")

    assert (before, newest().is_flapping) == (False, True)
    assert results(batch) == ["triggered"]
    assert batch.has_triggered
    assert told(newest()) == [
        "Triggered by Grafana",
        "Flapping: opened more than 3 times in 30 min. It stays open until it has been resolved "
        "for 30 min.",
    ]


def test_flapping_incident_outlives_its_resolves(shop: Service) -> None:
    flap(shop, 3)
    send(shop, "disk")

    batch = send(shop, "disk", action="resolve")
    again = send(shop, "disk")

    assert results(batch) == ["resolved"]
    assert batch.outcomes[0].status == "triggered"
    assert batch.outcomes[0].reason.startswith("The key is flapping")
    assert not batch.has_settled
    assert results(again) == ["deduplicated"]
    assert Incident.objects.count() == 4
    assert told(newest())[2:] == ["Resolve noted, sent by Grafana", "Alert joined by Grafana"]


def test_flapping_incident_pages_once_however_often_it_flaps(shop: Service, bob: User) -> None:
    shop.escalation_policy = policy_of((0, [bob]))
    shop.save(update_fields=["escalation_policy"])
    flap(shop, 3)
    send(shop, "disk")
    engine.run_due_steps()

    flap(shop, 5)
    engine.run_due_steps()

    assert paged(newest()) == ["Bob Ray"]


def test_flapping_incident_that_fires_escalates_like_any_other(
    shop: Service, bob: User, carol: User
) -> None:
    shop.escalation_policy = policy_of((0, [bob]), (5, [carol]))
    shop.save(update_fields=["escalation_policy"])
    flap(shop, 3)
    send(shop, "disk")
    engine.run_due_steps()

    flap(shop, 2)
    send(shop, "disk")
    engine.run_due_steps(now=timezone.now() + timedelta(minutes=6))

    assert paged(newest()) == ["Bob Ray", "Carol Diaz"]


def test_flapping_in_one_batch_is_noticed(shop: Service) -> None:
    events = [event_of(shop, "disk", action) for action in ["trigger", "resolve"] * 3]

    batch = receive_events([*events, event_of(shop, "disk"), event_of(shop, "disk", "resolve")])

    assert results(batch) == ["triggered", "resolved"] * 4
    assert (newest().is_flapping, newest().status) == (True, "triggered")


def test_key_that_is_open_counts_what_it_opened_before(shop: Service) -> None:
    flap(shop, 2)
    send(shop, "disk")

    receive_events([event_of(shop, "disk", "resolve"), event_of(shop, "disk")])

    assert newest().is_flapping


@pytest.mark.parametrize("minutes", [31, 60 * 24])
def test_old_openings_do_not_count(shop: Service, minutes: int) -> None:
    flap(shop, 3)
    Incident.objects.update(created_at=timezone.now() - timedelta(minutes=minutes))

    send(shop, "disk")

    assert not newest().is_flapping


def test_other_keys_and_services_do_not_count(shop: Service, wiki: Service) -> None:
    flap(shop, 3)
    flap(wiki, 3)

    send(shop, "cpu")
    send(wiki, "disk")

    assert not Incident.objects.filter(is_flapping=True).exists()


def test_service_without_limit_marks_nothing(shop: Service) -> None:
    Service.objects.update(flapping_openings=0)

    flap(shop, 20)

    assert not Incident.objects.filter(is_flapping=True).exists()


# Its end


def resolved_for(minutes: int) -> None:
    Incident.objects.filter(quiet_since__isnull=False).update(
        quiet_since=timezone.now() - timedelta(minutes=minutes)
    )


def test_flapping_incident_resolves_when_it_has_been_quiet(shop: Service) -> None:
    flap(shop, 4)
    resolved_for(31)

    assert resolve_quiet() == 1

    incident = newest()
    assert (incident.status, incident.quiet_since) == ("resolved", None)
    assert told(incident)[-1] == "Resolved: quiet for 30 min, so it flaps no more"


def test_flapping_incident_that_is_not_quiet_for_long_stays_open(shop: Service) -> None:
    flap(shop, 4)
    resolved_for(29)

    assert resolve_quiet() == 0


def test_flapping_incident_that_fires_stays_open(shop: Service) -> None:
    flap(shop, 4)
    resolved_for(31)
    send(shop, "disk")

    assert resolve_quiet() == 0
    assert newest().status == "triggered"


def test_flapping_incident_that_somebody_took_resolves_when_quiet(shop: Service, bob: User) -> None:
    flap(shop, 4)
    acknowledge_incidents(incident_ids=[newest().pk], actor=bob)
    resolved_for(31)

    assert resolve_quiet() == 1


def test_flapping_incident_is_resolved_by_hand_like_any_other(shop: Service, bob: User) -> None:
    flap(shop, 4)

    resolve_incidents(incident_ids=[newest().pk], actor=bob)

    assert (newest().status, newest().quiet_since) == ("resolved", None)
    assert resolve_quiet() == 0


def test_late_trigger_of_a_flapping_key_opens_nothing(shop: Service) -> None:
    now = timezone.now()
    flap(shop, 3)
    send(shop, "disk", action="resolve", occurred_at=now)

    batch = send(shop, "disk", occurred_at=now - timedelta(seconds=5))

    assert results(batch) == ["resolved"]
    assert newest().status == "resolved"
