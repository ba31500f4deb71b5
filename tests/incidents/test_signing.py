"""Secrets and waivers: made, stored, rotated and forgotten; audited, never shown."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from incidents.intake.keyring import owner_of, usable_secrets
from incidents.intake.schemes import SCHEMES
from incidents.models import Integration, Service
from incidents.services import catalog, signing
from opsknight.errors import Conflict, InvalidInput, NotFound
from opsknight.models import AuditEntry, User
from tests.factories import IntegrationFactory
from tests.incidents.cast import browser

REQUIRED = {"github", "gitlab", "bitbucket", "sentry", "vercel", "cloudwatch"}
WITHOUT_SIGNATURES = {"pagerduty", "opsgenie", "email", "heartbeat"}
BROUGHT = {"sentry", "vercel", "cloudwatch"}  # the vendor makes it, or there is none
SECRET = "a-secret-of-the-vendor"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"


@pytest.fixture
def github(checkout: Service, bob: User) -> Integration:
    return catalog.create_integration(service=checkout, kind="github", name="CI", actor=bob)


@pytest.fixture
def sentry(checkout: Service, bob: User) -> Integration:
    return catalog.create_integration(service=checkout, kind="sentry", name="Errors", actor=bob)


def stored(integration: Integration) -> Integration:
    return Integration.objects.get(pk=integration.pk)


def last_entry() -> AuditEntry:
    entry = AuditEntry.objects.order_by("pk").last()
    assert entry is not None
    return entry


# --- What a new integration begins with -----------------------------------------------------------


@pytest.mark.parametrize("kind", Integration.Kind.values)
def test_new_integration_is_checked_where_its_vendor_signs(
    checkout: Service, bob: User, kind: str
) -> None:
    created = catalog.create_integration(service=checkout, kind=kind, name="New", actor=bob)

    integration = stored(created)
    has_secret = kind not in BROUGHT | WITHOUT_SIGNATURES
    assert integration.signature_required is (kind in REQUIRED)
    assert bool(integration.signing_secret) is has_secret
    assert (kind in SCHEMES) is (kind not in WITHOUT_SIGNATURES)


def test_two_secrets_are_never_the_same(checkout: Service, bob: User) -> None:
    made = {signing.new_signing_secret("github") for _ in range(100)}

    assert len(made) == 100
    assert all(len(secret) == 64 for secret in made)


def test_gitlabs_secret_fits_both_of_its_fields() -> None:
    assert signing.new_signing_secret("gitlab").startswith("whsec_")


def test_row_made_without_the_service_is_not_checked(checkout: Service) -> None:
    integration = IntegrationFactory(service=checkout, kind="github")

    assert stored(integration).signature_required is False


@pytest.mark.parametrize("kind", ["github", "events"])
def test_page_creates_it_the_same_way(bob: User, checkout: Service, kind: str) -> None:
    address = reverse("incidents:integration_create", args=[checkout.pk])

    browser(bob).post(address, {"kind": kind, "name": "New"})

    integration = checkout.integrations.get()
    assert integration.signature_required is (kind == "github")
    assert integration.signing_secret


def test_admin_creates_it_the_same_way(alice: User, checkout: Service) -> None:
    data = {"service": checkout.pk, "name": "New", "kind": "github", "enabled": "on"}

    response = browser(alice).post(reverse("admin:incidents_integration_add"), data)

    integration = checkout.integrations.get()
    assert response.status_code == 302
    assert integration.signature_required is True
    assert integration.signing_secret


def test_service_in_the_admin_creates_it_the_same_way(alice: User, checkout: Service) -> None:
    data = {
        "name": checkout.name,
        "description": "",
        "team": checkout.team_id,
        "escalation_policy": "",
        "storm_threshold": checkout.storm_threshold,
        "flapping_openings": checkout.flapping_openings,
        "flapping_minutes": checkout.flapping_minutes,
        "integrations-TOTAL_FORMS": "1",
        "integrations-INITIAL_FORMS": "0",
        "integrations-0-service": checkout.pk,
        "integrations-0-name": "New",
        "integrations-0-kind": "github",
        "integrations-0-enabled": "on",
    }

    response = browser(alice).post(
        reverse("admin:incidents_service_change", args=[checkout.pk]), data
    )

    integration = checkout.integrations.get()
    assert response.status_code == 302
    assert integration.signature_required is True
    assert integration.signing_secret


# --- Secrets --------------------------------------------------------------------------------------


def test_secrets_are_encrypted_in_the_database(sentry: Integration, bob: User) -> None:
    signing.store_signing_secret(integration=sentry, secret=SECRET, actor=bob)
    signing.store_signing_secret(integration=sentry, secret=SECRET + "2", actor=bob)

    with connection.cursor() as cursor:
        cursor.execute("SELECT signing_secret, previous_signing_secret FROM incidents_integration")
        row = cursor.fetchone()

    assert all(value and SECRET not in value for value in row)
    assert usable_secrets(stored(sentry)) == [SECRET + "2", SECRET]


def test_no_secret_stands_in_the_audit_log(github: Integration, sentry: Integration) -> None:
    first = github.signing_secret
    signing.generate_signing_secret(integration=github, actor=None)
    signing.store_signing_secret(integration=sentry, secret=SECRET, actor=None)
    signing.waive_signature(integration=sentry, actor=None)
    signing.clear_signing_secret(integration=sentry, actor=None)

    log = " ".join(str(entry.changes) for entry in AuditEntry.objects.all())
    assert "•••" in log
    assert not any(secret in log for secret in (first, github.signing_secret, SECRET))


def test_rotation_keeps_the_old_secret_for_a_day(github: Integration, bob: User) -> None:
    old = github.signing_secret

    signing.generate_signing_secret(integration=github, actor=bob, ip="10.0.0.1")

    integration = stored(github)
    until = integration.previous_secret_until
    entry = last_entry()
    assert usable_secrets(integration) == [integration.signing_secret, old]
    assert integration.signing_secret != old
    assert until is not None
    assert abs(until - timezone.now() - timedelta(hours=24)) < timedelta(minutes=1)
    assert (entry.action, entry.actor, entry.ip) == ("integration.secret_rotated", bob, "10.0.0.1")
    assert entry.changes["signing_secret"] == ["•••", "•••"]


def test_leaked_secret_ends_at_once(github: Integration, bob: User) -> None:
    signing.generate_signing_secret(integration=github, keep=timedelta(), actor=bob)

    integration = stored(github)
    assert usable_secrets(integration) == [integration.signing_secret]
    assert integration.previous_signing_secret == ""


def test_old_secret_ends_by_the_clock(github: Integration, bob: User, time_machine: Any) -> None:
    signing.generate_signing_secret(integration=github, keep=timedelta(hours=1), actor=bob)

    time_machine.move_to(timezone.now() + timedelta(minutes=59))
    within = len(owner_of(stored(github)).signing_secrets)
    time_machine.shift(timedelta(minutes=2))
    after = len(owner_of(stored(github)).signing_secrets)

    assert (within, after) == (2, 1)


def test_rotation_can_be_ended_before_its_time(github: Integration, bob: User) -> None:
    signing.generate_signing_secret(integration=github, actor=bob)

    signing.end_previous_secret(integration=github, actor=bob)

    assert len(usable_secrets(stored(github))) == 1
    assert last_entry().action == "integration.previous_secret_ended"


def test_rotation_of_a_stale_page_keeps_what_was_stored_last(
    github: Integration, bob: User
) -> None:
    stale = stored(github)
    signing.store_signing_secret(integration=github, secret=SECRET, actor=bob)

    signing.generate_signing_secret(integration=stale, actor=bob)

    assert usable_secrets(stored(github))[1] == SECRET


def test_storing_the_same_secret_again_changes_nothing(sentry: Integration, bob: User) -> None:
    signing.store_signing_secret(integration=sentry, secret=SECRET, actor=bob)
    entries = AuditEntry.objects.count()

    signing.store_signing_secret(integration=sentry, secret=f" {SECRET}\n", actor=bob)

    assert stored(sentry).previous_signing_secret == ""
    assert AuditEntry.objects.count() == entries


@pytest.mark.parametrize(
    "secret", ["", "short", "x" * 501, "two words", "a\x00bcdefgh", "tab\there"]
)
def test_what_is_no_secret_is_refused(sentry: Integration, secret: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        signing.store_signing_secret(integration=sentry, secret=secret, actor=None)

    assert list(refused.value.fields) == ["secret"]


@pytest.mark.parametrize("keep", [timedelta(days=31), timedelta(seconds=-1)])
def test_old_secret_is_not_kept_for_ever(github: Integration, keep: timedelta) -> None:
    with pytest.raises(InvalidInput):
        signing.generate_signing_secret(integration=github, keep=keep, actor=None)


def test_secret_of_the_vendor_is_not_made_here(sentry: Integration) -> None:
    with pytest.raises(Conflict, match="Client Secret"):
        signing.generate_signing_secret(integration=sentry, actor=None)


@pytest.mark.parametrize("topic", [SECRET, "arn:aws:s3:::bucket", TOPIC + "\n x"])
def test_what_is_no_topic_is_refused(checkout: Service, topic: str) -> None:
    integration = IntegrationFactory(service=checkout, kind="cloudwatch")

    with pytest.raises(InvalidInput, match="ARN"):
        signing.store_signing_secret(integration=integration, secret=topic, actor=None)


def test_kind_without_signatures_takes_no_secret(checkout: Service) -> None:
    integration = IntegrationFactory(service=checkout, kind="pagerduty")

    with pytest.raises(Conflict):
        signing.store_signing_secret(integration=integration, secret=SECRET, actor=None)
    with pytest.raises(Conflict):
        signing.require_signature(integration=integration, actor=None)


def test_integration_deleted_meanwhile_is_not_found(github: Integration) -> None:
    Integration.objects.filter(pk=github.pk).delete()

    with pytest.raises(NotFound):
        signing.waive_signature(integration=github, actor=None)


# --- Requiring and waiving ------------------------------------------------------------------------


def test_waiver_is_audited(github: Integration, bob: User) -> None:
    signing.waive_signature(integration=github, actor=bob)

    entry = last_entry()
    assert stored(github).signature_required is False
    assert (entry.action, entry.actor) == ("integration.signature_waived", bob)
    assert entry.changes == {"signature_required": [True, False]}


def test_waiving_twice_is_audited_once(github: Integration, bob: User) -> None:
    signing.waive_signature(integration=github, actor=bob)
    signing.waive_signature(integration=github, actor=bob)

    assert AuditEntry.objects.filter(action="integration.signature_waived").count() == 1


def test_requiring_needs_a_secret(sentry: Integration, bob: User) -> None:
    signing.waive_signature(integration=sentry, actor=bob)

    with pytest.raises(Conflict, match="Store the secret first"):
        signing.require_signature(integration=sentry, actor=bob)

    signing.store_signing_secret(integration=sentry, secret=SECRET, actor=bob)
    signing.require_signature(integration=sentry, actor=bob)
    assert stored(sentry).signature_required is True
    assert last_entry().action == "integration.signature_required"


def test_required_secret_is_not_forgotten(github: Integration, bob: User) -> None:
    with pytest.raises(Conflict, match="Waive the check first"):
        signing.clear_signing_secret(integration=github, actor=bob)

    signing.waive_signature(integration=github, actor=bob)
    signing.clear_signing_secret(integration=github, actor=bob)
    assert usable_secrets(stored(github)) == []
    assert last_entry().action == "integration.secret_cleared"
