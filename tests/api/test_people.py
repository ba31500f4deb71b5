"""Users and teams."""

from typing import Any

import pytest

from opsknight.models import AuditEntry, Team, TeamMember, User
from tests.api.asking import Asker, code_of, fields_of
from tests.factories import TeamFactory, UserFactory

PASSWORD = "Correct-Horse-7-Battery"


def test_user_without_password_is_invited(alice: Asker) -> None:
    response = alice.post("users", {"email": "Dan@Example.com", "name": "Dan"})

    answered = response.json()
    assert response.status_code == 201
    assert (answered["email"], answered["status"]) == ("dan@example.com", "invited")
    assert answered["invitation_url"].startswith("http")


def test_user_with_password_is_active_at_once(alice: Asker) -> None:
    body = {"email": "dan@example.com", "name": "Dan", "role": "responder", "password": PASSWORD}

    response = alice.post("users", body)

    dan = User.objects.get(email="dan@example.com")
    assert (response.json()["status"], response.json()["invitation_url"]) == ("active", None)
    assert dan.check_password(PASSWORD)
    assert PASSWORD not in response.content.decode()
    assert PASSWORD not in str(AuditEntry.objects.get(action="user.created").changes)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "bob@example.com"}, "email"),
        ({"email": "BOB@example.com"}, "email"),
        ({"role": "king"}, "role"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"name": ""}, "name"),
        ({"password": "short"}, "password"),
        ({"password": 12345678901}, "password"),
    ],
)
def test_wrong_user_names_its_field(
    alice: Asker, bob: Asker, body: dict[str, Any], field: str
) -> None:
    before = User.objects.count()

    response = alice.post("users", {"email": "dan@example.com", "name": "Dan", **body})

    assert set(fields_of(response)) == {field}
    assert User.objects.count() == before


def test_administrator_changes_role_and_status(alice: Asker, carol: Asker) -> None:
    response = alice.patch(f"users/{carol.user.pk}", {"role": "responder", "status": "disabled"})

    assert (response.json()["role"], response.json()["status"]) == ("responder", "disabled")
    assert carol.get("services").status_code == 401


def test_administrator_cannot_demote_themselves(alice: Asker) -> None:
    response = alice.patch(f"users/{alice.user.pk}", {"role": "user"})

    assert set(fields_of(response)) == {"role"}


def test_password_is_never_answered(bob: Asker) -> None:
    assert "password" not in str(bob.get("users").json()["results"])


@pytest.fixture
def owned(bob: Asker, carol: Asker) -> Team:
    """A team of bob, who owns it, and carol."""
    team = TeamFactory(name="Platform", members=[carol.user])
    TeamMember.objects.create(team=team, user=bob.user, role=TeamMember.Role.OWNER)
    return team


def members(response: Any) -> list[tuple[int, str]]:
    assert response.status_code in (200, 201), response.content
    return sorted((m["user"], m["role"]) for m in response.json()["members"])


def test_maker_of_a_team_owns_it(bob: Asker) -> None:
    response = bob.post("teams", {"name": "Platform"})

    assert members(response) == [(bob.user.pk, "owner")]


def test_team_is_made_with_its_members_and_lead(bob: Asker, carol: Asker, eve: Asker) -> None:
    listed = [
        {"user": carol.user.pk, "role": "owner"},
        {"user": eve.user.pk, "receives_pages": False},
    ]

    response = bob.post("teams", {"name": "Platform", "lead": carol.user.pk, "members": listed})

    assert members(response) == [(carol.user.pk, "owner"), (eve.user.pk, "member")]
    assert response.json()["lead"] == carol.user.pk


def test_maker_stays_owner_where_nobody_else_is(bob: Asker, carol: Asker) -> None:
    response = bob.post("teams", {"name": "Platform", "members": [{"user": carol.user.pk}]})

    assert members(response) == [(bob.user.pk, "owner"), (carol.user.pk, "member")]


def test_members_are_replaced(alice: Asker, owned: Team, bob: Asker, eve: Asker) -> None:
    listed = [{"user": bob.user.pk, "role": "owner"}, {"user": eve.user.pk, "role": "admin"}]

    response = alice.patch(f"teams/{owned.pk}", {"members": listed})

    assert members(response) == [(bob.user.pk, "owner"), (eve.user.pk, "admin")]


def test_change_without_members_keeps_them(alice: Asker, owned: Team) -> None:
    before = members(alice.get(f"teams/{owned.pk}"))

    response = alice.patch(f"teams/{owned.pk}", {"description": "New"})

    assert members(response) == before
    assert response.json()["description"] == "New"


def test_lead_may_hand_over_and_leave_in_one_change(
    alice: Asker, owned: Team, bob: Asker, carol: Asker
) -> None:
    Team.objects.filter(pk=owned.pk).update(lead=carol.user)
    listed = [{"user": bob.user.pk, "role": "owner"}]

    response = alice.patch(f"teams/{owned.pk}", {"lead": bob.user.pk, "members": listed})

    assert response.json()["lead"] == bob.user.pk
    assert members(response) == [(bob.user.pk, "owner")]


@pytest.mark.parametrize(
    ("listed", "field"),
    [
        (None, "members"),
        ("bob", "members"),
        ([1], "members.0"),
        ([{}], "members.0.user"),
        ([{"user": 999}], "members.0.user"),
        ([{"user": 10**30}], "members.0.user"),
        ([{"user": "bob"}], "members.0.user"),
        ([{"user": 1, "role": "king"}], "members.0.role"),
    ],
)
def test_wrong_members_are_named_and_nothing_is_saved(
    alice: Asker, owned: Team, listed: object, field: str
) -> None:
    before = members(alice.get(f"teams/{owned.pk}"))

    response = alice.patch(f"teams/{owned.pk}", {"name": "New", "members": listed})

    assert set(fields_of(response)) == {field}
    assert members(alice.get(f"teams/{owned.pk}")) == before
    assert Team.objects.get(pk=owned.pk).name == "Platform"


def test_person_listed_twice_is_named(alice: Asker, owned: Team, bob: Asker) -> None:
    listed = [{"user": bob.user.pk, "role": "owner"}, {"user": bob.user.pk}]

    response = alice.patch(f"teams/{owned.pk}", {"members": listed})

    assert set(fields_of(response)) == {"members.1.user"}


def test_lead_must_be_a_member(alice: Asker, owned: Team) -> None:
    response = alice.patch(f"teams/{owned.pk}", {"lead": UserFactory().pk})

    assert set(fields_of(response)) == {"lead"}


def test_team_keeps_an_owner(alice: Asker, owned: Team, carol: Asker) -> None:
    response = alice.patch(f"teams/{owned.pk}", {"members": [{"user": carol.user.pk}]})

    assert (response.status_code, code_of(response)) == (409, "conflict")
