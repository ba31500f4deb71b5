"""Schedules and who is on call."""

from typing import Any

import pytest

from escalations.models import Schedule, ScheduleLayer
from opsknight.models import AuditEntry, Team, User
from tests.api.asking import Asker, code_of, fields_of
from tests.factories import PolicyFactory, ScheduleFactory, UserFactory


@pytest.fixture
def layer(bob: Asker, carol: Asker) -> dict[str, Any]:
    """Bob and Carol take weeks in turn, from Monday at nine in Vienna."""
    return {
        "name": "Weeks",
        "rotation": "weekly",
        "rotation_length": 1,
        "starts_at": "2026-11-02T08:00:00Z",
        "ends_at": None,
        "members": [bob.user.pk, carol.user.pk],
    }


@pytest.fixture
def body(layer: dict[str, Any], team: Team) -> dict[str, Any]:
    return {
        "name": "Payments",
        "time_zone": "Europe/Vienna",
        "team": team.pk,
        "layers": [layer],
    }


def test_schedule_is_created_with_its_layers(bob: Asker, body: dict[str, Any]) -> None:
    response = bob.post("schedules", body)

    answered = response.json()
    assert response.status_code == 201, answered
    (asked,), (layer,) = body.pop("layers"), answered["layers"]
    assert body.items() <= answered.items()
    assert asked.items() <= layer.items()


def test_what_was_answered_can_be_sent_back(bob: Asker, body: dict[str, Any]) -> None:
    created = bob.post("schedules", body).json()

    response = bob.put(f"schedules/{created['id']}", created)

    assert response.json() == created
    assert not AuditEntry.objects.filter(action="schedule.updated").exists()


def test_order_of_the_list_is_the_rank_of_the_layers(
    bob: Asker, body: dict[str, Any], layer: dict[str, Any]
) -> None:
    body["layers"] = [{**layer, "name": "First"}, {**layer, "name": "Second"}]
    pk = bob.post("schedules", body).json()["id"]
    body["layers"].reverse()

    response = bob.put(f"schedules/{pk}", body)

    assert [row["name"] for row in response.json()["layers"]] == ["Second", "First"]
    assert list(ScheduleLayer.objects.values_list("name", "position").order_by("position")) == [
        ("Second", 1),
        ("First", 2),
    ]


def test_same_person_may_take_two_turns(bob: Asker, body: dict[str, Any]) -> None:
    body["layers"][0]["members"] = [bob.user.pk, bob.user.pk]

    response = bob.post("schedules", body)

    assert response.json()["layers"][0]["members"] == [bob.user.pk, bob.user.pk]


def test_change_without_layers_keeps_them(bob: Asker, body: dict[str, Any]) -> None:
    created = bob.post("schedules", body).json()

    response = bob.patch(f"schedules/{created['id']}", {"description": "New"})

    answered = response.json()
    assert answered["layers"] == created["layers"]
    assert (answered["description"], answered["version"]) == ("New", created["version"] + 1)


def test_changed_layer_must_be_complete(bob: Asker, body: dict[str, Any]) -> None:
    created = bob.post("schedules", body).json()
    incomplete = {"name": "Weeks", "members": [bob.user.pk]}

    response = bob.patch(f"schedules/{created['id']}", {"layers": [incomplete]})

    assert set(fields_of(response)) == {"layers.0.rotation", "layers.0.starts_at"}


def test_changed_layer_gets_the_defaults(
    bob: Asker, body: dict[str, Any], layer: dict[str, Any]
) -> None:
    pk = bob.post("schedules", body).json()["id"]
    del layer["rotation_length"], layer["ends_at"]

    response = bob.patch(f"schedules/{pk}", {"layers": [layer]})

    assert response.json()["layers"][0]["rotation_length"] == 1


def test_change_of_layers_is_audited_in_words(bob: Asker, body: dict[str, Any]) -> None:
    pk = bob.post("schedules", body).json()["id"]
    body["layers"][0] |= {"members": [bob.user.pk], "rotation_length": 2}

    bob.patch(f"schedules/{pk}", {"layers": body["layers"]})

    entry = AuditEntry.objects.get(action="schedule.updated")
    assert entry.changes["layers"] == [
        ["Weeks: weekly x 1, from 2026-11-02 08:00 to further notice: Bob, Carol"],
        ["Weeks: weekly x 2, from 2026-11-02 08:00 to further notice: Bob"],
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"time_zone": "Europe/Atlantis"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"time_zone": ""}, "time_zone"),
        ({"time_zone": 1}, "time_zone"),
        ({"team": 999}, "team"),
        ({"layers": None}, "layers"),
        ({"layers": "none"}, "layers"),
    ],
)
def test_wrong_schedule_names_its_field(
    bob: Asker, body: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    response = bob.post("schedules", {**body, **change})

    assert set(fields_of(response)) == {field}
    assert not Schedule.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"rotation": "yearly"}, "rotation"),
        ({"rotation_length": 0}, "rotation_length"),
        ({"rotation_length": -1}, "rotation_length"),
        ({"rotation_length": 10_001}, "rotation_length"),
        ({"rotation_length": 10**30}, "rotation_length"),
        ({"rotation_length": "one"}, "rotation_length"),
        ({"starts_at": None}, "starts_at"),
        ({"starts_at": "monday"}, "starts_at"),
        ({"starts_at": "9999-12-31T23:59:59Z"}, "starts_at"),
        ({"starts_at": "0001-01-01T00:00:00+14:00"}, "starts_at"),
        ({"starts_at": "2026-02-30T00:00:00Z"}, "starts_at"),
        ({"ends_at": "2026-11-01T00:00:00Z"}, "ends_at"),
        ({"ends_at": "2026-11-02T08:00:59Z"}, "ends_at"),
        ({"ends_at": "9999-01-01T00:00:00Z"}, "ends_at"),
        ({"members": []}, "members"),
        ({"members": "bob"}, "members"),
        ({"members": ["bob"]}, "members.0"),
        ({"members": [None]}, "members.0"),
        ({"members": [0]}, "members.0"),
        ({"members": [999]}, "members.0"),
        ({"members": [10**30]}, "members.0"),
        ({"members": [1] * 501}, "members"),
    ],
)
def test_wrong_layer_names_its_field_and_nothing_is_saved(
    bob: Asker, body: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    body["layers"][0] |= change

    response = bob.post("schedules", body)

    assert set(fields_of(response)) == {f"layers.0.{field}"}
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("status", [User.Status.DISABLED, User.Status.INVITED])
def test_people_who_cannot_be_paged_are_refused(
    bob: Asker, body: dict[str, Any], status: str
) -> None:
    body["layers"][0]["members"].append(UserFactory(name="Dan", status=status).pk)

    response = bob.post("schedules", body)

    fields = fields_of(response)
    assert list(fields) == ["layers.0.members.2"]
    assert "Dan cannot be paged" in fields["layers.0.members.2"][0]


def test_refused_change_leaves_the_schedule_as_it_was(bob: Asker, body: dict[str, Any]) -> None:
    created = bob.post("schedules", body).json()
    body["layers"][0]["members"] = [999]

    bob.put(f"schedules/{created['id']}", {**body, "name": "New"})

    assert bob.get(f"schedules/{created['id']}").json() == created


def test_schedule_that_is_paged_is_not_deleted(bob: Asker) -> None:
    schedule = ScheduleFactory()
    PolicyFactory(name="Critical", steps=[(0, [schedule])])

    response = bob.delete(f"schedules/{schedule.pk}")

    assert (response.status_code, code_of(response)) == (409, "conflict")
    assert "Critical" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("at", "who", "until"),
    [
        ("2026-11-02T08:00:00Z", "Bob", "2026-11-09T08:00:00Z"),
        ("2026-11-09T07:59:00Z", "Bob", "2026-11-09T08:00:00Z"),
        ("2026-11-09T08:00:00Z", "Carol", "2026-11-16T08:00:00Z"),
        ("2026-11-09T09:00:00+01:00", "Carol", "2026-11-16T08:00:00Z"),
        # Vienna leaves summer time in between: nine o'clock was seven in UTC.
        ("2026-10-19T07:00:00Z", "Bob", "2026-10-26T08:00:00Z"),
    ],
)
def test_on_call_answers_who_until_when_and_who_is_next(
    bob: Asker, body: dict[str, Any], at: str, who: str, until: str
) -> None:
    pk = bob.post("schedules", body).json()["id"]

    answered = bob.get(f"schedules/{pk}/on-call", at=at).json()

    assert (answered["user"]["name"], answered["until"]) == (who, until)
    assert answered["next_user"]["name"] == {"Bob": "Carol", "Carol": "Bob"}[who]
    assert answered["schedule"] == pk


def test_on_call_without_a_time_is_now(bob: Asker, carol: Asker) -> None:
    schedule = ScheduleFactory(members=[carol.user])

    answered = bob.get(f"schedules/{schedule.pk}/on-call").json()

    assert answered["user"] == {
        "id": carol.user.pk,
        "name": "Carol",
        "email": "carol@example.com",
    }
    assert (answered["until"], answered["next_user"]) == (None, None)


def test_nobody_on_call_is_null(bob: Asker) -> None:
    answered = bob.get(f"schedules/{ScheduleFactory().pk}/on-call").json()

    assert answered["user"] is None


@pytest.mark.parametrize("at", ["", "now", "9999-12-31T23:59:59Z", "1500-01-01T00:00:00Z", "\x00"])
def test_wrong_time_of_on_call_is_named(bob: Asker, at: str) -> None:
    response = bob.get(f"schedules/{ScheduleFactory().pk}/on-call", at=at)

    assert set(fields_of(response)) == {"at"}
