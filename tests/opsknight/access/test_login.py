"""Signing in and out, lockouts, limits."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test import Client
from django.utils import timezone

from opsknight.models import AuditEntry, LoginLockout, User
from opsknight.services.login import (
    LockedOut,
    WrongPassword,
    check_sign_in,
    count_failure,
    lockout_key,
)
from tests.factories import UserFactory
from tests.opsknight.access.conftest import PASSWORD, with_password

pytestmark = pytest.mark.django_db
WRONG = "The e-mail address or the password is wrong."


def sign_in(client: Client, email: str, password: str = PASSWORD, **extra: str):
    return client.post("/login/", {"email": email, "password": password, **extra})


def test_right_password_opens_a_session(client: Client, bob: User) -> None:
    with_password(bob)

    response = sign_in(client, "Bob@Example.com")

    assert response.status_code == 302
    assert response.url == "/"
    assert client.get("/profile/").status_code == 200


def test_sign_in_leads_to_the_page_that_was_asked_for(client: Client, bob: User) -> None:
    with_password(bob)
    asked = client.get("/teams/?a=1")

    form = client.get(asked.url)
    response = sign_in(client, bob.email, next=form.context["next"])

    assert response.url == "/teams/?a=1"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "https:evil.example",
    ],
)
def test_sign_in_never_leads_to_another_site(client: Client, bob: User, elsewhere: str) -> None:
    with_password(bob)

    response = sign_in(client, bob.email, next=elsewhere)

    assert response.url == "/"


def test_unknown_address_and_wrong_password_get_the_same_answer(client: Client, bob: User) -> None:
    with_password(bob)

    wrong = sign_in(client, bob.email, "Wrong-Horse-7")
    unknown = sign_in(client, "nobody@example.com", "Wrong-Horse-7")

    assert wrong.status_code == unknown.status_code == 401
    assert WRONG in wrong.text
    assert WRONG in unknown.text


@pytest.mark.parametrize("status", [User.Status.DISABLED, User.Status.INVITED])
def test_only_active_users_sign_in(client: Client, status: str) -> None:
    user = with_password(UserFactory(status=status))

    response = sign_in(client, user.email)

    assert response.status_code == 401
    assert WRONG in response.text


def test_a_disabled_user_is_signed_out_at_once(client: Client, bob: User) -> None:
    client.force_login(bob)

    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)

    assert client.get("/profile/").status_code == 302


def test_sign_in_changes_the_session_key(client: Client, bob: User) -> None:
    with_password(bob)
    client.get("/login/")
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies["sessionid"] = session.session_key
    before = session.session_key

    sign_in(client, bob.email)

    assert client.session.session_key != before


def test_sign_in_needs_the_csrf_token(bob: User) -> None:
    with_password(bob)
    client = Client(enforce_csrf_checks=True)

    response = sign_in(client, bob.email)

    assert response.status_code == 403
    assert "too old or came from elsewhere" in response.text


def test_a_form_that_lacks_fields_is_explained(client: Client, db: None) -> None:
    response = client.post("/login/", {"email": "not an address", "password": ""})

    assert response.status_code == 400
    assert response.context["form"].errors.keys() == {"email", "password"}


def test_nul_bytes_are_refused_in_the_form(client: Client, db: None) -> None:
    response = client.post("/login/", {"email": "a\0@example.com", "password": "a\0"})

    assert response.status_code == 400


def test_sign_out_ends_the_session(client: Client, bob: User) -> None:
    client.force_login(bob)

    response = client.post("/logout/")

    assert response.url == "/login/"
    assert client.get("/profile/").status_code == 302


def test_a_link_cannot_sign_anybody_out(client: Client, bob: User) -> None:
    client.force_login(bob)

    response = client.get("/logout/")

    assert response.status_code == 405
    assert client.get("/profile/").status_code == 200


def test_sign_ins_and_outs_are_in_the_audit_log(client: Client, bob: User) -> None:
    with_password(bob)

    sign_in(client, bob.email, "Wrong-Horse-7")
    sign_in(client, bob.email)
    client.post("/logout/")

    entries = AuditEntry.objects.order_by("id").values_list("action", "entity_label", "actor", "ip")
    assert list(entries) == [
        ("login.failed", bob.email, None, "127.0.0.1"),
        ("login.succeeded", bob.email, bob.pk, "127.0.0.1"),
        ("logout", bob.email, bob.pk, "127.0.0.1"),
    ]


def test_passwords_never_reach_the_audit_log(client: Client, bob: User) -> None:
    with_password(bob)

    sign_in(client, bob.email, "Wrong-Horse-7")
    sign_in(client, bob.email)

    for entry in AuditEntry.objects.all():
        assert "Horse" not in f"{entry.entity_label} {entry.changes}"


def test_the_fifth_wrong_password_locks_for_a_minute_also_for_the_right_one(
    client: Client, bob: User
) -> None:
    with_password(bob)

    answers = [sign_in(client, bob.email, "Wrong-Horse-7").status_code for _ in range(5)]
    locked = sign_in(client, bob.email)

    assert answers == [401] * 5
    assert locked.status_code == 429
    assert "Too many wrong passwords. Try again in 1 minute" in locked.text
    assert AuditEntry.objects.filter(action="login.blocked").count() == 1


def test_an_unknown_address_is_locked_like_a_known_one(client: Client, db: None) -> None:
    for _ in range(5):
        sign_in(client, "nobody@example.com", "Wrong-Horse-7")

    assert sign_in(client, "nobody@example.com").status_code == 429


def test_after_the_lock_the_right_password_opens_and_forgets(client: Client, bob: User) -> None:
    with_password(bob)
    now = timezone.now()
    for _ in range(5):
        count_failure(key=lockout_key(bob.email, "127.0.0.1"), now=now)

    with time_machine.travel(now + timedelta(seconds=61)):
        response = sign_in(client, bob.email)

    assert response.status_code == 302
    assert not LoginLockout.objects.exists()


@pytest.mark.parametrize(
    ("failures", "minutes"),
    [
        (4, None),  # not yet
        (5, 1),
        (10, 5),
        (15, 15),
        (20, 60),
        (21, 60),  # from here on every failure
    ],
)
def test_locks_grow(failures: int, minutes: int | None, db: None) -> None:
    now = timezone.now()

    for _ in range(failures):
        count_failure(key="somebody|127.0.0.1/32", now=now)

    row = LoginLockout.objects.get()
    assert row.failures == failures
    assert row.locked_until == (now + timedelta(minutes=minutes) if minutes else None)


def test_failures_of_yesterday_are_forgotten(db: None) -> None:
    now = timezone.now()
    for _ in range(4):
        count_failure(key="somebody|127.0.0.1/32", now=now - timedelta(hours=25))

    count_failure(key="somebody|127.0.0.1/32", now=now)

    row = LoginLockout.objects.get()
    assert (row.failures, row.locked_until) == (1, None)


def test_a_stranger_elsewhere_cannot_lock_the_owner_out(bob: User) -> None:
    with_password(bob)
    for _ in range(5):
        with pytest.raises(WrongPassword):
            check_sign_in(email=bob.email, password="Wrong-Horse-7", ip="203.0.113.9")
    with pytest.raises(LockedOut):
        check_sign_in(email=bob.email, password=PASSWORD, ip="203.0.113.9")

    user = check_sign_in(email=bob.email, password=PASSWORD, ip="198.51.100.1")

    assert user == bob


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.9", "203.0.113.9/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),  # one home, many addresses
        ("::ffff:203.0.113.9", "203.0.113.9/32"),  # IPv4 seen through IPv6
        (None, "local"),  # a unix socket
    ],
)
def test_a_lock_covers_a_network(ip: str | None, network: str) -> None:
    assert lockout_key("a@example.com", ip) == f"a@example.com|{network}"


def test_two_clients_share_the_lockout(bob: User) -> None:
    with_password(bob)
    first, second = Client(), Client()

    for client in (first, second, first, second, first):
        sign_in(client, bob.email, "Wrong-Horse-7")

    assert sign_in(second, bob.email).status_code == 429


@pytest.mark.django_db(transaction=True)
def test_twenty_wrong_passwords_at_once_count_twenty() -> None:
    key, now = lockout_key("bob@example.com", "127.0.0.1"), timezone.now()
    start = threading.Barrier(20)

    def guess() -> None:
        start.wait()
        count_failure(key=key, now=now)
        connection.close()

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    row = LoginLockout.objects.get()
    assert (row.failures, row.locked_until) == (20, now + timedelta(minutes=60))


@pytest.mark.django_db(transaction=True)
def test_twenty_guesses_at_once_are_five_tries() -> None:
    start = threading.Barrier(20)
    answers: list[type[Exception]] = []

    def guess() -> None:
        start.wait()
        try:
            check_sign_in(email="bob@example.com", password="Wrong-Horse-7", ip="127.0.0.1")
        except (WrongPassword, LockedOut) as error:
            answers.append(type(error))
        connection.close()

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (answers.count(WrongPassword), answers.count(LockedOut)) == (5, 15)


class CrowdedHasher(MD5PasswordHasher):
    """Takes a while, and notes how many hash at the same time."""

    now, most = 0, 0
    lock = threading.Lock()

    def encode(self, password: str, salt: str) -> str:
        with self.lock:
            CrowdedHasher.now += 1
            CrowdedHasher.most = max(self.most, self.now)
        threading.Event().wait(0.02)
        with self.lock:
            CrowdedHasher.now -= 1
        return super().encode(password, salt)


@pytest.mark.django_db(transaction=True)
def test_a_crowd_at_the_sign_in_does_not_take_all_memory(settings) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CrowdedHasher"]

    def guess(number: int) -> None:
        with pytest.raises(WrongPassword):
            check_sign_in(email=f"a{number}@example.com", password="Wrong-Horse-7", ip=None)
        connection.close()

    with ThreadPoolExecutor(10) as crowd:
        list(crowd.map(guess, range(10)))

    assert CrowdedHasher.most == 2


def test_many_sign_ins_from_one_network_are_limited(client: Client, db: None) -> None:
    for number in range(30):
        client.post("/login/", {"email": f"a{number}@example.com", "password": ""})

    response = sign_in(client, "another@example.com")

    assert response.status_code == 429
    assert int(response["Retry-After"]) >= 1
    assert "Too many attempts" in response.text


def test_sign_in_works_without_redis(
    client: Client, bob: User, settings, caplog: pytest.LogCaptureFixture
) -> None:
    with_password(bob)
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "unix:///nowhere/redis.sock?db=0"}
    }

    with caplog.at_level(logging.WARNING, logger="opsknight.ratelimit"):
        response = sign_in(client, bob.email)

    assert response.status_code == 302
    assert "The limit of login is off, Redis does not answer" in caplog.text


def test_the_sign_in_page_says_how_to_set_up_while_there_is_no_administrator(
    client: Client, db: None
) -> None:
    assert "set-up link that OpsKnight printed" in client.get("/login/").text


def test_the_admin_is_entered_through_our_sign_in(client: Client, alice: User) -> None:
    first = client.get("/admin/opsknight/user/")
    second = client.get(first.url)

    assert first.url == "/admin/login/?next=/admin/opsknight/user/"
    assert second.url == "/login/?next=/admin/opsknight/user/"


def test_a_responder_may_not_open_the_admin(client: Client, bob: User) -> None:
    client.force_login(bob)

    response = client.get("/admin/opsknight/user/", follow=True)

    assert response.status_code == 403


def test_client_ip_believes_as_many_proxies_as_configured(rf, settings) -> None:
    from opsknight.web import client_ip

    request = rf.get("/", HTTP_X_FORWARDED_FOR="6.6.6.6, 203.0.113.9, 10.0.0.2")

    found = []
    for settings.TRUSTED_PROXIES in (0, 1, 2):
        found.append(client_ip(request))

    assert found == ["127.0.0.1", "10.0.0.2", "203.0.113.9"]
