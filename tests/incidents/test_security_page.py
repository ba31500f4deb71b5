"""The Security page of an integration: who sees it, and what can be done there."""

import pytest
from django.test import Client
from django.urls import reverse

from incidents.intake.keyring import usable_secrets
from incidents.models import Integration, Service
from incidents.services import catalog
from opsknight.models import AuditEntry, User
from tests.factories import IntegrationFactory
from tests.incidents.cast import browser
from tests.incidents.test_signing import (
    REQUIRED,
    SECRET,
    TOPIC,
    WITHOUT_SIGNATURES,
    github,
    sentry,
    stored,
)

__all__ = ["github", "sentry"]

PAGES = ["integration_security", "secret_clear", "signature_waive"]
ACTIONS = [
    "secret_store",
    "secret_generate",
    "secret_clear",
    "secret_end_previous",
    "signature_require",
    "signature_waive",
]


def address(name: str, integration: Integration) -> str:
    return reverse(f"incidents:{name}", args=[integration.pk])


@pytest.mark.parametrize("name", [*PAGES, *ACTIONS])
def test_stranger_is_led_to_the_login(client: Client, github: Integration, name: str) -> None:
    response = client.post(address(name, github), {"secret": SECRET, "keep": "0"})

    assert response.status_code == 302
    assert response["Location"].startswith("/login/")
    assert stored(github).signing_secret == github.signing_secret


@pytest.mark.parametrize("name", PAGES)
def test_outsider_does_not_find_the_page(eve: User, github: Integration, name: str) -> None:
    response = browser(eve).get(address(name, github))

    assert response.status_code == 404
    assert github.signing_secret not in response.content.decode()


@pytest.mark.parametrize("name", ACTIONS)
def test_outsider_changes_nothing(eve: User, github: Integration, name: str) -> None:
    response = browser(eve).post(address(name, github), {"secret": SECRET, "keep": "0"})

    after = stored(github)
    assert response.status_code == 404
    assert after.signing_secret == github.signing_secret
    assert after.signature_required is True


@pytest.mark.parametrize("name", sorted({*ACTIONS} - {*PAGES}))
def test_actions_are_not_links(bob: User, github: Integration, name: str) -> None:
    assert browser(bob).get(address(name, github)).status_code == 405


@pytest.mark.parametrize("kind", Integration.Kind.values)
def test_every_kind_has_a_page(carol: User, checkout: Service, bob: User, kind: str) -> None:
    integration = catalog.create_integration(service=checkout, kind=kind, name="New", actor=bob)

    text = browser(carol).get(address("integration_security", integration)).content.decode()

    has_secret = integration.signing_secret in text if integration.signing_secret else True
    assert has_secret
    assert ("Required" in text) is (kind in REQUIRED)
    assert ("is what proves a message" in text) is (kind in WITHOUT_SIGNATURES)


def test_missing_secret_of_a_vendor_is_said(carol: User, sentry: Integration) -> None:
    text = browser(carol).get(address("integration_security", sentry)).content.decode()

    assert "every delivery is refused until you store it" in text
    assert "Client Secret" in text


def test_brought_secret_is_stored_and_not_shown_again(carol: User, sentry: Integration) -> None:
    client = browser(carol)

    response = client.post(address("secret_store", sentry), {"secret": SECRET, "keep": "24"})

    page = client.get(address("integration_security", sentry)).content.decode()
    assert response["Location"] == address("integration_security", sentry)
    assert stored(sentry).signing_secret == SECRET
    assert SECRET not in page


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"secret": "short", "keep": "24"}, "secret"),
        ({"secret": "", "keep": "24"}, "secret"),
        ({"secret": SECRET, "keep": "5000"}, "keep"),
    ],
)
def test_wrong_secret_is_said_in_the_form(
    carol: User, sentry: Integration, data: dict[str, str], field: str
) -> None:
    response = browser(carol).post(address("secret_store", sentry), data)

    assert response.status_code == 422
    assert list(response.context["secret_form"].errors) == [field]
    assert stored(sentry).signing_secret == ""


def test_person_rotates_the_secret(carol: User, github: Integration) -> None:
    old = github.signing_secret
    client = browser(carol)

    client.post(address("secret_generate", github), {"keep": "1"})
    page = client.get(address("integration_security", github)).content.decode()
    during = usable_secrets(stored(github))
    client.post(address("secret_end_previous", github))

    assert during[1] == old
    assert "is valid until" in page
    assert during[0] in page
    assert old not in page
    assert usable_secrets(stored(github)) == [during[0]]


def test_person_waives_after_a_question_and_requires_again(
    carol: User, github: Integration
) -> None:
    client = browser(carol)

    question = client.get(address("signature_waive", github)).content.decode()
    still = stored(github).signature_required
    client.post(address("signature_waive", github))
    waived = stored(github).signature_required
    client.post(address("signature_require", github))

    assert "can then open and close incidents" in question
    assert (still, waived, stored(github).signature_required) == (True, False, True)
    assert AuditEntry.objects.filter(action="integration.signature_waived", actor=carol).exists()


def test_what_cannot_be_done_is_said(carol: User, github: Integration) -> None:
    response = browser(carol).post(address("secret_clear", github), follow=True)

    assert "Waive the check first" in response.content.decode()
    assert stored(github).signing_secret


def test_topic_is_stored_and_forgotten(carol: User, checkout: Service) -> None:
    integration = IntegrationFactory(service=checkout, kind="cloudwatch", signature_required=True)
    client = browser(carol)

    wrong = client.post(address("secret_store", integration), {"secret": "alarms"})
    client.post(address("secret_store", integration), {"secret": TOPIC})
    page = client.get(address("integration_security", integration)).content.decode()
    client.post(address("secret_clear", integration))

    assert wrong.status_code == 422
    assert TOPIC in page
    assert stored(integration).signing_secret == ""
