"""Incidents."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from incidents.models import Incident, Service, TimelineEntry
from incidents.services.lifecycle import add_note
from opsknight.models import User
from tests.api.asking import Asker, code_of, fields_of
from tests.factories import IncidentFactory, ServiceFactory, TeamFactory, UserFactory

Status = Incident.Status


def test_incident_is_opened_and_escalates(bob: Asker, service: Service, settings: Any) -> None:
    settings.PUBLIC_URL = "https://ops.example.com"
    body = {
        "service": service.pk,
        "title": "Till is down",
        "description": "Nobody can pay",
        "urgency": "high",
        "priority": "P1",
        "dedup_key": "till",
        "assignee": bob.user.pk,
    }

    response = bob.post("incidents", body)

    answered = response.json()
    assert response.status_code == 201, answered
    assert body.items() <= answered.items()
    assert (answered["status"], answered["service_name"]) == ("triggered", "Checkout")
    assert answered["url"] == f"https://ops.example.com/incidents/{answered['id']}/"
    assert Incident.objects.get().escalate_at is not None


def test_key_of_an_open_incident_is_a_conflict(bob: Asker, service: Service) -> None:
    IncidentFactory(service=service, dedup_key="till")

    response = bob.post("incidents", {"service": service.pk, "title": "T", "dedup_key": "till"})

    assert (response.status_code, code_of(response)) == (409, "conflict")


def test_assignee_who_cannot_be_paged_is_refused(bob: Asker, service: Service) -> None:
    dan = UserFactory(name="Dan", status=User.Status.DISABLED)

    response = bob.post("incidents", {"service": service.pk, "title": "T", "assignee": dan.pk})

    assert set(fields_of(response)) == {"assignee"}


def test_nobody_opens_an_incident_they_could_not_see(bob: Asker, service: Service) -> None:
    body = {"service": service.pk, "title": "T", "visibility": "private"}

    refused = bob.post("incidents", body)
    taken = bob.post("incidents", {**body, "assignee": bob.user.pk})

    assert set(fields_of(refused)) == {"visibility"}
    assert bob.get(f"incidents/{taken.json()['id']}").status_code == 200


def test_acknowledge_stops_escalation_and_names_the_key(carol: Asker, service: Service) -> None:
    incident = IncidentFactory(service=service, escalate_at=timezone.now())

    response = carol.post(f"incidents/{incident.pk}/acknowledge")

    answered = response.json()
    incident.refresh_from_db()
    assert (answered["status"], answered["acknowledged_by"]) == ("acknowledged", carol.user.pk)
    assert answered["assignee"] == carol.user.pk
    assert incident.escalate_at is None
    assert incident.timeline.get().message == "Acknowledged by Carol (API key test)"


def test_acknowledging_twice_does_no_harm(bob: Asker) -> None:
    incident = IncidentFactory()
    first = bob.post(f"incidents/{incident.pk}/acknowledge").json()

    second = bob.post(f"incidents/{incident.pk}/acknowledge")

    assert (second.status_code, second.json()) == (200, first)


@pytest.mark.parametrize("status", [Status.RESOLVED, Status.SUPPRESSED])
def test_what_is_not_triggered_cannot_be_acknowledged(bob: Asker, status: str) -> None:
    incident = IncidentFactory(status=status)

    response = bob.post(f"incidents/{incident.pk}/acknowledge")

    assert (response.status_code, code_of(response)) == (409, "conflict")
    assert status in response.json()["error"]["message"]


def test_resolve_keeps_the_note(bob: Asker) -> None:
    incident = IncidentFactory()

    response = bob.post(f"incidents/{incident.pk}/resolve", {"note": "Restarted it"})

    assert (response.json()["status"], response.json()["resolved_by"]) == (
        "resolved",
        bob.user.pk,
    )
    assert [row["text"] for row in bob.get(f"incidents/{incident.pk}/notes").json()["results"]] == [
        "Restarted it"
    ]


def test_resolve_needs_no_body_and_does_no_harm_twice(bob: Asker) -> None:
    incident = IncidentFactory()
    bob.post(f"incidents/{incident.pk}/resolve")

    response = bob.post(f"incidents/{incident.pk}/resolve")

    assert response.status_code == 200
    assert incident.timeline.count() == 1


def test_resolution_note_that_is_no_text_is_refused(bob: Asker) -> None:
    incident = IncidentFactory()

    response = bob.post(f"incidents/{incident.pk}/resolve", {"note": 5})

    incident.refresh_from_db()
    assert set(fields_of(response)) == {"note"}
    assert incident.status == Status.TRIGGERED


def test_note_is_written_and_listed_oldest_first(bob: Asker) -> None:
    incident = IncidentFactory()
    add_note(incident_id=incident.pk, actor=None, text="First")

    response = bob.post(f"incidents/{incident.pk}/notes", {"text": "Second"})

    listed = bob.get(f"incidents/{incident.pk}/notes").json()["results"]
    assert response.status_code == 201
    assert (response.json()["author"], response.json()["author_name"]) == (bob.user.pk, "Bob")
    assert [note["text"] for note in listed] == ["First", "Second"]


def test_timeline_tells_what_happened(bob: Asker) -> None:
    incident = IncidentFactory()
    bob.post(f"incidents/{incident.pk}/acknowledge")
    bob.post(f"incidents/{incident.pk}/notes", {"text": "Looking"})
    bob.post(f"incidents/{incident.pk}/resolve")

    listed = bob.get(f"incidents/{incident.pk}/timeline").json()["results"]

    assert [entry["kind"] for entry in listed] == ["acknowledged", "note", "resolved"]
    assert {entry["actor"] for entry in listed} == {bob.user.pk}


def test_incident_goes_to_a_person_a_team_and_nobody(bob: Asker, carol: Asker) -> None:
    incident = IncidentFactory()
    team = TeamFactory()

    def assigned(body: dict[str, Any]) -> tuple[int | None, int | None]:
        answered = bob.post(f"incidents/{incident.pk}/reassign", body).json()
        return answered["assignee"], answered["team"]

    assert assigned({"assignee": carol.user.pk}) == (carol.user.pk, None)
    assert assigned({"team": team.pk}) == (None, team.pk)
    assert assigned({"team": None}) == (None, None)


def test_giving_away_a_private_incident_answers_it_a_last_time(
    carol: Asker, eve: Asker, service: Service
) -> None:
    incident = IncidentFactory(visibility="private", assignee=eve.user)

    response = eve.post(f"incidents/{incident.pk}/reassign", {"assignee": carol.user.pk})

    assert response.json()["assignee"] == carol.user.pk
    assert eve.get(f"incidents/{incident.pk}").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"assignee": 999}, "assignee"),
        ({"assignee": "bob"}, "assignee"),
        ({"team": 999}, "team"),
    ],
)
def test_wrong_assignment_names_its_field(bob: Asker, body: dict[str, Any], field: str) -> None:
    response = bob.post(f"incidents/{IncidentFactory().pk}/reassign", body)

    assert set(fields_of(response)) == {field}


def test_resolved_incident_cannot_be_reassigned(bob: Asker, carol: Asker) -> None:
    incident = IncidentFactory(status=Status.RESOLVED)

    response = bob.post(f"incidents/{incident.pk}/reassign", {"assignee": carol.user.pk})

    assert response.status_code == 409


# The list


def titles(asker: Asker, **query: Any) -> list[str]:
    response = asker.get("incidents", **query)
    assert response.status_code == 200, response.content
    return sorted(row["title"] for row in response.json()["results"])


@pytest.fixture
def five(service: Service, bob: Asker) -> None:
    """Incidents a to e, each different in one way."""
    other = ServiceFactory(name="Search")
    day = timezone.now() - timedelta(days=2)
    IncidentFactory(title="a", service=service, urgency="low")
    IncidentFactory(title="b", service=service, status=Status.ACKNOWLEDGED, assignee=bob.user)
    IncidentFactory(title="c", service=other, status=Status.RESOLVED, created_at=day)
    IncidentFactory(title="d", service=other, description="disk_full", urgency="medium")
    IncidentFactory(title="e", service=other, team=service.team)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "abcde"),
        ({"status": "triggered"}, "ade"),
        ({"status": ["triggered", "resolved"]}, "acde"),
        ({"status": "triggered,resolved"}, "acde"),
        ({"status": "open"}, "abde"),
        ({"status": "open,resolved"}, "abcde"),
        ({"status": "snoozed"}, ""),
        ({"urgency": "low,medium"}, "ad"),
        ({"assignee": "me"}, "b"),
        ({"assignee": "none"}, "acd"),
        ({"q": "disk_"}, "d"),
        ({"q": "diskXfull"}, ""),
        ({"status": "triggered", "urgency": "high"}, "e"),
    ],
)
def test_list_is_narrowed(five: None, bob: Asker, query: dict[str, Any], found: str) -> None:
    assert titles(bob, **query) == list(found)


def test_list_is_narrowed_by_ids(five: None, bob: Asker, service: Service) -> None:
    assert titles(bob, service=service.pk) == ["a", "b"]
    assert titles(bob, team=service.team_id) == ["a", "b", "e"]
    assert titles(bob, assignee=bob.user.pk) == ["b"]


def test_list_is_narrowed_by_time(five: None, bob: Asker) -> None:
    yesterday = timezone.now() - timedelta(days=1)

    assert titles(bob, since=yesterday.isoformat()) == ["a", "b", "d", "e"]
    assert titles(bob, until=yesterday.strftime("%Y-%m-%dT%H:%M:%S")) == ["c"]


def test_plus_of_a_zone_may_arrive_as_a_space(five: None, bob: Asker) -> None:
    assert titles(bob, since="2020-01-01T00:00:00 02:00") == list("abcde")


def test_number_of_an_incident_finds_it(bob: Asker) -> None:
    incident = IncidentFactory(title="found")
    IncidentFactory(title="other")

    assert titles(bob, q=f"#{incident.pk}") == ["found"]


def test_times_are_in_utc_whatever_the_zone_of_the_person(client: Any, bob: Asker) -> None:
    User.objects.filter(pk=bob.user.pk).update(time_zone="Asia/Kolkata")
    incident = IncidentFactory()
    client.force_login(bob.user)

    answered = client.get(f"/api/v1/incidents/{incident.pk}").json()

    assert answered["created_at"].endswith("Z")


def test_timeline_of_a_machine_names_the_sender(bob: Asker) -> None:
    incident = IncidentFactory()
    TimelineEntry.objects.create(
        incident=incident, kind="triggered", actor_label="Alertmanager", message="Triggered"
    )

    (entry,) = bob.get(f"incidents/{incident.pk}/timeline").json()["results"]

    assert (entry["actor"], entry["actor_label"]) == (None, "Alertmanager")
