"""Every endpoint for every member of the cast: 401, 404 out of sight, 403 in sight only."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from incidents.models import Integration, Service
from notifications.models import Absence
from opsknight.models import ApiKey, Team
from tests.api.asking import Asker, code_of
from tests.api.matrix import ENDPOINTS, Endpoint
from tests.factories import (
    AnnouncementFactory,
    CalendarFeedFactory,
    ContactMethodFactory,
    DeliveryFactory,
    DestinationFactory,
    EventSubscriptionFactory,
    IncidentFactory,
    IntegrationFactory,
    MaintenanceWindowFactory,
    NotificationFactory,
    NotificationRuleFactory,
    OverrideFactory,
    PolicyFactory,
    ScheduleFactory,
    ServiceFactory,
    SwapRequestFactory,
    TemporaryScheduleFactory,
    UserFactory,
)

LATER = datetime(2190, 1, 1, tzinfo=UTC)
CAST = ("eve", "carol", "bob", "alice")


@pytest.fixture
def world(team: Team, service: Service, carol: Asker) -> dict[str, Any]:
    """One object of each sort, by the name that the table uses."""
    teamless = ServiceFactory(name="Website")
    channel = DestinationFactory(team=team)
    public = IncidentFactory(service=service)
    private = IncidentFactory(service=service, visibility="private")
    open_to_all = IncidentFactory(service=teamless)
    failed = {"state": "failed", "finished_at": LATER, "user": UserFactory()}
    schedule = ScheduleFactory(members=[carol.user])
    later = {"schedule": schedule, "starts_at": LATER, "ends_at": LATER + timedelta(hours=1)}
    return {
        "team": team.pk,
        "carol": carol.user.pk,
        "service": service.pk,
        "teamless": teamless.pk,
        "idle": ServiceFactory(name="Retired", team=team).pk,
        "integration": IntegrationFactory(service=service).pk,
        "delivery": str(DeliveryFactory(integration__service=service).pk),
        "heartbeat": IntegrationFactory(service=service, kind="heartbeat").pk,
        "window": MaintenanceWindowFactory(service=service).pk,
        "policy": PolicyFactory(steps=[(0, [carol.user])]).pk,
        "channel": channel.pk,
        "subscription": EventSubscriptionFactory(destination=channel, service=None, team=team).pk,
        "message": NotificationFactory(incident=public, **failed).pk,
        "private_message": NotificationFactory(incident=private, **failed).pk,
        "open_message": NotificationFactory(incident=open_to_all, **failed).pk,
        "hook": DestinationFactory().pk,
        "dan": UserFactory(name="Dan").pk,
        "schedule": schedule.pk,
        "layer": schedule.layers.get().pk,
        "override": OverrideFactory(user=UserFactory(), **later).pk,
        "begun": OverrideFactory(user=UserFactory(), schedule=schedule).pk,
        "temporary": TemporaryScheduleFactory(**later).pk,
        "swap": SwapRequestFactory(
            schedule=schedule,
            requester=carol.user,
            starts_at=LATER + timedelta(days=1),
            ends_at=LATER + timedelta(days=2),
        ).pk,
        "announcement": AnnouncementFactory().pk,
        "method": ContactMethodFactory(user=carol.user).pk,
        "unverified": ContactMethodFactory(user=carol.user, verified_at=None).pk,
        "rule": NotificationRuleFactory(contact_method__user=carol.user).pk,
        "absence": Absence.objects.create(
            user=carol.user,
            substitute=UserFactory(),
            begins_at=LATER,
            ends_at=LATER + timedelta(hours=1),
        ).pk,
        "feed": CalendarFeedFactory(owner=carol.user).pk,
        "public": public.pk,
        "private": private.pk,
        "open_to_all": open_to_all.pk,
    }


def filled(value: Any, world: dict[str, int]) -> Any:
    """The value with ids where it names objects."""
    match value:
        case dict():
            return {name: filled(inner, world) for name, inner in value.items()}
        case list():
            return [filled(inner, world) for inner in value]
        case str() if value.startswith("{"):
            return world[value.strip("{}")]
        case _:
            return value


@contextmanager
def undone() -> Iterator[None]:
    """What is asked inside leaves nothing behind: one world serves everybody."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_role_and_membership_decide(
    request: pytest.FixtureRequest, world: dict[str, int], endpoint: Endpoint
) -> None:
    path, body = endpoint.path.format(**world), filled(endpoint.body, world)
    for who, status in zip(CAST, endpoint.statuses, strict=True):
        asker = request.getfixturevalue(who)
        with undone():
            response = asker.send(endpoint.method, path, body)

        assert response.status_code == status, (who, response.content)
        if status in (403, 404):
            assert code_of(response) == {403: "forbidden", 404: "not_found"}[status], who


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_nobody_gets_in_without_a_key_nor_with_one_that_lacks_the_scope(
    alice: Asker, world: dict[str, int], endpoint: Endpoint
) -> None:
    path, body = endpoint.path.format(**world), filled(endpoint.body, world)
    without = getattr(Client(), endpoint.method.lower())(f"/api/v1/{path}")
    assert (without.status_code, code_of(without)) == (401, "not_authenticated")

    others = [scope for scope in ApiKey.Scope if scope != endpoint.scope]
    response = Asker(alice.user, others).send(endpoint.method, path, body)

    assert (response.status_code, code_of(response)) == (403, "missing_scope")
    assert endpoint.scope in response.json()["error"]["message"]


def test_every_endpoint_is_in_the_table() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    served = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path.removeprefix("/api/v1/")))
        for path, operations in document["paths"].items()
        if path.startswith("/api/v1/") and path != "/api/v1/events"  # see test_events
        for method in operations
    }

    listed = {(e.method, re.sub(r"\{\w+\}", "{}", e.path)) for e in ENDPOINTS}

    assert served == listed


def test_private_incidents_are_in_the_list_of_their_team_only(
    world: dict[str, int], eve: Asker, carol: Asker, bob: Asker, alice: Asker
) -> None:
    seen = {
        asker.user.name: {row["id"] for row in asker.get("incidents").json()["results"]}
        for asker in (eve, carol, bob, alice)
    }

    public, private, everybodys = (world[n] for n in ("public", "private", "open_to_all"))
    assert seen == {
        "Eve": {everybodys},
        "Carol": {public, private, everybodys},
        "Bob": {public, everybodys},
        "Alice": {public, everybodys},
    }


def test_assignee_sees_and_acts_on_a_private_incident(world: dict[str, int], eve: Asker) -> None:
    incident = IncidentFactory(visibility="private", assignee=eve.user)

    assert eve.get(f"incidents/{incident.pk}").status_code == 200
    assert eve.post(f"incidents/{incident.pk}/acknowledge").status_code == 200


def test_integrations_are_listed_to_those_who_may_change_them(
    world: dict[str, int], eve: Asker, carol: Asker
) -> None:
    IntegrationFactory(service=ServiceFactory())

    assert eve.get("integrations").json()["results"] == []
    own = Integration.objects.filter(service=world["service"]).order_by("pk")
    assert [row["id"] for row in carol.get("integrations").json()["results"]] == [
        integration.pk for integration in own
    ]
