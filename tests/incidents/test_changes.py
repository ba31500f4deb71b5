"""Change events: kept on the service, shown where they help, opening nothing."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.urls import reverse
from django.utils import timezone

from incidents.intake.arrivals import Arrival
from incidents.intake.key_owner import KeyOwner
from incidents.intake.recording import record_of
from incidents.intake.spooling import keep, shared_spool
from incidents.intake.storing import Submission
from incidents.models import Change, Delivery, Incident, Integration, Service
from opsknight.models import User
from tests.factories import ServiceFactory
from tests.incidents.cast import browser
from tests.incidents.doors import Door, integration, knock
from tests.processes import wait_until

__all__ = ["integration", "knock"]

DEPLOY: dict[str, Any] = {
    "payload": {
        "summary": "Shop 4.2.0 was deployed",
        "source": "ci.example.com",
        "timestamp": "2026-11-23T10:00:00.000+0000",
        "custom_details": {"build": "220"},
    },
    "links": [{"href": "https://ci.example.com/builds/220", "text": "Build 220"}],
}
PATHS = ["/v2/change/enqueue", "/api/integrations/pagerduty/v2/change/enqueue"]


def enqueue(
    door: Door, integration: Integration, body: dict[str, Any], path: str = PATHS[0]
) -> httpx.Response:
    return door.post(path, {"routing_key": integration.key} | body)


def change_of(service: Service, summary: str = "Shop was deployed", **fields: Any) -> Change:
    return Change.objects.create(service=service, summary=summary, **fields)


# --- the door -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*PATHS, *(f"{path}/" for path in PATHS)])
@pytest.mark.parametrize("kind", ["pagerduty", "events"])
def test_change_event_is_kept_on_the_service_and_opens_nothing(
    knock: Door, integration: Integration, path: str, kind: str
):
    Integration.objects.filter(pk=integration.pk).update(kind=kind)

    answer = enqueue(knock, integration, DEPLOY, path)

    change = Change.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "Change event processed"}
    assert (change.service, change.integration) == (integration.service, integration)
    assert (change.summary, change.source) == ("Shop 4.2.0 was deployed", "ci.example.com")
    assert change.details == {"build": "220"}
    assert change.links == DEPLOY["links"]
    assert change.occurred_at is not None
    assert Incident.objects.count() == 0


def test_delivery_of_a_change_is_recorded_without_the_key(knock: Door, integration: Integration):
    enqueue(knock, integration, DEPLOY)

    delivery = Delivery.objects.get()
    assert (delivery.kind, delivery.verdict) == ("pagerduty-change", "accepted")
    assert delivery.results == [{"action": "changed"}]
    assert Change.objects.get().delivery_id == delivery.pk
    assert integration.key.encode() not in bytes(delivery.body)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"routing_key": "KEY"}', "'payload.summary' is missing or blank"),
        (b'{"routing_key": "KEY", "payload": {"summary": ""}}', None),
        (b'{"routing_key": "KEY", "payload": {"summary": 7}}', None),
        (b'{"routing_key": "KEY", "payload": 7}', None),
    ],
)
def test_malformed_change_is_refused_in_pagerdutys_shape(
    knock: Door, integration: Integration, content: bytes, reason: str | None
):
    answer = knock.post(PATHS[0], content=content.replace(b"KEY", integration.key.encode()))

    assert answer.status_code == 400
    assert answer.json()["status"] == "invalid event"
    assert reason is None or answer.json()["errors"] == [reason]
    assert Change.objects.count() == 0


@pytest.mark.parametrize(("key", "status"), [("", 401), ("0" * 32, 403)])
def test_change_with_a_wrong_key_is_refused(knock: Door, key: str, status: int):
    assert knock.post(PATHS[0], DEPLOY | {"routing_key": key}).status_code == status


def test_key_of_another_kind_brings_no_change(knock: Door, integration: Integration):
    Integration.objects.filter(pk=integration.pk).update(kind="grafana")

    assert enqueue(knock, integration, DEPLOY).status_code == 403


def test_event_is_no_change_and_a_change_no_event(knock: Door, integration: Integration):
    as_event = knock.post("/v2/enqueue", {"routing_key": integration.key} | DEPLOY)

    assert as_event.status_code == 400
    assert Change.objects.count() == 0


def test_many_changes_at_once_are_all_kept(knock: Door, integration: Integration):
    for number in range(5):
        enqueue(knock, integration, {"payload": {"summary": f"Deploy {number}"}})

    assert {c.summary for c in Change.objects.all()} == {f"Deploy {n}" for n in range(5)}


def test_change_that_waited_on_disk_is_kept_once(knock: Door, integration: Integration):
    ahead = Arrival(owner=_owner(integration), kind="events", body=b"{}")
    with shared_spool().draining() as is_ours:
        assert is_ours
        # Something waits already, so that the door must queue behind it.
        keep(shared_spool(), [Submission([], record_of(ahead, Delivery.Verdict.IGNORED))])
        answer = enqueue(knock, integration, DEPLOY)
        before = Change.objects.count()

    wait_until(lambda: not shared_spool().is_waiting(), 20, "the spool is empty")
    assert (answer.status_code, before) == (202, 0)
    assert Change.objects.get().summary == "Shop 4.2.0 was deployed"
    assert Delivery.objects.get(kind="pagerduty-change").was_spooled


def test_change_that_waited_outlives_its_integration_but_not_its_service(
    knock: Door, integration: Integration
):
    gone = Integration.objects.create(service=ServiceFactory(), name="Gone", kind="events")
    ahead = Arrival(owner=_owner(integration), kind="events", body=b"{}")
    with shared_spool().draining():
        keep(shared_spool(), [Submission([], record_of(ahead, Delivery.Verdict.IGNORED))])
        enqueue(knock, integration, DEPLOY)
        enqueue(knock, gone, DEPLOY)
        integration.delete()
        gone.service.delete()

    wait_until(lambda: not shared_spool().is_waiting(), 20, "the spool is empty")
    change = Change.objects.get()
    assert (change.service, change.integration) == (integration.service, None)


def _owner(integration: Integration) -> KeyOwner:
    return KeyOwner(
        integration_id=integration.pk,
        service_id=integration.service_id,
        kind=integration.kind,
        name=integration.name,
        enabled=True,
        key=integration.key,
    )


# --- the pages ------------------------------------------------------------------------------


def service_page(user: User, service: Service) -> str:
    return browser(user).get(reverse("incidents:service", args=[service.pk])).content.decode()


def incident_page(user: User, incident: Incident) -> str:
    return browser(user).get(reverse("incidents:detail", args=[incident.pk])).content.decode()


def test_service_page_shows_its_newest_changes(bob: User, checkout: Service, wiki: Service):
    change_of(checkout, details={"build": "220", "files": ["a"]}, links=DEPLOY["links"])
    change_of(wiki, "Wiki was deployed")

    page = service_page(bob, checkout)

    assert "Shop was deployed" in page
    assert "build: 220" in page
    assert 'href="https://ci.example.com/builds/220"' in page
    assert "Wiki was deployed" not in page


def test_service_page_shows_what_a_sender_wrote_as_text(bob: User, checkout: Service):
    change_of(
        checkout,
        "<script>alert(1)</script>",
        details={"<b>": "<i>"},
        links=[{"href": "javascript:alert(1)", "text": "x"}, "x", {"text": "no address"}],
    )

    page = service_page(bob, checkout)

    assert "<script>alert" not in page
    assert "javascript:" not in page
    assert "&lt;b&gt;: &lt;i&gt;" in page


@pytest.mark.parametrize(
    ("who", "sees"), [("alice", True), ("bob", True), ("carol", True), ("eve", False)]
)
def test_changes_are_shown_to_those_who_see_the_services_incidents(
    request: pytest.FixtureRequest, checkout: Service, who: str, sees: bool
):
    change_of(checkout)

    page = service_page(request.getfixturevalue(who), checkout)

    assert ("Shop was deployed" in page, "Recent changes" in page) == (sees, sees)


def test_changes_of_a_service_without_team_are_everybodys(eve: User, wiki: Service):
    change_of(wiki)

    assert "Shop was deployed" in service_page(eve, wiki)


def test_service_page_says_how_changes_come_in(bob: User, checkout: Service):
    assert "PagerDuty change events" in service_page(bob, checkout)


def test_incident_page_shows_what_was_changed_in_the_day_before(
    bob: User, outage: Incident, wiki: Service
):
    hours = {"Just before": 0.1, "Yesterday": 23.9, "Long ago": 24.1, "Afterwards": -0.1}
    for summary, ago in hours.items():
        at = outage.created_at - timedelta(hours=ago)
        change_of(outage.service, summary, received_at=at)
    change_of(wiki, "Elsewhere", received_at=outage.created_at - timedelta(hours=1))

    page = incident_page(bob, outage)

    assert {s for s in (*hours, "Elsewhere") if s in page} == {"Just before", "Yesterday"}


def test_incident_page_has_no_empty_panel(bob: User, outage: Incident):
    assert "Changed in the day before" not in incident_page(bob, outage)


def test_pages_take_any_details(bob: User, checkout: Service):
    for details in ([], "x", 5, None, {"a": {"b": [1]}, "long": "x" * 5000, "": ""}):
        change_of(checkout, details=json.loads(json.dumps(details)) or {}, links=[])
    change_of(checkout, links={"href": "x"}, received_at=timezone.now())

    assert service_page(bob, checkout).count("Shop was deployed") == 6


def test_delivery_of_a_change_is_shown_as_one(bob: User, checkout: Service):
    way = Integration.objects.create(service=checkout, name="CI", kind="pagerduty")
    delivery = Delivery.objects.create(
        integration=way,
        kind="pagerduty-change",
        verdict="accepted",
        results=[{"action": "changed"}],
    )

    for name, ids in (("deliveries", [way.pk]), ("delivery", [way.pk, delivery.pk])):
        answer = browser(bob).get(reverse(f"incidents:{name}", args=ids))
        assert "Kept as a change" in answer.content.decode()
