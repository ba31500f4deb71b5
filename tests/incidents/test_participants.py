"""Whoever was paged may see and act, whatever the team; moving a service pages anew."""

import pytest
from django.utils import timezone

from escalations.services.engine import run_due_steps
from incidents.models import Incident
from incidents.selectors import (
    get_incident_for,
    ids_to_act_on,
    may_act_on,
    visible_incidents,
)
from incidents.services.catalog import update_service
from incidents.services.participants import add_participants
from incidents.web.live import channels_of
from notifications.models import Notification
from notifications.services.outbox import PageRequest, queue_pages
from opsknight.errors import NotFound
from tests.factories import (
    IncidentFactory,
    PolicyFactory,
    ServiceFactory,
    TeamFactory,
    UserFactory,
)


@pytest.fixture
def private_incident(db: None) -> Incident:
    service = ServiceFactory(team=TeamFactory())
    return IncidentFactory(service=service, visibility="private")


@pytest.mark.parametrize("role", ["user", "responder", "admin"])
def test_who_was_paged_sees_the_private_incident_and_may_act(private_incident: Incident, role: str):
    person = UserFactory(role=role)
    with pytest.raises(NotFound):
        get_incident_for(person, private_incident.pk)

    request = PageRequest(
        private_incident.pk, person.pk, Notification.Reason.ESCALATION, "step:0:0:0"
    )
    queue_pages(requests=[request], now=timezone.now())

    incident = get_incident_for(person, private_incident.pk)
    assert may_act_on(person, incident)
    assert f"user-{person.pk}" in channels_of(incident)
    assert not visible_incidents(UserFactory(role="admin")).exists()


def test_who_was_paged_may_act_on_many_at_once(private_incident: Incident):
    person = UserFactory(role="user")
    other = IncidentFactory(service=ServiceFactory(team=TeamFactory()))
    add_participants(pairs=[(private_incident.pk, person.pk)], now=timezone.now())

    assert ids_to_act_on(person, [private_incident, other]) == [private_incident.pk]


@pytest.mark.django_db
def test_a_service_moved_to_another_policy_pages_its_first_step_at_once():
    bob, carol = UserFactory(), UserFactory()
    service = ServiceFactory(escalation_policy=PolicyFactory(steps=[(0, [bob])]))
    incident = IncidentFactory(service=service, escalate_at=timezone.now())
    run_due_steps()

    values = {"escalation_policy": PolicyFactory(steps=[(0, [carol])])}
    update_service(service=service, values=values, actor=None)  # type: ignore[arg-type]
    run_due_steps()

    paged = Notification.objects.filter(incident=incident).values_list("user_id", flat=True)
    assert set(paged) == {bob.pk, carol.pk}
