"""Storms and flapping on the pages: badges, the list of folded alerts, its search and pages."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents.models import Incident, Service
from incidents.services.lifecycle import resolve_incidents
from incidents.web.storm import PAGE_SIZE
from opsknight.models import User
from tests.factories import IncidentFactory
from tests.incidents.cast import browser
from tests.incidents.storms import keys_of, send, storm_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def storm(checkout: Service) -> Incident:
    """120 folded alerts, of which the first two are resolved."""
    Service.objects.update(storm_threshold=1)
    send(checkout, "first")
    send(checkout, *keys_of("disk", 120), source="db-1")
    send(checkout, "disk-0", "disk-1", action="resolve")
    return storm_of(checkout)


def page_of(user: User, storm: Incident, query: str = "", name: str = "detail") -> str:
    address = reverse(f"incidents:{name}", args=[storm.pk])
    response = browser(user).get(f"{address}{query}")
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("name", ["detail", "storm_alerts"])
def test_storm_lists_its_newest_alerts_with_counts(bob: User, storm: Incident, name: str) -> None:
    text = page_of(bob, storm, name=name)

    assert "All 120" in text
    assert "Firing 118" in text
    assert "disk-119 is down" in text
    assert text.count('<th scope="row">disk-') == PAGE_SIZE
    assert "db-1" in text


def test_older_alerts_are_on_the_next_page(bob: User, storm: Incident) -> None:
    last = storm.storm_members.get(dedup_key=f"disk-{120 - PAGE_SIZE}")

    first, second = page_of(bob, storm), page_of(bob, storm, f"?before={last.pk}")

    assert f"?before={last.pk}" in first
    assert f"disk-{120 - PAGE_SIZE - 1} is down" in second
    assert "disk-119 is down</th>" not in second


def test_resolved_alerts_are_told_apart_and_left_out(bob: User, storm: Incident) -> None:
    both = page_of(bob, storm, "?q=disk-1+is", name="storm_alerts")
    firing = page_of(bob, storm, "?q=disk-1+is&alerts=firing", name="storm_alerts")

    assert "Resolved" in both
    assert "disk-1 is down" not in firing
    assert "Nothing matches" in firing


@pytest.mark.parametrize("text", ["disk-77 is", "DISK-77", "DB-1&before=0"])
def test_alerts_of_a_storm_are_searched(bob: User, storm: Incident, text: str) -> None:
    assert '<th scope="row">disk-' in page_of(bob, storm, f"?q={text}", name="storm_alerts")


@pytest.mark.parametrize(
    "query", ["?before=x", "?before=-1", "?alerts=odd", "?q=%00", "?before=9" * 9]
)
def test_strange_addresses_show_the_list(bob: User, storm: Incident, query: str) -> None:
    assert "All 120" in page_of(bob, storm, query, name="storm_alerts")


def test_storm_and_flapping_are_marked_in_lists_and_on_their_pages(
    bob: User, storm: Incident, wiki: Service
) -> None:
    flapping = IncidentFactory(service=wiki, is_flapping=True)
    client = browser(bob)

    rows = client.get(reverse("incidents:list")).content.decode()

    assert rows.count("Storm</span>") == 1
    assert rows.count("Flapping</span>") == 1
    assert "Storm</span>" in page_of(bob, storm, name="header")
    assert "Flapping</span>" in page_of(bob, flapping, name="header")
    assert "120, 118 firing" in page_of(bob, storm, name="header")


def test_storm_that_is_over_says_what_was_never_resolved(bob: User, storm: Incident) -> None:
    resolve_incidents(incident_ids=[storm.pk], actor=bob)

    text = page_of(bob, storm, name="storm_alerts")

    assert "Never resolved 118" in text
    assert "Firing" not in text


def test_alerts_of_a_storm_are_hidden_from_those_who_do_not_see_it(
    eve: User, carol: User, storm: Incident
) -> None:
    address = reverse("incidents:storm_alerts", args=[storm.pk])

    assert browser(eve).get(address).status_code == 404
    assert browser(carol).get(address).status_code == 200


def test_list_costs_one_query_whatever_it_holds(bob: User, storm: Incident) -> None:
    address = reverse("incidents:storm_alerts", args=[storm.pk])
    client = browser(bob)
    client.get(address)

    with CaptureQueriesContext(connection) as captured:
        client.get(f"{address}?q=disk")

    # session, user, the incident, the alerts
    assert len(captured) <= 5


def test_plain_incident_has_no_folded_alerts(bob: User, outage: Incident) -> None:
    assert "Folded alerts" not in page_of(bob, outage)
