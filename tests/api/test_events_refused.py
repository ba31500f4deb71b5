"""Events over REST that are refused; none of them reaches the committer."""

from typing import Any

import pytest
from django.test import Client

from incidents.models import Incident, Service
from opsknight.models import ApiKey
from tests.api.asking import Asker, code_of, fields_of
from tests.api.eventful import trigger, with_key
from tests.factories import IntegrationFactory, ServiceFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"event_action": "explode"}, "event_action"),
        ({"event_action": None}, "event_action"),
        ({"payload": None}, "payload.summary"),
        ({"payload": {}}, "payload.summary"),
        ({"payload": {"summary": 5}}, "payload.summary"),
        ({"payload": {"summary": "S", "severity": "bad"}}, "payload.severity"),
        ({"payload": "disk"}, "payload"),
        ({"dedup_key": 5}, "dedup_key"),
        ({"service_id": None}, "service_id"),
        ({"service_id": 999}, "service_id"),
        ({"service_id": 10**30}, "service_id"),
        ({"service_id": "checkout"}, "service_id"),
    ],
)
def test_wrong_event_names_its_field_in_a_list_with_its_place(
    carol: Asker, service: Service, change: dict[str, Any], field: str
) -> None:
    wrong = trigger(service) | change

    alone = carol.post("events", wrong)
    third = carol.post("events", [trigger(service), trigger(service), wrong])

    assert set(fields_of(alone)) == {field}
    assert set(fields_of(third)) == {f"2.{field}"}
    assert not Incident.objects.exists()


@pytest.mark.parametrize("count", [0, 101])
def test_list_has_1_to_100_events(carol: Asker, service: Service, count: int) -> None:
    response = carol.post("events", [trigger(service)] * count)

    assert set(fields_of(response)) == {"body"}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[", b"null", b"\xff", b'"x"', b"[" * 90_000, b"[[]]", b"[1]"]
)
def test_body_that_is_no_event_is_refused(carol: Asker, content: bytes) -> None:
    response = Client().post(
        "/api/v1/events", content, content_type="application/json", **carol.headers
    )

    assert fields_of(response) is not None


def test_body_over_the_limit_is_413(carol: Asker, service: Service) -> None:
    response = carol.post("events", trigger(service, payload={"summary": "x" * 1024 * 1024 * 10}))

    assert (response.status_code, code_of(response)) == (413, "too_large")
    assert not Incident.objects.exists()


def test_other_team_s_service_is_refused_and_nothing_is_stored(
    carol: Asker, service: Service
) -> None:
    other = ServiceFactory()

    response = carol.post("events", [trigger(service), trigger(other)])

    assert (response.status_code, code_of(response)) == (403, "forbidden")
    assert not Incident.objects.exists()


def test_key_without_the_scope_is_refused(carol: Asker, service: Service) -> None:
    limited = Asker(carol.user, [s for s in ApiKey.Scope if s != ApiKey.Scope.EVENTS_WRITE])

    response = limited.post("events", trigger(service))

    assert (response.status_code, code_of(response)) == (403, "missing_scope")
    assert "events:write" in response.json()["error"]["message"]


def test_nobody_is_asked_for_a_key() -> None:
    response = Client().post("/api/v1/events", trigger(), content_type="application/json")

    assert response.status_code == 401


@pytest.mark.parametrize("key", ["unknown", "\x00", "é" * 40, "k" * 5000])
def test_unknown_integration_key_is_refused(key: str) -> None:
    response = with_key(IntegrationFactory(), trigger(), key=key)

    assert (response.status_code, code_of(response)) == (403, "forbidden")


def test_disabled_integration_is_refused() -> None:
    response = with_key(IntegrationFactory(enabled=False), trigger())

    assert response.status_code == 403


def test_key_of_another_kind_is_refused() -> None:
    response = with_key(IntegrationFactory(kind="prometheus"), trigger())

    assert response.status_code == 403


def test_integration_key_opens_nothing_else() -> None:
    integration = IntegrationFactory()

    response = Client().get(
        "/api/v1/services", headers={"Authorization": f"Token token={integration.key}"}
    )

    assert response.status_code == 401
