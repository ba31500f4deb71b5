"""Accounts at providers in the admin: entered, changed, tried, and their secrets kept."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.fernet import Fernet
from django.urls import reverse
from django.utils.timezone import localtime
from pytest_django import Settings

from bench.stand_ins import resend
from bench.stand_ins.server import Reply
from notifications import breakers
from notifications.breakers import Guard
from notifications.holds import hold
from notifications.models import Notification, Provider
from notifications.providers import PROVIDERS
from notifications.providers.base import ProviderConfig
from notifications.services.accounts import accounts_for, accounts_of_kind
from notifications.services.provider_trials import channels_to_try, try_account
from opsknight.models import AuditEntry, User
from tests.incidents.cast import browser
from tests.notifications.providers import Mailbox

pytestmark = pytest.mark.django_db
LIST = "/admin/notifications/provider/"
ADD = f"{LIST}add/"
KINDS = [kind for kind, provider in PROVIDERS.items() if not provider.is_built_in]


def form(**values: Any) -> dict[str, Any]:
    """What is sent for an account at Resend."""
    given = {"name": "Mail", "position": 1, "enabled": "on", "value_api_key": "re_secret"}
    return {name: value for name, value in (given | values).items() if value is not None}


def stored(**values: Any) -> Provider:
    given = {"kind": "resend", "name": "Mail", "secrets": json.dumps({"api_key": "re_secret"})}
    return Provider.objects.create(**(given | values))


def change_url(account: Provider) -> str:
    return f"{LIST}{account.pk}/change/"


def test_url(key: str) -> str:
    return reverse("admin:notifications_provider_test", args=[key])


test_url.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture
def service(settings: Settings) -> Iterator[resend.Resend]:
    """Resend, where every account of this test finds it."""
    stand_in = resend.Resend()
    with stand_in.running():
        settings.PROVIDERS_FROM_ENV = {"resend": {"api_url": stand_in.url}}
        yield stand_in


def test_adding_asks_first_for_the_kind(alice: User):
    page = browser(alice).get(ADD).content.decode()

    assert all(f"?kind={kind}" in page for kind in KINDS)
    assert "?kind=webhook" not in page


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_form_with_its_own_fields(alice: User, kind: str):
    page = browser(alice).get(f"{ADD}?kind={kind}").content.decode()

    assert all(f'name="value_{field.name}"' in page for field in PROVIDERS[kind].fields)


def test_an_account_that_is_entered_is_used(alice: User):
    answer = browser(alice).post(f"{ADD}?kind=resend", form(per_minute=30))

    assert answer.status_code == 302
    (account,) = accounts_of_kind("resend")
    assert (account.name, account["api_key"], account.per_minute) == ("Mail", "re_secret", 30)
    assert account["api_url"] == "https://api.resend.com"


@pytest.mark.parametrize(
    "wrong",
    [
        {"value_api_key": ""},
        {"name": ""},
        {"value_api_url": "ftp://api.example.com"},
        {"value_api_url": "api.example.com"},
        {"per_minute": "-1"},
    ],
)
def test_a_form_that_lacks_something_is_shown_again(alice: User, wrong: dict[str, str]):
    answer = browser(alice).post(f"{ADD}?kind=resend", form(**wrong))

    assert answer.status_code == 200
    assert not Provider.objects.exists()


def test_two_accounts_cannot_have_one_name(alice: User):
    stored()

    answer = browser(alice).post(f"{ADD}?kind=resend", form())

    assert answer.status_code == 200
    assert Provider.objects.count() == 1


def test_secrets_are_encrypted_and_never_shown(alice: User, django_assert_num_queries: Any):
    client = browser(alice)
    client.post(f"{ADD}?kind=resend", form())
    account = Provider.objects.get()

    page = client.get(change_url(account)).content.decode()

    raw = Provider.objects.raw("SELECT id, secrets AS hidden FROM notifications_provider")[0]
    assert "re_secret" not in raw.hidden
    assert "re_secret" not in page
    assert "Stored; leave it empty to keep it." in page


def test_a_secret_that_is_not_entered_again_stays(alice: User):
    account = stored()

    browser(alice).post(change_url(account), form(name="Resend", value_api_key=""))

    account = Provider.objects.get()
    assert account.name == "Resend"
    assert account.secret_values() == {"api_key": "re_secret"}


@pytest.mark.parametrize(
    ("kind", "was", "elsewhere"),
    [
        ("resend", {}, {"api_url": "https://thief.example"}),
        ("smtp", {"host": "mail.example.com"}, {"host": "thief.example"}),
        ("smtp", {"host": "mail.example.com"}, {"security": "plain"}),
    ],
    ids=["address", "host", "in the open"],
)
def test_a_stored_secret_does_not_follow_to_another_address(
    alice: User, kind: str, was: dict[str, str], elsewhere: dict[str, str]
):
    secret = "api_key" if kind == "resend" else "password"
    account = stored(kind=kind, settings=was, secrets=json.dumps({secret: "s3cret"}))
    values = {f"value_{name}": text for name, text in (was | elsewhere).items()}
    given = form(**{"value_api_key": None, "value_security": "starttls"} | values)

    refused = browser(alice).post(change_url(account), given)
    kept = Provider.objects.get().settings
    browser(alice).post(change_url(account), given | {f"value_{secret}": "for the new one"})

    assert "Enter it again" in refused.content.decode()
    assert kept == was
    assert Provider.objects.get().secret_values() == {secret: "for the new one"}


def test_a_new_secret_replaces_the_old_one(alice: User):
    account = stored()

    browser(alice).post(change_url(account), form(value_api_key="re_new"))

    assert Provider.objects.get().secret_values() == {"api_key": "re_new"}


def test_an_optional_secret_can_be_removed(alice: User):
    secrets = {"api_key": "re_secret", "webhook_secret": "whsec_x"}
    account = stored(secrets=json.dumps(secrets))

    browser(alice).post(change_url(account), form(value_api_key="", remove_webhook_secret="on"))

    assert Provider.objects.get().secret_values() == {"api_key": "re_secret"}


def test_an_account_that_is_switched_off_is_not_used(alice: User):
    account = stored()

    browser(alice).post(change_url(account), form(enabled=None, value_api_key=""))

    assert accounts_of_kind("resend") == ()


def test_the_lower_position_is_asked_first(alice: User):
    client = browser(alice)
    client.post(f"{ADD}?kind=resend", form(name="Second", position=2))
    client.post(f"{ADD}?kind=sendgrid", form(name="First", position=1))

    assert [account.name for account in accounts_for("email")] == ["First", "Second"]


def test_changes_are_audited_without_secrets(alice: User):
    client = browser(alice)
    client.post(f"{ADD}?kind=resend", form(value_api_url="https://eu.example.com"))
    account = Provider.objects.get()
    client.post(change_url(account), form(value_api_key="re_new"))
    client.post(f"{LIST}{account.pk}/delete/", {"post": "yes"})

    entries = {entry.action: entry.changes for entry in AuditEntry.objects.all()}
    assert entries["provider.created"]["api_url"] == [None, "https://eu.example.com"]
    assert entries["provider.created"]["api_key"] == [None, "•••"]
    assert entries["provider.updated"] == {
        "api_key": ["•••", "•••"],
        "api_url": ["https://eu.example.com", None],
    }
    assert entries["provider.deleted"]["name"] == ["Mail", None]
    assert "re_" not in json.dumps(entries)


def test_saving_without_a_change_writes_nothing(alice: User):
    account = stored(position=1)

    browser(alice).post(change_url(account), form(value_api_key=""))

    assert not AuditEntry.objects.filter(action="provider.updated").exists()


def test_the_list_says_who_is_left_alone_until_when_and_why(
    alice: User, mailbox: Mailbox, settings: Settings
):
    settings.REDIS_PREFIX = f"test-{time.time_ns()}:"
    settings.BREAKER_FAILURES, settings.BREAKER_SECONDS = 1, 3600
    down, patient, _, off = (stored(name=name) for name in ("Down", "Patient", "Well", "Off"))
    Provider.objects.filter(pk=off.pk).update(enabled=False)
    until = time.time() + 600

    breakers.report(Guard(down.key, "Down", "email"), error="Resend answered 503.")
    breakers.report(Guard("env:smtp", "Mail server", "email"), error="Refused the connection.")
    hold(patient.key, until=until)
    page = browser(alice).get(LIST).content.decode()
    settings.BREAKER_SECONDS = 0
    later = browser(alice).get(LIST).content.decode()

    assert re.search(r"left alone until \d\d:\d\d:\d\d\. Resend answered 503\.", page)
    at = localtime(datetime.fromtimestamp(until, UTC), ZoneInfo(alice.time_zone))
    assert f"left alone until {at:%H:%M:%S}. It asked for patience." in page
    assert re.search(r"left alone until .{8}\. Refused the connection\.", page)
    assert page.count("in use") == 1
    assert "switched off" in page
    assert "one message tries whether it is back. Resend answered 503." in later


def test_a_deleted_account_is_not_used_any_more(alice: User):
    account = stored()

    browser(alice).post(f"{LIST}{account.pk}/delete/", {"post": "yes"})

    assert accounts_of_kind("resend") == ()


def test_secrets_that_cannot_be_read_are_entered_anew(alice: User, settings: Settings):
    account = stored()
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    client = browser(alice)

    assert client.get(LIST).status_code == 200
    assert client.get(change_url(account)).status_code == 200
    client.post(change_url(account), form(value_api_key="re_new"))

    assert Provider.objects.get().secret_values() == {"api_key": "re_new"}


def test_a_kind_that_is_gone_is_listed_and_can_be_deleted(alice: User):
    account = stored(kind="pigeon")
    client = browser(alice)

    assert "pigeon" in client.get(LIST).content.decode()
    answer = client.get(change_url(account))
    assert answer.headers["Location"] == f"{LIST}{account.pk}/delete/"
    client.post(answer.headers["Location"], {"post": "yes"})

    assert not Provider.objects.exists()


@pytest.mark.parametrize("path", [LIST, ADD, f"{ADD}?kind=resend", f"{LIST}test/env:smtp/"])
def test_only_administrators_come_here(bob: User, path: str):
    assert browser(bob).get(path).status_code in (302, 403)
    assert browser(bob).post(path, form()).status_code in (302, 403)
    assert not Provider.objects.exists()


def test_a_test_goes_out_at_once_through_this_account(
    alice: User, service: resend.Resend, settings: Settings
):
    settings.PROVIDERS_FROM_ENV["resend"]["api_key"] = "re_other"
    account = stored(secrets=json.dumps({"api_key": resend.API_KEY}), enabled=False)

    answer = browser(alice).post(
        test_url(account.key), {"channel": "email", "address": "Ann@example.com"}, follow=True
    )

    (mail,) = service.mails.values()
    assert mail["to"] == ["ann@example.com"]
    assert mail["subject"] == "[OpsKnight] Test of Mail"
    assert "Mail took it: 200." in answer.content.decode()
    assert not Notification.objects.exists()


def test_a_test_says_what_the_provider_answered(alice: User, service: resend.Resend):
    account = stored()

    answer = browser(alice).post(
        test_url(account.key), {"channel": "email", "address": "ann@example.com"}, follow=True
    )

    assert "Resend answered 403: API key is invalid." in answer.content.decode()


def test_the_page_names_the_account_and_keeps_what_was_tried_last(
    alice: User, service: resend.Resend
):
    account, other = stored(name="Mail of Vienna"), stored(name="Mail of Graz")
    admin = browser(alice)
    entered = {"channel": "email", "address": "bob@elsewhere.example"}

    again = admin.post(test_url(account.key), entered, follow=True).content.decode()
    elsewhere = admin.get(test_url(other.key)).content.decode()

    assert "<strong>Mail of Vienna</strong>" in again
    assert 'value="bob@elsewhere.example"' in again
    assert "bob@elsewhere.example" not in elsewhere


@pytest.mark.parametrize(("kind", "told"), [("slack", "C012AB3CD"), ("sns", "+49 151 23456789")])
def test_the_test_page_says_what_an_address_is(alice: User, kind: str, told: str):
    secrets = {field.name: "x" for field in PROVIDERS[kind].fields if field.is_secret}
    account = stored(kind=kind, secrets=json.dumps(secrets))

    assert told in browser(alice).get(test_url(account.key)).content.decode()


def test_a_test_is_audited(alice: User, service: resend.Resend):
    account = stored(secrets=json.dumps({"api_key": resend.API_KEY}))
    service.faults.append(Reply(503))

    browser(alice).post(test_url(account.key), {"channel": "email", "address": "ann@example.com"})

    entry = AuditEntry.objects.get(action="provider.tested")
    assert (entry.actor, entry.entity_label) == (alice, "Mail")
    assert entry.changes["address"] == [None, "ann@example.com"]
    assert entry.changes["answer"] == [None, "Resend answered 503."]


def test_the_log_names_no_token_of_an_address_that_was_tried(alice: User):
    config = ProviderConfig("built-in:webhook", "webhook", "Webhook", {})

    try_account(config=config, channel="webhook", address="http://127.0.0.1:9/s3cret", actor=alice)

    entry = AuditEntry.objects.get(action="provider.tested")
    assert entry.changes["address"] == [None, "http://127.0.0.1/…"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"channel": "email", "address": "nonsense"},
        {"channel": "email", "address": ""},
        {"channel": "sms", "address": "+4915123456789"},
        {"channel": "", "address": "ann@example.com"},
    ],
)
def test_a_test_to_no_address_is_refused(
    alice: User, service: resend.Resend, wrong: dict[str, str]
):
    account = stored()

    answer = browser(alice).post(test_url(account.key), wrong, follow=True)

    assert answer.status_code == 200
    assert service.requests == []
    assert not AuditEntry.objects.filter(action="provider.tested").exists()


def test_an_account_of_the_environment_is_listed_and_can_be_tried(alice: User, mailbox: Mailbox):
    client = browser(alice)
    page = client.get(LIST).content.decode()

    client.post(test_url("env:smtp"), {"channel": "email", "address": "ann@example.com"})

    assert test_url("env:smtp") in page
    assert mailbox.recipients == ["ann@example.com"]


def test_the_list_leads_to_the_test_of_an_account(alice: User):
    account = stored()

    answer = browser(alice).get(f"{LIST}{account.pk}/test/")

    assert answer.headers["Location"] == test_url(account.key)


@pytest.mark.parametrize("key", ["env:sendgrid", "99", "x", "built-in:webhook"])
def test_an_account_that_is_not_there_cannot_be_tried(alice: User, key: str):
    answer = browser(alice).get(test_url(key), follow=True)

    assert answer.status_code == 200
    if key != "built-in:webhook":
        assert "There is no such provider." in answer.content.decode()


def test_the_form_says_where_the_provider_reports_to(alice: User, settings: Settings):
    settings.PUBLIC_URL = "https://ops.example.com"

    page = browser(alice).get(f"{ADD}?kind=sendgrid").content.decode()

    assert "https://ops.example.com/api/providers/sendgrid/" in page


ADDRESSES = {
    "email": "ann@example.com",
    "sms": "+4915123456789",
    "voice": "+4915123456789",
    "whatsapp": "+4915123456789",
    "slack": "C0123456789",
    "telegram": "-1001234567890",
}


@pytest.mark.parametrize(
    ("kind", "channel"), [(kind, name) for kind in KINDS for name in channels_to_try(kind)]
)
def test_every_kind_can_be_tried_and_one_that_is_away_is_told(alice: User, kind: str, channel: str):
    values = {field.name: "1" for field in PROVIDERS[kind].fields if not field.choices}
    values |= {"api_url": "http://127.0.0.1:1", "host": "127.0.0.1"}
    config = ProviderConfig("env:x", kind, "Ours", values)

    answer = try_account(config=config, channel=channel, address=ADDRESSES[channel], actor=alice)

    assert not answer.was_taken
    assert answer.text
    assert AuditEntry.objects.filter(action="provider.tested").count() == 1


@pytest.mark.parametrize("kind", ["slack", "telegram"])
def test_of_a_bot_there_is_one_because_addresses_do_not_say_whose_they_are(
    alice: User, settings: Settings, kind: str
):
    settings.PROVIDERS_FROM_ENV = {kind: {"bot_token": "of the environment"}}
    values = {"kind": kind, "secrets": json.dumps({"bot_token": "x"})}
    first = stored(name="First", **values)
    second = stored(name="Second", enabled=False, **values)
    entered = {"name": "Second", "position": 2, "enabled": "on"}

    page = browser(alice).post(change_url(second), entered)

    assert "There can be only one: switch First off first." in page.content.decode()
    bots = [account.key for account in accounts_for(kind) if account.kind == kind]
    assert bots == [first.key]
