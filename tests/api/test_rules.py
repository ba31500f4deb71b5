"""The rules of an integration over REST; who may is in the matrix."""

import json
from typing import Any
from uuid import uuid4

import pytest

from incidents.models import Delivery, Integration, Service
from opsknight.models import AuditEntry
from tests.api.asking import Asker, code_of
from tests.factories import IncidentFactory, IntegrationFactory, PolicyFactory

NOTHING = {
    "title": "",
    "description": "",
    "dedup_key": "",
    "urgency": "",
    "resolve_when": "",
    "routes": [],
}
ROUTE = {"name": "Databases", "condition": "event.source|startswith('db-')"}


@pytest.fixture
def webhook(service: Service) -> Integration:
    return IntegrationFactory(service=service, kind="webhook")


def path(integration: Integration, tail: str = "") -> str:
    return f"integrations/{integration.pk}/rules{tail}"


def test_there_are_no_rules_at_first(bob: Asker, webhook: Integration) -> None:
    body = bob.get(path(webhook)).json()

    assert body.pop("version")
    assert body == NOTHING


def test_rules_are_answered_as_they_were_put(bob: Asker, webhook: Integration) -> None:
    policy = PolicyFactory()
    rules = NOTHING | {
        "title": "{{ event.source }}: {{ event.summary }}",
        "resolve_when": "payload.percent < 80",
        "routes": [
            ROUTE
            | {
                "escalation_policy": policy.pk,
                "urgency": "high",
                "priority": "P1",
                "is_suppressed": False,
            },
            {
                "name": "Rest",
                "condition": "",
                "escalation_policy": None,
                "urgency": None,
                "priority": None,
                "is_suppressed": True,
            },
        ],
    }

    answer = bob.put(path(webhook), rules).json()

    version = answer.pop("version")
    assert answer == rules
    assert bob.get(path(webhook)).json() == rules | {"version": version}
    assert AuditEntry.objects.get(action="integration.rules_changed").actor == bob.user


def test_older_version_is_a_conflict(bob: Asker, carol: Asker, webhook: Integration) -> None:
    read = bob.get(path(webhook)).json()
    carol.put(path(webhook), NOTHING | {"title": "Carol's"})

    response = bob.put(path(webhook), read | {"title": "Bob's"})

    assert (response.status_code, code_of(response)) == (409, "conflict")
    assert bob.get(path(webhook)).json()["title"] == "Carol's"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"title": "{{ broken"}, "title"),
        ({"title": 5}, "title"),
        ({"title": "x" * 2001}, "title"),
        ({"resolve_when": "{{ true }}"}, "resolve_when"),
        ({"routes": [{"condition": "true"}]}, "routes.0.name"),
        ({"routes": [ROUTE | {"condition": "a b"}]}, "routes.0.condition"),
        ({"routes": [ROUTE | {"escalation_policy": 999}]}, "routes.0.escalation_policy"),
        ({"routes": [ROUTE | {"urgency": "huge"}]}, "routes.0.urgency"),
        ({"routes": [ROUTE | {"priority": "P9"}]}, "routes.0.priority"),
        ({"routes": [{"name": "All"}, ROUTE]}, "routes.1.condition"),
        ({"routes": [ROUTE] * 51}, "routes"),
        ({"routes": "none"}, "routes"),
    ],
)
def test_mistake_is_named_and_nothing_is_stored(
    bob: Asker, webhook: Integration, values: dict[str, Any], field: str
) -> None:
    response = bob.put(path(webhook), values)

    assert response.status_code == 400
    assert list(response.json()["error"]["fields"]) == [field]
    assert bob.get(path(webhook)).json()["title"] == ""


def test_preview_of_a_body(bob: Asker, webhook: Integration) -> None:
    policy = PolicyFactory()
    trial = {
        "title": "{{ source }}: {{ event.summary }}",
        "urgency": "{{ nope.x }}",
        "description": "{{ 1 / 0 }}",
        "routes": [ROUTE | {"escalation_policy": policy.pk, "priority": "P2"}],
        "body": json.dumps({"summary": "Disk full", "source": "db-1", "id": "d"}),
    }

    answer = bob.post(path(webhook, "/preview"), trial).json()

    assert answer == {
        "events": [
            {
                "action": "trigger",
                "title": "db-1: Disk full",
                "description": "",
                "dedup_key": "d",
                "urgency": "high",
                "route": "Databases",
                "escalation_policy": policy.pk,
                "priority": "P2",
                "is_suppressed": False,
                "problems": {"description": "A number is divided by zero."},
                "missing": ["nope.x"],
            }
        ],
        "hidden": 0,
        "problems": {},
        "error": None,
    }
    assert bob.get(path(webhook)).json()["title"] == ""


def test_preview_of_a_delivery(bob: Asker, webhook: Integration) -> None:
    delivery = Delivery.objects.create(
        integration=webhook, kind="webhook", body=b'{"summary": "Disk full"}', verdict="accepted"
    )

    answer = bob.post(path(webhook, "/preview"), {"delivery": str(delivery.pk)}).json()

    assert [event["title"] for event in answer["events"]] == ["Disk full"]


def test_preview_says_what_is_wrong_with_rules_and_body(bob: Asker, webhook: Integration) -> None:
    answer = bob.post(path(webhook, "/preview"), {"title": "{{ broken", "body": "no JSON"}).json()

    assert list(answer["problems"]) == ["title"]
    assert answer["error"].startswith("The body is not valid JSON")
    assert answer["events"] == []


def test_delivery_of_another_integration_is_not_found(
    bob: Asker, webhook: Integration, service: Service
) -> None:
    other = IntegrationFactory(service=service, kind="webhook")
    foreign = Delivery.objects.create(
        integration=other, kind="webhook", body=b"{}", verdict="accepted"
    )

    for wanted in (foreign.pk, uuid4()):
        response = bob.post(path(webhook, "/preview"), {"delivery": str(wanted)})
        assert (response.status_code, code_of(response)) == (404, "not_found")


def test_preview_needs_something_to_try_on(bob: Asker, webhook: Integration) -> None:
    response = bob.post(path(webhook, "/preview"), {"title": "x"})

    assert response.status_code == 400
    assert list(response.json()["error"]["fields"]) == ["body"]


def test_incident_says_which_policy_a_route_chose(bob: Asker, service: Service) -> None:
    policy = PolicyFactory()
    routed = IncidentFactory(service=service, escalation_policy=policy)
    other = IncidentFactory(service=service)

    assert bob.get(f"incidents/{routed.pk}").json()["escalation_policy"] == policy.pk
    assert bob.get(f"incidents/{other.pk}").json()["escalation_policy"] is None
