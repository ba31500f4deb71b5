"""Lists cost as many queries for ten rows as for one."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.models import Change
from incidents.services.lifecycle import add_note
from opsknight.models import User
from tests.api.asking import Asker
from tests.factories import (
    AnnouncementFactory,
    CalendarFeedFactory,
    DeliveryFactory,
    DestinationFactory,
    IncidentFactory,
    IntegrationFactory,
    MaintenanceWindowFactory,
    PolicyFactory,
    ScheduleFactory,
    ServiceFactory,
    TeamFactory,
    UserFactory,
)


def _incident() -> None:
    people = UserFactory.create_batch(2)
    team = TeamFactory(members=people)
    IncidentFactory(service=ServiceFactory(team=team), assignee=people[0])


def _change() -> None:
    way = IntegrationFactory(service=ServiceFactory(team=TeamFactory()))
    Change.objects.create(service=way.service, integration=way, summary="Deployed")


def _delivery() -> None:
    incident = IncidentFactory()
    results = [{"action": "triggered", "dedup_key": "x", "incident": incident.pk}]
    DeliveryFactory(integration__service=incident.service, results=results)


def _destination() -> None:
    DestinationFactory(team=TeamFactory())


def _policy() -> None:
    person = UserFactory()
    targets = [person, TeamFactory(), ScheduleFactory(members=[person])]
    PolicyFactory(steps=[(0, targets), (5, targets)])


def _service() -> None:
    ServiceFactory(team=TeamFactory(), escalation_policy=PolicyFactory())


def _feed() -> object:
    return CalendarFeedFactory(owner=User.objects.get(name="Bob"))


MAKERS: dict[str, Callable[[], object]] = {
    "services": _service,
    "integrations": IntegrationFactory,
    "deliveries": _delivery,
    "changes": _change,
    "incidents": _incident,
    "maintenance-windows": MaintenanceWindowFactory,
    "calendar-feeds": _feed,
    "on-call-announcements": AnnouncementFactory,
    "destinations": _destination,
    "escalation-policies": _policy,
    "schedules": lambda: ScheduleFactory(members=UserFactory.create_batch(3)),
    "users": lambda: TeamFactory(members=[UserFactory()]),
    "teams": lambda: TeamFactory(members=UserFactory.create_batch(3)),
}
# Of the request itself: the key with its owner, and the list. More where a row has parts.
QUERIES = {
    "services": 2,
    "integrations": 2,
    "deliveries": 3,  # which of their incidents may be seen
    "changes": 2,
    "incidents": 2,
    "maintenance-windows": 2,
    "on-call-announcements": 2,
    "calendar-feeds": 3,  # the addresses of one's own
    "destinations": 3,  # the teams that the person runs, whose addresses are shown in full
    "escalation-policies": 4,  # the steps, their targets
    "schedules": 5,  # the layers, their members, their restrictions
    "users": 2,
    "teams": 3,  # the members
}


def queries_of(asker: Asker, path: str) -> tuple[int, int]:
    """The number of queries and of rows of a list."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = asker.get(path)
    return len(queries), len(response.json()["results"])


@pytest.mark.parametrize("path", MAKERS)
def test_list_costs_the_same_for_many_rows(bob: Asker, path: str) -> None:
    bob.get(path)  # notes that the key was used, once a minute
    MAKERS[path]()
    few, rows_at_first = queries_of(bob, path)
    for _ in range(9):
        MAKERS[path]()

    many, rows = queries_of(bob, path)

    assert rows >= rows_at_first + 9
    assert (few, many) == (QUERIES[path], QUERIES[path])


@pytest.mark.parametrize("path", ["notes", "timeline"])
def test_history_costs_the_same_for_many_entries(bob: Asker, path: str) -> None:
    incident = IncidentFactory()
    address = f"incidents/{incident.pk}/{path}"
    bob.get(address)

    def write(count: int) -> None:
        for _ in range(count):
            add_note(incident_id=incident.pk, actor=User.objects.get(pk=bob.user.pk), text="x")

    write(1)
    few, _ = queries_of(bob, address)
    write(9)

    many, rows = queries_of(bob, address)

    assert (few, many, rows) == (3, 3, 10)  # the key, the incident, its entries
