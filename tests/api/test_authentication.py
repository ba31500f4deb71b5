"""Who is asking: keys in three headers, sessions, scopes."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from opsknight.models import ApiKey, User
from opsknight.services.keys import revoke_api_key
from tests.api.asking import Asker, code_of
from tests.factories import UserFactory

SERVICES = "/api/v1/services"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Authorization", "Bearer {}"),
        ("Authorization", "bearer {}"),  # schemes have no case
        ("Authorization", "Api-Key {}"),
        ("X-Api-Key", "{}"),
    ],
)
def test_key_is_taken_from_each_header(client: Client, eve: Asker, header: str, value: str) -> None:
    response = client.get(SERVICES, headers={header: value.format(eve.token)})

    assert response.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer ok_wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YWxpY2U6c2VjcmV0"},
        {"Authorization": "Api-Key \udcff\x7f"},
        {"X-Api-Key": ""},
        {"X-Api-Key": "ok_" + "x" * 5000},
    ],
)
def test_without_a_valid_key_the_answer_is_401(
    client: Client, db: None, headers: dict[str, str]
) -> None:
    response = client.get(SERVICES, headers=headers)

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert code_of(response) == "not_authenticated"


def test_revoked_key_is_refused(eve: Asker) -> None:
    revoke_api_key(key=eve.key, actor=eve.user)

    response = eve.get("services")

    assert response.status_code == 401


@pytest.mark.parametrize("status", [User.Status.DISABLED, User.Status.INVITED])
def test_key_of_an_inactive_person_is_refused(eve: Asker, status: str) -> None:
    User.objects.filter(pk=eve.user.pk).update(status=status)

    response = eve.get("services")

    assert response.status_code == 401


def test_wrong_key_is_not_saved_by_a_valid_session(client: Client, eve: Asker) -> None:
    client.force_login(eve.user)

    response = client.get(SERVICES, headers={"X-Api-Key": "ok_wrong"})

    assert response.status_code == 401


def test_use_of_a_key_is_noted(eve: Asker) -> None:
    eve.get("services")

    eve.key.refresh_from_db()
    assert eve.key.last_used_at is not None
    assert eve.key.last_used_at <= timezone.now()


def test_session_may_read(client: Client, eve: Asker) -> None:
    client.force_login(eve.user)

    assert client.get(SERVICES).status_code == 200


def test_session_may_write_with_csrf_token_only(bob: Asker) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob.user)
    body: dict[str, Any] = {"data": {"name": "API"}, "content_type": "application/json"}

    refused = client.post(SERVICES, **body)
    client.get("/api/docs/")  # sets the cookie, as the page of the API does
    token = client.cookies["csrftoken"].value
    taken = client.post(SERVICES, headers={"X-CSRFToken": token}, **body)

    assert (refused.status_code, code_of(refused)) == (403, "csrf_failed")
    assert taken.status_code == 201


def test_key_without_the_scope_is_refused_by_name(db: None) -> None:
    reader = Asker(UserFactory(role=User.Role.ADMIN), [ApiKey.Scope.SERVICES_READ])

    response = reader.post("services", {"name": "API"})

    assert (response.status_code, code_of(response)) == (403, "missing_scope")
    assert "services:write" in response.json()["error"]["message"]


def test_scope_does_not_lift_the_role(db: None) -> None:
    outsider = Asker(UserFactory(), [ApiKey.Scope.SERVICES_WRITE])

    response = outsider.post("services", {"name": "API"})

    assert (response.status_code, code_of(response)) == (403, "forbidden")
