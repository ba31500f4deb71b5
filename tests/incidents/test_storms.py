"""Storms: beyond a rate, alerts fold into one incident; nothing is refused, nobody else waits."""

from datetime import timedelta

import pytest
from django.utils import timezone

from escalations.services import engine
from incidents import tasks
from incidents.intake.rules import Routing
from incidents.models import Alert, Incident, Service, StormMember
from incidents.services.intake import receive_events
from incidents.services.lifecycle import acknowledge_incidents, resolve_incidents
from incidents.services.received import Received
from incidents.services.storm_sweep import resolve_quiet
from opsknight.models import User
from tests.escalations.walk import paged, policy_of
from tests.factories import IncidentFactory
from tests.incidents.storms import (
    calm_down,
    event_of,
    firing,
    keys_of,
    results,
    send,
    shop,
    storm_of,
    told,
)

__all__ = ["shop"]

pytestmark = pytest.mark.django_db


def test_t6_alerts_beyond_the_threshold_join_one_storm(shop: Service) -> None:
    batch = send(shop, *keys_of("disk", 10))

    storm = storm_of(shop)
    assert results(batch) == ["triggered"] * 3 + ["folded"] * 7
    assert {o.track.id for o in batch.outcomes[3:] if o.track} == {storm.pk}
    assert Incident.objects.count() == 4
    assert (storm.folded_count, storm.firing_count, storm.alert_count) == (7, 7, 7)
    assert storm.title == "7 alerts in 1 min on Checkout"
    assert storm.dedup_key is None
    assert Alert.objects.filter(incident=storm).count() == 7


def test_threshold_counts_over_batches(shop: Service) -> None:
    words = [results(send(shop, key)) for key in keys_of("disk", 5)]

    assert words == [["triggered"]] * 3 + [["folded"]] * 2


def test_service_without_threshold_never_storms(shop: Service) -> None:
    Service.objects.update(storm_threshold=0)

    batch = send(shop, *keys_of("disk", 100))

    assert set(results(batch)) == {"triggered"}


def test_slow_alerts_are_no_storm(shop: Service) -> None:
    send(shop, *keys_of("disk", 3))
    calm_down(shop)

    assert results(send(shop, "later")) == ["triggered"]


def test_storm_goes_on_while_alerts_are_folded_although_no_incident_opens(shop: Service) -> None:
    send(shop, *keys_of("disk", 8))
    Incident.objects.update(created_at=timezone.now() - timedelta(minutes=2))

    assert results(send(shop, "next")) == ["folded"]


def test_title_tells_how_many_in_how_long(shop: Service) -> None:
    send(shop, *keys_of("disk", 1_245))
    Incident.objects.update(created_at=timezone.now() - timedelta(minutes=3, seconds=5))

    send(shop, "last")

    assert storm_of(shop).title == "1,243 alerts in 4 min on Checkout"


def test_first_incident_and_the_storm_page_at_once_and_once(shop: Service, bob: User) -> None:
    shop.escalation_policy = policy_of((0, [bob]))
    shop.save(update_fields=["escalation_policy"])
    batches = [send(shop, *keys_of("disk", 4)), send(shop, *keys_of("disk", 50))]

    engine.run_due_steps()
    batches.append(send(shop, *keys_of("more", 50)))
    engine.run_due_steps()

    first = Incident.objects.earliest("id")
    assert batches[0].has_triggered
    assert paged(first) == ["Bob Ray"]
    assert paged(storm_of(shop)) == ["Bob Ray"]
    assert not batches[2].has_triggered  # nobody is woken for more of the same


def test_alert_that_fires_again_joins_its_storm(shop: Service) -> None:
    send(shop, *keys_of("disk", 5))

    batch = send(shop, "disk-4", "disk-0")

    storm = storm_of(shop)
    assert results(batch) == ["deduplicated"] * 2
    assert (storm.folded_count, storm.firing_count, storm.alert_count) == (2, 2, 3)


def test_resolve_of_a_folded_alert_marks_it(shop: Service) -> None:
    send(shop, *keys_of("disk", 6))

    batch = send(shop, "disk-3", "disk-4", action="resolve")

    storm = storm_of(shop)
    assert results(batch) == ["resolved"] * 2
    assert [outcome.status for outcome in batch.outcomes] == ["triggered"] * 2
    assert firing(storm) == {"disk-5"}
    assert (storm.folded_count, storm.firing_count) == (3, 1)


def test_firing_then_resolved_in_one_batch_leaves_nothing_firing(shop: Service) -> None:
    send(shop, *keys_of("disk", 3))

    batch = receive_events([event_of(shop, "x"), event_of(shop, "x", "resolve")])

    assert results(batch) == ["folded", "resolved"]
    assert storm_of(shop).firing_count == 0


def test_resolved_alert_that_fires_again_during_the_storm_is_folded_again(shop: Service) -> None:
    send(shop, *keys_of("disk", 5))
    send(shop, "disk-4", action="resolve")

    batch = send(shop, "disk-4", summary="Down again")

    storm = storm_of(shop)
    assert results(batch) == ["folded"]
    assert (storm.folded_count, storm.firing_count) == (2, 2)
    assert StormMember.objects.get(dedup_key="disk-4").title == "Down again"


def test_resolved_alert_that_fires_again_after_the_storm_opens_an_incident(shop: Service) -> None:
    send(shop, *keys_of("disk", 5))
    send(shop, "disk-4", action="resolve")
    calm_down(shop)

    assert results(send(shop, "disk-4")) == ["triggered"]


def test_acknowledging_one_folded_alert_acknowledges_nothing(shop: Service) -> None:
    send(shop, *keys_of("disk", 5))

    batch = send(shop, "disk-4", action="acknowledge")

    assert results(batch) == ["ignored"]
    assert batch.outcomes[0].reason == (
        "It is one of many in a storm. Acknowledge the storm's incident."
    )
    assert storm_of(shop).status == "triggered"


def test_own_incident_of_a_key_comes_before_the_storm(shop: Service) -> None:
    send(shop, *keys_of("disk", 5))

    batch = send(shop, "disk-0", action="resolve")

    assert results(batch) == ["resolved"]
    assert Incident.objects.get(dedup_key="disk-0").status == "resolved"


def test_storm_is_as_urgent_as_its_most_urgent_alert(shop: Service) -> None:
    send(shop, *keys_of("disk", 3))

    send(shop, "low", severity="info")
    first = storm_of(shop).urgency
    send(shop, "high", severity="critical")
    send(shop, "medium", severity="warning")

    assert (first, storm_of(shop).urgency) == ("low", "high")


def test_another_service_is_not_affected(shop: Service, wiki: Service) -> None:
    send(shop, *keys_of("disk", 10))

    assert results(send(wiki, "disk-9")) == ["triggered"]
    assert not Incident.objects.get(service=wiki).is_storm


# Its end


def test_storm_resolves_itself_when_all_is_resolved_and_quiet(shop: Service) -> None:
    keys = keys_of("disk", 8)
    send(shop, *keys)
    send(shop, *keys, action="resolve")
    calm_down(shop)

    tasks.resolve_quiet()

    storm = storm_of(shop)
    assert storm.status == "resolved"
    assert told(storm)[-1] == "Resolved: the storm is over, all its 5 alerts are resolved"


@pytest.mark.parametrize("what", ["one fires", "too soon"])
def test_storm_stays_open_while_one_alert_fires_or_it_is_not_quiet(
    shop: Service, what: str
) -> None:
    keys = keys_of("disk", 8)
    send(shop, *keys)
    send(shop, *(keys[:-1] if what == "one fires" else keys), action="resolve")
    if what == "one fires":
        calm_down(shop)

    assert resolve_quiet() == 0

    assert storm_of(shop).status == "triggered"


def test_storm_that_somebody_acknowledged_takes_more_and_pages_nobody(
    shop: Service, bob: User
) -> None:
    send(shop, *keys_of("disk", 5))
    acknowledge_incidents(incident_ids=[storm_of(shop).pk], actor=bob)

    batch = send(shop, "more")

    storm = storm_of(shop)
    assert results(batch) == ["folded"]
    assert (storm.status, storm.escalate_at) == ("acknowledged", None)


def test_storm_resolved_by_hand_lets_the_next_one_open(shop: Service, bob: User) -> None:
    send(shop, *keys_of("disk", 5))
    first = storm_of(shop)
    resolve_incidents(incident_ids=[first.pk], actor=bob)

    batch = send(shop, "disk-4")

    second = storm_of(shop)
    assert results(batch) == ["folded"]
    assert second.pk != first.pk
    assert (second.status, second.folded_count) == ("triggered", 1)


# With routes


def routed(service: Service, key: str, routing: Routing) -> Received:
    plain = event_of(service, key)
    return Received(plain.event, service.pk, None, "Grafana", routing=routing)


def test_storm_of_alerts_that_a_route_suppresses_pages_only_when_another_joins(
    shop: Service,
) -> None:
    quiet = Routing(route="Staging", is_suppressed=True)
    receive_events([routed(shop, key, quiet) for key in keys_of("staging", 6)])
    before = storm_of(shop)

    batch = send(shop, "production")

    after = storm_of(shop)
    assert (before.status, before.escalate_at) == ("suppressed", None)
    assert (after.pk, after.status) == (before.pk, "triggered")
    assert after.escalate_at is not None
    assert batch.has_triggered


def test_a_key_that_is_open_by_itself_and_in_a_storm_is_resolved_in_both(shop: Service) -> None:
    send(shop, *keys_of("disk", 4))
    storm = storm_of(shop)
    # Two processes that meet the flood at the same moment, or a person, open what the storm holds.
    own = IncidentFactory(service=shop, dedup_key="disk-3")

    send(shop, "disk-3", action="resolve")

    storm.refresh_from_db()
    own.refresh_from_db()
    assert own.status == "resolved"
    assert storm.firing_count == 0
    assert firing(storm) == set()
