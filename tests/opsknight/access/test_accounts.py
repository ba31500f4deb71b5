"""First start, invitations, new passwords, sign-out everywhere."""

import re
import threading
from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from opsknight.errors import Conflict, InvalidInput
from opsknight.models import AuditEntry, User, UserToken
from opsknight.services import accounts
from opsknight.services.links import LinkUnusable
from tests.factories import UserFactory
from tests.opsknight.access.conftest import PASSWORD, with_password

pytestmark = pytest.mark.django_db
JOINING = {
    "name": "Alice",
    "email": "Alice@Example.com",
    "time_zone": "Europe/Vienna",
    "password": PASSWORD,
    "password_again": PASSWORD,
}


def ensure_admin(capsys: pytest.CaptureFixture[str]) -> str:
    call_command("ensure_admin")
    return capsys.readouterr().out


def printed_link(capsys: pytest.CaptureFixture[str]) -> str:
    found = re.search(r"https?://\S+", ensure_admin(capsys))
    assert found
    return found[0]


def path_of(link: str) -> str:
    return "/" + link.split("/", 3)[3]


def test_first_start_prints_one_line_with_a_set_up_link(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://ops.example.com"

    lines = ensure_admin(capsys).splitlines()

    assert len(lines) == 1
    assert re.search(r"https://ops\.example\.com/setup/[\w-]{43}/$", lines[0])


def test_set_up_link_makes_an_administrator_who_is_signed_in(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    path = path_of(printed_link(capsys))

    page = client.get(path)
    response = client.post(path, JOINING)

    assert page.status_code == 200
    assert response.url == "/"
    user = User.objects.get()
    assert (user.email, user.is_admin, user.time_zone) == (
        "alice@example.com",
        True,
        "Europe/Vienna",
    )
    assert client.get("/profile/").status_code == 200


def test_set_up_link_works_once(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    path = path_of(printed_link(capsys))
    client.post(path, JOINING)

    response = Client().post(path, {**JOINING, "email": "mallory@example.com"})

    assert response.status_code == 410
    assert User.objects.count() == 1


def test_a_new_start_prints_a_new_link_and_ends_the_old(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = printed_link(capsys), printed_link(capsys)

    assert client.get(path_of(old)).status_code == 410
    assert client.get(path_of(new)).status_code == 200


def test_set_up_link_is_too_old_after_a_day(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    path = path_of(printed_link(capsys))

    with time_machine.travel(timezone.now() + timedelta(hours=24, seconds=1)):
        response = client.get(path)

    assert response.status_code == 410
    assert "Restart OpsKnight" in response.text


def test_a_made_up_link_does_not_work(client: Client, db: None) -> None:
    assert client.get("/setup/abc/").status_code == 410
    assert client.get("/invite/abc/").status_code == 410
    assert client.get("/reset/abc/").status_code == 410


def test_a_refused_password_leaves_the_link_usable(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    path = path_of(printed_link(capsys))

    refused = client.post(path, {**JOINING, "password": "short", "password_again": "short"})
    accepted = client.post(path, JOINING)

    assert refused.status_code == 400
    assert "at least 10 characters" in refused.text
    assert accepted.status_code == 302


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("password_again", "Other-Horse-7", "This differs from the password above."),
        ("email", "no address", "Enter a valid email address."),
        ("time_zone", "Mars/Olympus", "Select a valid choice."),
        ("name", "", "This field is required."),
        ("name", "   ", "This field is required."),
    ],
)
def test_set_up_names_the_field_that_is_wrong(
    client: Client, capsys: pytest.CaptureFixture[str], field: str, value: str, message: str
) -> None:
    path = path_of(printed_link(capsys))

    response = client.post(path, {**JOINING, field: value})

    assert response.status_code == 400
    assert message in response.context["form"].errors[field][0]
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_who_use_the_set_up_link_at_once_one_wins() -> None:
    token = accounts.create_setup_link()
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def use(email: str) -> None:
        start.wait()
        try:
            accounts.set_up(token=token, email=email, name="Somebody", password=PASSWORD)
            outcomes.append("won")
        except LinkUnusable:
            outcomes.append("too late")
        finally:
            connection.close()

    threads = [threading.Thread(target=use, args=(f"{n}@example.com",)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["too late", "won"]
    assert User.objects.count() == 1


def test_later_starts_are_silent(alice: User, capsys: pytest.CaptureFixture[str]) -> None:
    assert ensure_admin(capsys) == ""
    assert not UserToken.objects.exists()


def test_environment_makes_the_first_administrator(
    client: Client, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD = "Root@Example.com", PASSWORD

    ensure_admin(capsys)
    response = client.post("/login/", {"email": "root@example.com", "password": PASSWORD})

    assert response.status_code == 302
    assert User.objects.get().is_admin


def test_environment_changes_nothing_once_there_is_an_administrator(
    alice: User, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD = "root@example.com", PASSWORD

    ensure_admin(capsys)

    assert list(User.objects.all()) == [alice]


def test_environment_makes_a_link_useless_that_was_printed_before(
    client: Client, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    path = path_of(printed_link(capsys))
    settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD = "root@example.com", PASSWORD

    ensure_admin(capsys)

    assert client.get(path).status_code == 410


@pytest.mark.parametrize(
    ("email", "password", "message"),
    [
        ("root@example.com", "short", "OPSKNIGHT_ADMIN_PASSWORD cannot be used: "),
        ("root", PASSWORD, "OPSKNIGHT_ADMIN_EMAIL cannot be used: "),
        ("root@example.com", "", "together"),
        ("", PASSWORD, "together"),
    ],
)
def test_unusable_environment_is_one_clear_line(
    settings: Settings, email: str, password: str, message: str, db: None
) -> None:
    settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD = email, password

    with pytest.raises(CommandError, match=message) as caught:
        call_command("ensure_admin")

    assert "\n" not in str(caught.value)
    assert not User.objects.exists()


def test_an_invited_person_joins_by_the_link(client: Client, alice: User) -> None:
    user, token = accounts.invite_user(actor=alice, email="Dora@Example.com", name="Dora")

    page = client.get(f"/invite/{token}/")
    response = client.post(f"/invite/{token}/", {**JOINING, "name": "Dora D."})

    assert "dora@example.com" in page.text
    assert response.url == "/"
    user.refresh_from_db()
    assert (user.status, user.name) == (User.Status.ACTIVE, "Dora D.")
    assert client.get("/profile/").status_code == 200


def test_an_invitation_lasts_a_week(client: Client, alice: User) -> None:
    _, token = accounts.invite_user(actor=alice, email="dora@example.com", name="Dora")

    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1)):
        response = client.get(f"/invite/{token}/")

    assert response.status_code == 410


def test_a_renewed_invitation_ends_the_old(client: Client, alice: User) -> None:
    user, old = accounts.invite_user(actor=alice, email="dora@example.com", name="Dora")

    new = accounts.renew_invitation(actor=alice, user=user)

    assert client.get(f"/invite/{old}/").status_code == 410
    assert client.get(f"/invite/{new}/").status_code == 200


def test_an_address_is_invited_once(alice: User, bob: User) -> None:
    with pytest.raises(InvalidInput) as caught:
        accounts.invite_user(actor=alice, email="BOB@example.com", name="Bob again")

    assert "email" in caught.value.fields


def test_an_invitation_of_a_disabled_account_does_not_open_it(client: Client, alice: User) -> None:
    user, token = accounts.invite_user(actor=alice, email="dora@example.com", name="Dora")
    User.objects.filter(pk=user.pk).update(status=User.Status.DISABLED)

    response = client.post(f"/invite/{token}/", JOINING)

    assert response.status_code == 409
    user.refresh_from_db()
    assert user.status == User.Status.DISABLED


def test_a_reset_link_sets_the_password_and_ends_every_session(
    client: Client, alice: User, bob: User
) -> None:
    client.force_login(bob)
    token = accounts.create_reset_link(actor=alice, user=bob)
    elsewhere = Client()

    response = elsewhere.post(
        f"/reset/{token}/", {"password": PASSWORD, "password_again": PASSWORD}
    )

    assert response.status_code == 302
    assert elsewhere.get("/profile/").status_code == 200
    assert client.get("/profile/").status_code == 302
    bob.refresh_from_db()
    assert bob.check_password(PASSWORD)


def test_a_reset_link_lasts_an_hour_and_works_once(client: Client, alice: User, bob: User) -> None:
    first = accounts.create_reset_link(actor=alice, user=bob)
    with time_machine.travel(timezone.now() + timedelta(hours=1, seconds=1)):
        late = client.get(f"/reset/{first}/")
    second = accounts.create_reset_link(actor=alice, user=bob)

    used = [
        Client()
        .post(f"/reset/{second}/", {"password": PASSWORD, "password_again": PASSWORD})
        .status_code
        for _ in range(2)
    ]

    assert late.status_code == 410
    assert used == [302, 410]


def test_nobody_gets_a_reset_link_for_a_disabled_account(alice: User) -> None:
    dora = UserFactory(status=User.Status.DISABLED)

    with pytest.raises(Conflict):
        accounts.create_reset_link(actor=alice, user=dora)


def test_changing_the_password_ends_the_other_sessions_only(client: Client, bob: User) -> None:
    with_password(bob)
    other = Client()
    client.force_login(bob)
    other.force_login(bob)
    new = "Other-Horse-8"

    response = client.post(
        "/profile/password/",
        {"current_password": PASSWORD, "password": new, "password_again": new},
    )

    assert response.status_code == 302
    assert client.get("/profile/").status_code == 200
    assert other.get("/profile/").status_code == 302
    bob.refresh_from_db()
    assert bob.check_password(new)


def test_changing_the_password_needs_the_present_one(client: Client, bob: User) -> None:
    with_password(bob)
    client.force_login(bob)
    form = {
        "current_password": "Wrong",
        "password": "New-Horse-99",
        "password_again": "New-Horse-99",
    }

    answers = [client.post("/profile/password/", form) for _ in range(6)]

    assert "This is not your present password." in answers[0].text
    assert "Too many wrong passwords" in answers[5].text
    bob.refresh_from_db()
    assert bob.check_password(PASSWORD)


def test_signing_out_everywhere_keeps_only_this_session(client: Client, bob: User) -> None:
    other = Client()
    client.force_login(bob)
    other.force_login(bob)

    response = client.post("/profile/sessions/end/")

    assert response.status_code == 302
    assert client.get("/profile/").status_code == 200
    assert other.get("/profile/").status_code == 302


@pytest.mark.parametrize(
    ("password", "missing"),
    [
        ("Short-1", "at least 10 characters"),
        ("alllowercase-1", "an upper-case letter"),
        ("ALLUPPERCASE-1", "a lower-case letter"),
        ("No-Digits-Here", "a digit"),
        ("NoSpecial123", "a special character"),
        ("Aa1-" + "x" * 125, "at most 128 characters"),
        ("Bob@Example.com1", "too similar to the e-mail"),
    ],
)
def test_password_rules(bob: User, password: str, missing: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        accounts.set_password(user=bob, password=password)

    assert missing in " ".join(caught.value.fields["password"])


@pytest.mark.parametrize("password", ["Mixed-Up-7", "correct horse battery staple"])
def test_mixed_passwords_and_long_passphrases_are_taken(bob: User, password: str) -> None:
    accounts.set_password(user=bob, password=password)

    assert bob.check_password(password)


def test_a_profile_is_changed_and_recorded(client: Client, bob: User) -> None:
    client.force_login(bob)

    client.post("/profile/", {"name": "Robert", "time_zone": "Asia/Tokyo"})

    bob.refresh_from_db()
    assert (bob.name, bob.time_zone) == ("Robert", "Asia/Tokyo")
    assert AuditEntry.objects.get().changes == {
        "name": ["Bob", "Robert"],
        "time_zone": ["UTC", "Asia/Tokyo"],
    }


def test_no_password_or_link_is_in_the_audit_log(alice: User) -> None:
    user, invitation = accounts.invite_user(actor=alice, email="dora@example.com", name="Dora")
    accounts.accept_invitation(token=invitation, name="Dora", password=PASSWORD)
    user.refresh_from_db()
    reset = accounts.create_reset_link(actor=alice, user=user)
    accounts.reset_password(token=reset, password="Other-Horse-8")

    written = " ".join(f"{e.entity_label} {e.changes}" for e in AuditEntry.objects.all())

    for secret in (invitation, reset, "Horse", "argon2"):
        assert secret not in written
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == [
        "user.invited",
        "user.joined",
        "user.password_reset_link",
        "user.password_reset",
    ]
