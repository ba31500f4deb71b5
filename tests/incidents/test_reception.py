"""What the door records of everything that comes with a right key, and how much it takes."""

import json
import socket
import time
import uuid
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync
from django.conf import settings

from incidents.intake import allowance as allowances
from incidents.intake import reception
from incidents.intake.allowance import Allowance
from incidents.integrations import PARSERS
from incidents.models import Alert, Delivery, Incident, Integration, Service
from incidents.models.delivery import new_delivery_id
from tests.incidents.doors import Door, integration, knock

__all__ = ["integration", "knock"]

TRIGGER: dict[str, Any] = {
    "event_action": "trigger",
    "dedup_key": "disk",
    "payload": {"summary": "Disk full", "source": "db-1", "severity": "critical"},
}


@pytest.fixture(autouse=True)
def fresh_allowance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent this minute."""
    monkeypatch.setattr(reception, "allowance", Allowance("events"))
    monkeypatch.setattr(allowances, "LEASE_PREFIX", f"test:{uuid.uuid4().hex}:")


def limited(integration: Integration, limit: int) -> Integration:
    """The integration, which may send only so much."""
    Integration.objects.filter(pk=integration.pk).update(rate_limit=limit)
    return integration


# --- What is recorded -----------------------------------------------------------------------------


def test_a_delivery_is_recorded_with_what_became_of_it(knock: Door, integration: Integration):
    answer = knock.event(integration, **TRIGGER)

    delivery = Delivery.objects.get()
    incident = Incident.objects.get()
    assert answer.json()["delivery"] == str(delivery.pk)
    assert (delivery.integration, delivery.kind, delivery.via) == (integration, "events", "http")
    assert delivery.verdict == "accepted"
    assert json.loads(bytes(delivery.body)) == TRIGGER
    assert delivery.results == [
        {"action": "triggered", "dedup_key": "disk", "incident": incident.pk}
    ]
    assert Alert.objects.get().delivery_id == delivery.pk


def test_the_key_is_recorded_nowhere(knock: Door, integration: Integration):
    knock.event(integration, **TRIGGER)
    knock.post("/v2/enqueue", {**TRIGGER, "routing_key": integration.key})

    for delivery in Delivery.objects.all():
        kept = json.dumps([delivery.headers, delivery.query]) + bytes(delivery.body).decode()
        assert integration.key not in kept


@pytest.mark.parametrize("body", [b"not json", b'{"event_action": "dance"}', b"\x00\xff", b""])
def test_what_is_not_understood_is_kept_as_it_came(
    knock: Door, integration: Integration, body: bytes
):
    headers = {"authorization": f"Token token={integration.key}"}

    answer = knock.post("/api/events", content=body, **headers)

    delivery = Delivery.objects.get()
    assert answer.status_code == 400
    assert (delivery.verdict, bytes(delivery.body)) == ("invalid", body)
    assert delivery.reason == answer.json()["error"]["message"]
    assert Alert.objects.count() == 0


def test_a_parser_that_breaks_is_a_500_and_keeps_the_delivery(
    knock: Door, integration: Integration, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(PARSERS, "events", broken)

    answer = knock.event(integration, **TRIGGER)

    assert answer.status_code == 500
    assert Delivery.objects.get().verdict == "invalid"


def test_what_breaks_a_parser_counts_against_the_limit(
    knock: Door, integration: Integration, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(PARSERS, "events", broken)
    limited(integration, 2)

    codes = [knock.event(integration, **TRIGGER).status_code for _ in range(4)]

    assert codes == [500, 500, 429, 429]
    assert Delivery.objects.count() == 2


def test_strangers_are_not_recorded(knock: Door, integration: Integration):
    knock.post("/api/events", TRIGGER, authorization="Token token=" + "f" * 32)
    knock.post("/api/events", TRIGGER)

    assert Delivery.objects.count() == 0


def test_a_list_of_events_is_one_delivery_and_every_result_is_answered(
    knock: Door, integration: Integration
):
    events = [{**TRIGGER, "dedup_key": f"disk-{n}"} for n in range(100)]

    answer = knock.post("/api/events", events, authorization=f"Token token={integration.key}")

    assert answer.status_code == 202
    assert [r["dedup_key"] for r in answer.json()["results"]] == [e["dedup_key"] for e in events]
    assert len(Delivery.objects.get().results) == 100


def test_a_list_with_one_wrong_event_stores_none_and_names_it(
    knock: Door, integration: Integration
):
    events = [TRIGGER, {"event_action": "trigger"}]

    answer = knock.post("/api/events", events, authorization=f"Token token={integration.key}")

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == ["1.payload.summary"]
    assert Alert.objects.count() == 0


def test_ids_of_later_deliveries_are_larger():
    ids = [new_delivery_id() for _ in range(2)]
    first = ids[0]

    assert first.version == 7
    assert first.variant == uuid.RFC_4122
    assert first.int >> 80 <= ids[1].int >> 80


# --- How much is taken ----------------------------------------------------------------------------


def test_beyond_its_rate_an_integration_is_told_when_to_come_back(
    knock: Door, integration: Integration
):
    limited(integration, 3)

    answers = [knock.event(integration, **TRIGGER) for _ in range(4)]

    assert [a.status_code for a in answers] == [202, 202, 202, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert Alert.objects.count() == 3


def test_each_event_of_a_list_counts(knock: Door, integration: Integration):
    limited(integration, 5)
    headers = {"authorization": f"Token token={integration.key}"}

    first = knock.post("/api/events", [TRIGGER] * 4, **headers)
    second = knock.post("/api/events", [TRIGGER] * 2, authorization=headers["authorization"])

    assert (first.status_code, second.status_code) == (202, 429)


def test_a_limit_is_shared_by_all_processes(integration: Integration, knock: Door):
    limited(integration, 100)
    reception.allowance = Allowance("events")
    answers = []

    for number in range(120):
        if number % 10 == 0:
            reception.allowance = Allowance("events")  # as another process would have
        answers.append(knock.event(integration, **TRIGGER).status_code)

    assert answers.count(202) <= 100
    assert 429 in answers


def test_one_integration_does_not_use_up_another_ones_rate(knock: Door, integration: Integration):
    limited(integration, 1)
    other = Integration.objects.create(service=integration.service, name="Other", kind="events")

    for _ in range(3):
        knock.event(integration, **TRIGGER)

    assert knock.event(other, **TRIGGER).status_code == 202


def test_a_wrong_key_uses_up_nobodys_rate(knock: Door, integration: Integration):
    limited(integration, 2)

    for _ in range(5):
        knock.post("/api/events", TRIGGER, authorization="Token token=" + "e" * 32)

    assert knock.event(integration, **TRIGGER).status_code == 202


def test_no_limit_is_no_limit(knock: Door, integration: Integration):
    limited(integration, 0)

    assert {knock.event(integration, **TRIGGER).status_code for _ in range(20)} == {202}


def test_without_redis_the_door_counts_alone_and_takes_events(
    knock: Door, integration: Integration, monkeypatch: pytest.MonkeyPatch
):
    away = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    monkeypatch.setattr(allowances, "prompt_redis", lambda: away)
    monkeypatch.setattr(allowances, "SECONDS", 86_400)  # no new minute begins meanwhile
    limited(integration, 5)

    codes = [knock.event(integration, **TRIGGER).status_code for _ in range(8)]

    assert codes == [202] * 5 + [429] * 3


def test_the_usual_limit_is_6000_events_a_minute():
    service = Service(name="Any")

    assert Integration(service=service, name="Any", kind="events").rate_limit == 6000
    assert settings.INTAKE_MAX_BODY_BYTES == 1024 * 1024


def test_a_redis_that_hangs_slows_the_door_once_and_not_for_each_integration(
    integration: Integration, monkeypatch: pytest.MonkeyPatch
):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, answers nothing
        hung = redis.Redis(port=silent.getsockname()[1], socket_timeout=0.5, retry=None)
        monkeypatch.setattr(allowances, "prompt_redis", lambda: hung)
        counting = Allowance("events")

        async def all_of_them() -> float:
            begin = time.monotonic()
            for number in range(10):
                await counting.take(number, limit=6000, cost=1)
            return time.monotonic() - begin

        seconds = async_to_sync(all_of_them)()

    assert seconds < 2
