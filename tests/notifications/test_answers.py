"""What people answer, by whatever way."""

import pytest
from django.utils import timezone

from incidents.models import Incident, TimelineEntry
from incidents.services.lifecycle import acknowledge_incidents, resolve_incidents
from notifications.services.answers import Action, Answer, act
from opsknight.errors import NotAllowed, NotFound
from opsknight.models import User
from tests.factories import IncidentFactory, NotificationFactory

pytestmark = pytest.mark.django_db
Status = Incident.Status


def answer(user: User, incident: Incident, action: Action = "acknowledge") -> Answer:
    now = timezone.now()
    return act(user=user, incident_id=incident.pk, action=action, via="by SMS", now=now)


def said(incident: Incident) -> list[str]:
    return list(TimelineEntry.objects.filter(incident=incident).values_list("message", flat=True))


def test_acknowledging_says_who_did_it_and_by_which_way(incident: Incident, bob: User) -> None:
    given = answer(bob, incident)

    incident.refresh_from_db()
    assert (incident.status, incident.acknowledged_by) == (Status.ACKNOWLEDGED, bob)
    assert said(incident) == ["Acknowledged by Bob by SMS"]
    assert given.text == f"#{incident.pk} Error rate above 5 %: acknowledged."
    assert given.is_done


def test_resolving_says_who_did_it_and_by_which_way(incident: Incident, bob: User) -> None:
    given = answer(bob, incident, "resolve")

    incident.refresh_from_db()
    assert incident.status == Status.RESOLVED
    assert said(incident) == ["Resolved by Bob by SMS"]
    assert given.news == "resolved"


def test_the_second_who_acknowledges_hears_who_was_first(
    incident: Incident, bob: User, carol: User
) -> None:
    answer(bob, incident)

    given = answer(carol, incident)

    assert (given.news, given.is_done) == ("already acknowledged by Bob", False)
    assert said(incident) == ["Acknowledged by Bob by SMS"]


def test_a_resolved_incident_cannot_be_acknowledged(incident: Incident, bob: User) -> None:
    resolve_incidents(incident_ids=[incident.pk], actor=None, source="Prometheus")

    given = answer(bob, incident)

    assert (given.news, given.is_done) == ("already resolved", False)


def test_a_snoozed_incident_cannot_be_acknowledged(bob: User) -> None:
    now = timezone.now()
    incident = IncidentFactory(status=Status.SNOOZED, snoozed_until=now)

    assert answer(bob, incident).news == "nothing to do, it is snoozed"


def test_where_everybody_acknowledges_the_second_does_so_too(
    incident: Incident, bob: User, carol: User
) -> None:
    Incident.objects.filter(pk=incident.pk).update(is_multi_ack=True)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    given = answer(carol, incident)

    assert (given.news, given.is_done) == ("acknowledged", True)


def test_whoever_was_paged_may_answer(eve: User) -> None:
    incident = IncidentFactory(visibility=Incident.Visibility.PRIVATE)
    NotificationFactory(incident=incident, user=eve)
    incident.participants.create(user=eve)

    assert answer(eve, incident).is_done


def test_a_stranger_finds_no_incident_to_answer(incident: Incident, eve: User) -> None:
    with pytest.raises(NotFound):
        answer(eve, incident)


def test_a_reader_may_not_answer(eve: User) -> None:
    incident = IncidentFactory()

    with pytest.raises(NotAllowed):
        answer(eve, incident)


def test_somebody_disabled_may_not_answer(incident: Incident, bob: User) -> None:
    bob.status = User.Status.DISABLED
    bob.save(update_fields=["status"])

    with pytest.raises(NotFound):
        answer(bob, incident)

    assert said(incident) == []


def test_a_long_title_is_cut_in_an_answer(bob: User) -> None:
    incident = IncidentFactory(title="Disk\nfull " * 40)

    given = answer(bob, incident)

    assert len(given.title) == 80
    assert given.title.startswith("Disk full Disk")
    assert given.title.endswith("…")
