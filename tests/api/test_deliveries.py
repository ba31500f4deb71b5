"""Deliveries over REST: list, search, one in detail, replay."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from incidents.intake import committer
from incidents.intake.committer import shared_committer
from incidents.models import Delivery, Incident, Integration, Service
from opsknight.models import AuditEntry
from tests.api.asking import Asker, code_of, fields_of
from tests.factories import DeliveryFactory, IncidentFactory, IntegrationFactory


@pytest.fixture
def hook(service: Service) -> Integration:
    return IntegrationFactory(service=service, kind="webhook")


@pytest.fixture
def _committer(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Iterator[None]:
    """The committer gives its connection back before the database is emptied."""
    monkeypatch.setattr(committer, "IDLE_SECONDS", 0.02)
    yield
    assert shared_committer().is_idle.wait(10)


def deliver(hook: Integration, body: Any = None, **values: Any) -> Delivery:
    raw = body if isinstance(body, bytes) else json.dumps(body or {"title": "Disk"}).encode()
    delivery: Delivery = DeliveryFactory(integration=hook, kind=hook.kind, body=raw, **values)
    return delivery


def ids_of(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def test_delivery_is_answered_with_what_came_and_what_became_of_it(
    carol: Asker, hook: Integration
) -> None:
    incident = IncidentFactory(service=hook.service)
    result = {"action": "triggered", "dedup_key": "disk", "incident": incident.pk}
    delivery = deliver(hook, results=[result], headers={"user-agent": "curl"}, query={"a": "1"})

    answer = carol.get(f"deliveries/{delivery.pk}").json()

    assert answer["results"] == [result | {"reason": ""}]
    assert (answer["headers"], answer["query"]) == ({"user-agent": "curl"}, {"a": "1"})
    assert json.loads(answer["body"]) == {"title": "Disk"}
    assert base64.b64decode(answer["body_base64"]) == bytes(delivery.body)


def test_body_that_is_no_text_is_answered_in_base64(carol: Asker, hook: Integration) -> None:
    delivery = deliver(hook, b"\xff\x00")

    answer = carol.get(f"deliveries/{delivery.pk}").json()

    assert answer["body"] is None
    assert base64.b64decode(answer["body_base64"]) == b"\xff\x00"


def test_delivery_of_a_private_incident_says_nothing(bob: Asker, hook: Integration) -> None:
    incident = IncidentFactory(service=hook.service, visibility="private")
    results = [{"action": "triggered", "dedup_key": "leak", "incident": incident.pk}]
    delivery = deliver(hook, {"title": "leaked"}, results=results, reason="leaked")

    answers = [
        bob.get(f"deliveries/{delivery.pk}").json(),
        bob.get("deliveries", integration=hook.pk).json()["results"][0],
    ]

    assert "leak" not in json.dumps(answers)
    assert [answer["is_hidden"] for answer in answers] == [True, True]
    assert ids_of(bob.get("deliveries", search="leaked")) == []


@pytest.mark.usefixtures("_committer")
def test_delivery_of_a_private_incident_is_not_replayed_into_a_public_one(
    bob: Asker, hook: Integration
) -> None:
    incident = IncidentFactory(service=hook.service, visibility="private", status="resolved")
    results = [{"action": "triggered", "dedup_key": "leak", "incident": incident.pk}]
    delivery = deliver(hook, {"title": "leaked"}, results=results)

    assert code_of(bob.post(f"deliveries/{delivery.pk}/replay")) == "not_found"
    assert Delivery.objects.count() == 1


def test_rules_are_not_tried_on_a_private_incident(
    bob: Asker, carol: Asker, hook: Integration
) -> None:
    incident = IncidentFactory(service=hook.service, visibility="private")
    results = [{"action": "triggered", "dedup_key": "x", "incident": incident.pk}]
    delivery = deliver(hook, {"title": "leaked"}, results=results)
    path, body = f"integrations/{hook.pk}/rules/preview", {"delivery": str(delivery.pk)}

    assert code_of(bob.post(path, body)) == "not_found"
    assert "leaked" in carol.post(path, body).content.decode()


def test_list_is_narrowed(carol: Asker, hook: Integration) -> None:
    wanted = deliver(hook, {"title": "Needle"}, verdict="invalid")
    deliver(hook)
    other = deliver(IntegrationFactory(service=hook.service))
    day = f"{wanted.received_at:%Y-%m-%d}T00:00:00Z"

    assert ids_of(carol.get("deliveries", search="needle")) == [str(wanted.pk)]
    assert ids_of(carol.get("deliveries", verdict="invalid")) == [str(wanted.pk)]
    assert ids_of(carol.get("deliveries", integration=other.integration_id)) == [str(other.pk)]
    assert len(ids_of(carol.get("deliveries", since=day))) == 3
    assert ids_of(carol.get("deliveries", until=day)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("integration", "x"),
        ("integration", "9" * 30),
        ("integration", "0" * 5000 + "1"),
        ("verdict", "nice"),
        ("since", "yesterday"),
        ("until", "2026-13-01"),
        ("search", "x" * 201),
        ("limit", "0"),
        ("limit", "0" * 20 + "1"),
        ("cursor", "x"),
    ],
)
def test_filter_that_cannot_be_read_is_named(
    carol: Asker, hook: Integration, name: str, value: str
) -> None:
    assert list(fields_of(carol.get("deliveries", **{name: value}))) == [name]


def test_integration_out_of_sight_is_not_found(eve: Asker, hook: Integration) -> None:
    assert code_of(eve.get("deliveries", integration=hook.pk)) == "not_found"


def test_list_of_somebody_holds_only_what_they_may_configure(
    eve: Asker, carol: Asker, hook: Integration
) -> None:
    deliver(hook)
    deliver(IntegrationFactory())

    assert ids_of(eve.get("deliveries")) == []
    assert len(ids_of(carol.get("deliveries"))) == 1


def test_pages_follow_each_other(carol: Asker, hook: Integration) -> None:
    made = {str(deliver(hook).pk) for _ in range(5)}
    seen, query = [], {"limit": "2"}

    for _ in range(3):
        page = carol.get("deliveries", **query)
        seen += ids_of(page)
        following = page.json()["next"] or ""
        query = {"limit": "2", "cursor": following.partition("cursor=")[2].partition("&")[0]}
        query["cursor"] = query["cursor"].replace("%3D", "=")

    assert seen == sorted(made, reverse=True)


@pytest.mark.parametrize("path", ["deliveries/12", "deliveries/x", f"deliveries/{UUID(int=7)}"])
def test_unknown_delivery_is_not_found(carol: Asker, hook: Integration, path: str) -> None:
    assert code_of(carol.get(path)) == "not_found"


@pytest.mark.usefixtures("_committer")
def test_replay_answers_the_new_delivery(carol: Asker, hook: Integration) -> None:
    delivery = deliver(hook, verdict="invalid")

    answer = carol.post(f"deliveries/{delivery.pk}/replay")

    assert answer.status_code == 201
    again = answer.json()
    assert (again["via"], again["verdict"]) == ("replay", "accepted")
    assert again["replay_of"] == str(delivery.pk)
    assert again["results"][0]["incident"] == Incident.objects.get().pk
    assert AuditEntry.objects.filter(action="delivery.replayed").count() == 1


@pytest.mark.usefixtures("_committer")
def test_key_that_may_only_read_replays_nothing(carol: Asker, hook: Integration) -> None:
    delivery = deliver(hook)
    reader = Asker(carol.user, ["services:read"])

    assert code_of(reader.post(f"deliveries/{delivery.pk}/replay")) == "missing_scope"
    assert Delivery.objects.count() == 1
