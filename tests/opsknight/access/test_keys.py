"""API keys: shown once, known by hash, useless when revoked."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from opsknight.errors import InvalidInput
from opsknight.models import ApiKey, AuditEntry, User
from opsknight.services.keys import authenticate_key, create_api_key, revoke_api_key

pytestmark = pytest.mark.django_db
SCOPES = ["incidents:read", "events:write"]


def test_a_key_acts_for_its_owner(bob: User) -> None:
    key, token = create_api_key(user=bob, name="Script", scopes=SCOPES)

    found = authenticate_key(token)

    assert found == key
    assert found.user == bob
    assert token.startswith("ok_")
    assert len(token) == 46


def test_the_key_itself_is_not_stored(bob: User) -> None:
    _, token = create_api_key(user=bob, name="Script", scopes=SCOPES)

    stored = ApiKey.objects.values().get()
    logged = AuditEntry.objects.values().get()

    assert token not in str(stored) + str(logged)
    assert token[11:] not in str(stored) + str(logged)


@pytest.mark.parametrize("token", ["", "ok_", "ok_wrong", "sk_" + "x" * 43, "ok_" + "x" * 5000])
def test_other_text_is_no_key(bob: User, token: str) -> None:
    create_api_key(user=bob, name="Script", scopes=SCOPES)

    assert authenticate_key(token) is None


def test_a_revoked_key_opens_nothing(bob: User) -> None:
    key, token = create_api_key(user=bob, name="Script", scopes=SCOPES)

    revoke_api_key(key=key, actor=bob)

    assert authenticate_key(token) is None
    assert AuditEntry.objects.filter(action="api_key.revoked").count() == 1


def test_a_key_of_a_disabled_user_opens_nothing(bob: User) -> None:
    _, token = create_api_key(user=bob, name="Script", scopes=SCOPES)

    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)

    assert authenticate_key(token) is None


def test_the_last_use_is_written_once_a_minute(bob: User, django_assert_num_queries) -> None:
    key, token = create_api_key(user=bob, name="Script", scopes=SCOPES)
    now = timezone.now()

    with django_assert_num_queries(2):  # the key with its owner, the time of use
        authenticate_key(token, now=now)
    with django_assert_num_queries(1):
        authenticate_key(token, now=now + timedelta(seconds=59))
    with django_assert_num_queries(2):
        authenticate_key(token, now=now + timedelta(seconds=60))

    key.refresh_from_db()
    assert key.last_used_at == now + timedelta(seconds=60)


def test_wrong_values_are_named(bob: User) -> None:
    with pytest.raises(InvalidInput) as caught:
        create_api_key(user=bob, name=" ", scopes=["incidents:destroy"])

    assert caught.value.fields.keys() == {"name", "scopes"}


def test_the_command_prints_only_the_key(bob: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command(
        "create_api_key",
        "--email=Bob@example.com",
        "--name=bench",
        "--scope=events:write",
        "--scope=incidents:read",
    )

    key = authenticate_key(capsys.readouterr().out.strip())
    assert key is not None
    assert (key.user, key.scopes) == (bob, ["events:write", "incidents:read"])


def test_the_command_names_who_is_unknown(db: None) -> None:
    with pytest.raises(CommandError, match=r"There is no user nobody@example\.com"):
        call_command("create_api_key", "--email=nobody@example.com", "--name=bench")


def test_a_new_key_is_shown_once(client: Client, bob: User) -> None:
    client.force_login(bob)

    created = client.post("/profile/keys/", {"name": "Script", "scopes": SCOPES})
    later = client.get("/profile/keys/")

    token = created.context["token"]
    assert token in created.text
    assert "no-store" in created["Cache-Control"]
    assert authenticate_key(token) is not None
    assert "Script" in later.text
    assert token not in later.text


def test_a_key_without_scopes_is_refused(client: Client, bob: User) -> None:
    client.force_login(bob)

    response = client.post("/profile/keys/", {"name": "Script"})

    assert response.status_code == 400
    assert not ApiKey.objects.exists()


def test_an_owner_revokes_a_key(client: Client, bob: User) -> None:
    key, token = create_api_key(user=bob, name="Script", scopes=SCOPES)
    client.force_login(bob)

    client.post(f"/profile/keys/{key.pk}/revoke/")

    assert authenticate_key(token) is None


def test_somebody_elses_key_is_not_found(client: Client, alice: User, bob: User) -> None:
    key, token = create_api_key(user=bob, name="Script", scopes=SCOPES)
    client.force_login(alice)

    response = client.post(f"/profile/keys/{key.pk}/revoke/")

    assert response.status_code == 404
    assert authenticate_key(token) is not None
    assert list(client.get("/profile/keys/").context["keys"]) == []
