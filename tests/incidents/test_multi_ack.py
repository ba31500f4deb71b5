"""Where everybody who was paged acknowledges for themselves."""

import pytest
from django.test import Client
from django.urls import reverse

from incidents.models import Incident, TimelineEntry
from incidents.selectors import may_acknowledge
from incidents.services.lifecycle import acknowledge_incidents, unacknowledge_incident
from opsknight.models import User
from tests.factories import IncidentFactory, UserFactory

pytestmark = pytest.mark.django_db
Status = Incident.Status


@pytest.fixture
def bob() -> User:
    return UserFactory(name="Bob", role=User.Role.RESPONDER)


@pytest.fixture
def jane() -> User:
    return UserFactory(name="Jane", role=User.Role.RESPONDER)


@pytest.fixture
def incident() -> Incident:
    return IncidentFactory(is_multi_ack=True)


def messages(incident: Incident) -> list[str]:
    return list(TimelineEntry.objects.filter(incident=incident).values_list("message", flat=True))


def test_b15_a_second_person_acknowledges_as_well(incident: Incident, bob: User, jane: User):
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    changed = acknowledge_incidents(incident_ids=[incident.pk], actor=jane)

    assert [i.pk for i in changed] == [incident.pk]
    assert messages(incident) == ["Acknowledged by Bob", "Acknowledged by Jane"]
    incident.refresh_from_db()
    assert (incident.status, incident.acknowledged_by) == (Status.ACKNOWLEDGED, bob)
    assert (incident.assignee, incident.version) == (bob, 3)


def test_acknowledging_twice_is_one_acknowledgement(incident: Incident, bob: User, jane: User):
    for person in (bob, jane):
        acknowledge_incidents(incident_ids=[incident.pk], actor=person)

    assert acknowledge_incidents(incident_ids=[incident.pk], actor=jane) == []
    assert acknowledge_incidents(incident_ids=[incident.pk], actor=bob) == []

    assert len(messages(incident)) == 2


def test_where_one_is_enough_the_second_changes_nothing(bob: User, jane: User):
    incident = IncidentFactory()
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    assert acknowledge_incidents(incident_ids=[incident.pk], actor=jane) == []

    assert messages(incident) == ["Acknowledged by Bob"]


def test_a_monitoring_system_does_not_acknowledge_as_well(incident: Incident, bob: User):
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    assert acknowledge_incidents(incident_ids=[incident.pk], actor=None, source="Zabbix") == []


def test_everybody_may_acknowledge_anew_after_it_was_triggered_again(
    incident: Incident, bob: User, jane: User
):
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    unacknowledge_incident(incident_id=incident.pk, actor=bob)
    acknowledge_incidents(incident_ids=[incident.pk], actor=jane)
    incident.refresh_from_db()

    assert may_acknowledge(bob, incident)
    assert not may_acknowledge(jane, incident)


def test_many_at_once_take_each_what_they_can(bob: User, jane: User):
    fresh, taken, single, over = (
        IncidentFactory(is_multi_ack=True),
        IncidentFactory(is_multi_ack=True),
        IncidentFactory(),
        IncidentFactory(is_multi_ack=True, status=Status.RESOLVED),
    )
    acknowledge_incidents(incident_ids=[taken.pk, single.pk], actor=bob)

    changed = acknowledge_incidents(
        incident_ids=[fresh.pk, taken.pk, single.pk, over.pk], actor=jane
    )

    assert [i.pk for i in changed] == [fresh.pk, taken.pk]


def test_the_page_offers_the_button_to_who_has_not_acknowledged(
    client: Client, incident: Incident, bob: User, jane: User
):
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    url = reverse("incidents:detail", args=[incident.pk])

    client.force_login(jane)
    assert b'id="do-acknowledge"' in client.get(url).content
    client.force_login(bob)
    assert b'id="do-acknowledge"' not in client.get(url).content


def test_the_page_takes_the_second_acknowledgement(
    client: Client, incident: Incident, bob: User, jane: User
):
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    client.force_login(jane)

    response = client.post(reverse("incidents:acknowledge", args=[incident.pk]), follow=True)

    assert b"You are not paged any more." in response.content
    assert b"Already acknowledged" not in response.content
