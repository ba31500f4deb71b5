"""Changes of incidents reach exactly those who may see the incident."""

import pytest

from incidents.models import Incident
from incidents.selectors import visible_incidents
from opsknight.models import User
from tests.factories import IncidentFactory, ServiceFactory, TeamFactory, UserFactory
from tests.realtime.server import LiveServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cast() -> dict[str, User]:
    """alice (administrator), bob (responder), carol (member of the team), dan (assignee), eve."""
    return {
        "alice": UserFactory(name="Alice", role=User.Role.ADMIN),
        "bob": UserFactory(name="Bob", role=User.Role.RESPONDER),
        "carol": UserFactory(name="Carol"),
        "dan": UserFactory(name="Dan"),
        "eve": UserFactory(name="Eve"),
    }


@pytest.mark.parametrize("visibility", ["public", "private"])
@pytest.mark.parametrize("has_team", [True, False])
@pytest.mark.parametrize("is_assigned", [True, False])
def test_event_reaches_exactly_those_who_may_see_the_incident(
    live: LiveServer, cast: dict[str, User], visibility: str, has_team: bool, is_assigned: bool
) -> None:
    team = TeamFactory(members=[cast["carol"]])
    incident = IncidentFactory(
        service=ServiceFactory(team=team if has_team else None),
        visibility=visibility,
        assignee=cast["dan"] if is_assigned else None,
    )
    pages = {user: live.open_page(user) for user in cast.values()}

    live.publish("incident", incident.pk)
    live.publish("mark", 1)
    for page in pages.values():
        page.wait_for("mark")

    heard = {user.name for user, page in pages.items() if page.named("incident")}
    may_see = {user.name for user in pages if visible_incidents(user).exists()}
    assert heard == may_see


def test_event_carries_the_row_as_it_is_now(live: LiveServer, cast: dict[str, User]) -> None:
    incident = IncidentFactory(title="Disk full", visibility=Incident.Visibility.PUBLIC)
    page = live.open_page(cast["bob"])

    live.publish("incident", incident.pk)
    (event,) = page.wait_for("incident")

    assert event["id"] == incident.pk
    assert event["status"] == "triggered"
    assert event["version"] == incident.version
    assert "Disk full" in event["row"]


def test_change_of_a_schedule_is_heard_by_everybody_and_names_nothing(
    live: LiveServer, cast: dict[str, User]
) -> None:
    pages = [live.open_page(cast["bob"]), live.open_page(cast["eve"])]

    live.publish("oncall", 7)

    assert [page.wait_for("oncall") for page in pages] == [[{}], [{}]]
