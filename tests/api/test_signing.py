"""Signatures of an integration's deliveries."""

from typing import Any

import pytest

from incidents.models import Integration, Service
from incidents.services import catalog
from opsknight.models import ApiKey, AuditEntry
from tests.api.asking import Asker, code_of, fields_of
from tests.factories import IntegrationFactory

SECRET = "a-secret-of-the-vendor"


@pytest.fixture
def github(service: Service) -> Integration:
    return catalog.create_integration(service=service, kind="github", name="CI", actor=None)


@pytest.fixture
def sentry(service: Service) -> Integration:
    return catalog.create_integration(service=service, kind="sentry", name="Errors", actor=None)


def signing_of(asker: Asker, integration: Integration) -> Any:
    response = asker.get(f"integrations/{integration.pk}/signing")
    assert response.status_code == 200
    return response.json()


def test_new_integration_says_how_it_is_signed(carol: Asker, service: Service) -> None:
    made = carol.post("integrations", {"service": service.pk, "kind": "github", "name": "CI"})
    integration = Integration.objects.get(pk=made.json()["id"])

    assert signing_of(carol, integration) == {
        "signature_required": True,
        "header": "X-Hub-Signature-256",
        "secret": integration.signing_secret,
        "has_secret": True,
        "previous_secret_until": None,
    }


def test_key_that_may_only_read_does_not_see_the_secret(carol: Asker, github: Integration) -> None:
    reader = Asker(carol.user, [ApiKey.Scope.SERVICES_READ])

    shown = signing_of(reader, github)

    assert shown["secret"] is None
    assert shown["has_secret"] is True


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "signing"),
        ("POST", "signing/secret"),
        ("DELETE", "signing/secret"),
        ("DELETE", "signing/previous-secret"),
    ],
)
def test_key_that_may_only_read_changes_nothing(
    carol: Asker, github: Integration, method: str, path: str
) -> None:
    reader = Asker(carol.user, [ApiKey.Scope.SERVICES_READ])

    response = reader.send(
        method, f"integrations/{github.pk}/{path}", {"signature_required": False}
    )

    assert response.status_code == 403
    assert code_of(response) == "missing_scope"


def test_secret_of_the_vendor_is_stored_and_not_shown(carol: Asker, sentry: Integration) -> None:
    response = carol.post(f"integrations/{sentry.pk}/signing/secret", {"secret": SECRET})

    sentry.refresh_from_db()
    assert sentry.signing_secret == SECRET
    assert response.json()["has_secret"] is True
    assert SECRET not in response.content.decode()


def test_secret_is_rotated(carol: Asker, github: Integration) -> None:
    old = github.signing_secret

    response = carol.post(f"integrations/{github.pk}/signing/secret", {"keep_hours": 2})

    assert response.json()["secret"] not in (None, old)
    assert response.json()["previous_secret_until"] is not None


def test_leaked_secret_is_not_kept(carol: Asker, github: Integration) -> None:
    response = carol.post(f"integrations/{github.pk}/signing/secret", {"keep_hours": 0})

    assert response.json()["previous_secret_until"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"secret": "short"}, "secret"),
        ({"secret": ""}, "secret"),
        ({"secret": 12345678}, "secret"),
        ({"secret": "a\x00bcdefgh"}, "secret"),
        ({"secret": "x" * 501}, "secret"),
        ({"keep_hours": -1}, "keep_hours"),
        ({"keep_hours": 721}, "keep_hours"),
        ({"keep_hours": "soon"}, "keep_hours"),
    ],
)
def test_wrong_secret_is_named(
    carol: Asker, github: Integration, body: dict[str, Any], field: str
) -> None:
    response = carol.post(f"integrations/{github.pk}/signing/secret", body)

    assert list(fields_of(response)) == [field]


def test_waiver_is_audited(carol: Asker, github: Integration) -> None:
    response = carol.patch(f"integrations/{github.pk}/signing", {"signature_required": False})

    entry = AuditEntry.objects.get(action="integration.signature_waived")
    assert response.json()["signature_required"] is False
    assert (entry.actor, entry.ip) == (carol.user, "127.0.0.1")


def test_requiring_without_a_secret_is_a_conflict(carol: Asker, service: Service) -> None:
    integration = IntegrationFactory(service=service, kind="sentry")

    response = carol.patch(f"integrations/{integration.pk}/signing", {"signature_required": True})

    assert response.status_code == 409


def test_clearing_a_required_secret_is_a_conflict(carol: Asker, github: Integration) -> None:
    response = carol.delete(f"integrations/{github.pk}/signing/secret")

    github.refresh_from_db()
    assert response.status_code == 409
    assert github.signing_secret


def test_kind_without_signatures_says_so(carol: Asker, service: Service) -> None:
    integration = IntegrationFactory(service=service, kind="pagerduty")

    shown = signing_of(carol, integration)
    response = carol.patch(f"integrations/{integration.pk}/signing", {"signature_required": True})

    assert (shown["header"], shown["signature_required"]) == (None, False)
    assert response.status_code == 409


def test_waiver_must_be_said(carol: Asker, github: Integration) -> None:
    response = carol.patch(f"integrations/{github.pk}/signing", {})

    assert list(fields_of(response)) == ["signature_required"]
