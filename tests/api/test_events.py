"""POST /api/v1/events: the door's parser and committer over REST."""

from collections.abc import Iterator

import pytest

from incidents.intake import committer
from incidents.intake.committer import shared_committer
from incidents.models import Alert, Incident, Service
from tests.api.asking import Asker
from tests.api.eventful import trigger, with_key
from tests.factories import IncidentFactory, IntegrationFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _committer(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Iterator[None]:
    """Wait at the end until the committer has given its connection back."""
    monkeypatch.setattr(committer, "IDLE_SECONDS", 0.02)
    yield
    assert shared_committer().is_idle.wait(10)


def test_event_opens_an_incident(carol: Asker, service: Service) -> None:
    response = carol.post("events", trigger(service))

    incident = Incident.objects.get()
    result = response.json()["result"]
    assert response.status_code == 202
    assert (result["action"], result["incident"]["id"]) == ("triggered", incident.pk)
    assert incident.service == service
    assert incident.timeline.get().actor_label == "Carol (test)"


def test_event_is_acknowledged_and_resolved_by_key(carol: Asker, service: Service) -> None:
    actions = ("trigger", "trigger", "acknowledge", "resolve", "resolve")

    results = [
        carol.post("events", trigger(service, event_action=action)).json()["result"]["action"]
        for action in actions
    ]

    assert results == ["triggered", "deduplicated", "acknowledged", "resolved", "ignored"]


def test_integration_key_implies_the_service() -> None:
    integration = IntegrationFactory()

    response = with_key(integration, trigger())

    assert response.status_code == 202
    assert Alert.objects.get().integration == integration


def test_integration_key_sends_to_its_own_service_only(service: Service) -> None:
    integration = IntegrationFactory()

    with_key(integration, trigger(service))

    assert Incident.objects.get().service == integration.service


def test_list_is_stored_as_a_whole_and_answered_one_by_one(carol: Asker, service: Service) -> None:
    Service.objects.update(storm_threshold=0)
    events = [trigger(service, dedup_key=f"disk-{n}") for n in range(99)]

    response = carol.post("events", [*events, events[0]])

    results = response.json()["results"]
    assert response.status_code == 202
    assert [result["action"] for result in results] == ["triggered"] * 99 + ["deduplicated"]
    assert [result["dedup_key"] for result in results[:2]] == ["disk-0", "disk-1"]
    assert Incident.objects.count() == 99


def test_strange_texts_are_stored_clean(carol: Asker, service: Service) -> None:
    labels = {f"label_{n}": "x" for n in range(10_000)}
    payload = {
        "summary": "NUL \x00 and " + "x" * 10_000,
        "timestamp": "2036-01-01T00:00:00Z",
        "custom_details": labels,
    }

    response = carol.post("events", trigger(service, payload=payload))

    incident = Incident.objects.get()
    assert response.status_code == 202
    assert "\x00" not in incident.title
    assert len(incident.title) == 500


def test_responder_sends_to_every_service(bob: Asker, service: Service) -> None:
    assert bob.post("events", trigger(service)).status_code == 202


def test_private_incident_keeps_its_title_from_who_sends_events(
    bob: Asker, service: Service
) -> None:
    fields = {"service": service, "dedup_key": "disk", "visibility": "private"}
    secret = IncidentFactory(title="Card data leaked", **fields)

    response = bob.post("events", trigger(service))

    assert response.json()["result"]["incident"]["id"] == secret.pk
    assert "Card data" not in response.content.decode()


def test_storm_is_named_in_the_answer_and_on_its_incident(bob: Asker, service: Service) -> None:
    Service.objects.update(storm_threshold=2)

    response = bob.post("events", [trigger(service, dedup_key=f"disk-{n}") for n in range(4)])

    results = response.json()["results"]
    storm = bob.get(f"incidents/{results[3]['incident']['id']}").json()
    assert [result["action"] for result in results] == ["triggered"] * 2 + ["folded"] * 2
    assert results[2]["incident"] == results[3]["incident"]
    assert (storm["is_storm"], storm["folded_count"], storm["firing_count"]) == (True, 2, 2)
    assert storm["title"] == "2 alerts in 1 min on Checkout"
