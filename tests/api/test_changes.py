"""Changes of services."""

from datetime import timedelta

import pytest
from django.utils import timezone

from incidents.models import Change, Service
from tests.api.asking import Asker, fields_of
from tests.factories import ServiceFactory


@pytest.fixture
def deploy(service: Service) -> Change:
    """A change of the team's service."""
    return Change.objects.create(
        service=service,
        summary="Shop was deployed",
        source="ci",
        details={"build": "220"},
        links=[{"href": "https://ci.example.com/220", "text": "Build"}],
    )


def test_change_has_everything_that_was_said(bob: Asker, deploy: Change) -> None:
    [row] = bob.get("changes").json()["results"]

    assert row == {
        "id": deploy.pk,
        "service": deploy.service_id,
        "service_name": "Checkout",
        "integration": None,
        "delivery": None,
        "summary": "Shop was deployed",
        "source": "ci",
        "details": {"build": "220"},
        "links": [{"href": "https://ci.example.com/220", "text": "Build"}],
        "occurred_at": None,
        "received_at": row["received_at"],
    }


def test_outsiders_see_changes_of_services_without_team_only(
    deploy: Change, eve: Asker, carol: Asker, bob: Asker, alice: Asker
) -> None:
    everybodys = Change.objects.create(service=ServiceFactory(), summary="Wiki was deployed")

    seen = {
        asker.user.name: [row["id"] for row in asker.get("changes").json()["results"]]
        for asker in (eve, carol, bob, alice)
    }

    both = [everybodys.pk, deploy.pk]
    assert seen == {"Eve": [everybodys.pk], "Carol": both, "Bob": both, "Alice": both}


def test_changes_are_narrowed_by_service_and_time(bob: Asker, deploy: Change) -> None:
    other = Change.objects.create(service=ServiceFactory(), summary="Wiki was deployed")
    now = timezone.now()
    Change.objects.filter(pk=deploy.pk).update(received_at=now - timedelta(days=2))

    def ids(**query: object) -> list[int]:
        return [row["id"] for row in bob.get("changes", **query).json()["results"]]

    assert ids(service=deploy.service_id) == [deploy.pk]
    assert ids(since=(now - timedelta(days=1)).isoformat()) == [other.pk]
    assert ids(until=(now - timedelta(days=1)).isoformat()) == [deploy.pk]


@pytest.mark.parametrize("query", [{"service": "x"}, {"since": "yesterday"}])
def test_filter_that_cannot_be_used_is_named(bob: Asker, query: dict[str, str]) -> None:
    assert set(fields_of(bob.get("changes", **query))) == set(query)


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_changes_come_through_the_door_only(bob: Asker, method: str) -> None:
    assert bob.send(method, "changes", {}).status_code == 405
