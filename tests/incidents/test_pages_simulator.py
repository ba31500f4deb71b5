"""The simulator of an integration: samples, preview, and the whole way."""

import json
from typing import Any

import pytest
from django.urls import reverse
from django.utils.html import escape

from incidents.models import Delivery, Incident, Integration, Service
from incidents.samples import samples_of
from opsknight.models import AuditEntry, User
from tests.factories import IntegrationFactory
from tests.incidents.cast import HTMX, browser
from tests.incidents.doors import Door, knock

__all__ = ["knock"]

RUN = "0a1b2c3d"


@pytest.fixture
def github(checkout: Service) -> Integration:
    """A GitHub integration of Checkout without a secret."""
    return IntegrationFactory(service=checkout, name="GitHub acme", kind="github")


def open_simulator(user: User, integration: Integration, **query: str) -> Any:
    return browser(user).get(reverse("incidents:simulator", args=[integration.pk]), query)


def values_of(page: Any) -> dict[str, str]:
    """What the form of a page would send."""
    return {name: page.context["form"][name].value() for name in ("headers", "query", "body")}


def press(
    user: User, integration: Integration, do: str, values: dict[str, str], **options: Any
) -> Any:
    address = reverse("incidents:simulator", args=[integration.pk])
    return browser(user).post(address, values | {"do": do}, **options)


@pytest.mark.parametrize("kind", Integration.Kind.values)
def test_simulator_of_every_kind_offers_its_samples(
    carol: User, checkout: Service, kind: str
) -> None:
    integration = IntegrationFactory(service=checkout, kind=kind)

    page = open_simulator(carol, integration)

    text = page.content.decode()
    assert [escape(s.title) in text for s in samples_of(kind)] == [True] * len(samples_of(kind))
    assert values_of(page)["body"] or kind == "heartbeat"


def test_samples_of_one_run_close_what_they_opened(
    knock: Door, carol: User, github: Integration
) -> None:
    for name in ("firing", "resolved"):
        values = values_of(open_simulator(carol, github, sample=name, run=RUN))
        text = press(carol, github, "send", values).content.decode()

    incident = Incident.objects.get()
    assert incident.status == "resolved"
    assert f"#{incident.pk}" in text
    assert {d.via for d in Delivery.objects.all()} == {"simulator"}
    assert AuditEntry.objects.filter(action="integration.simulated", actor=carol).count() == 2


def test_next_step_of_a_run_is_offered_after_its_first(
    knock: Door, carol: User, github: Integration
) -> None:
    page = open_simulator(carol, github)
    action = page.content.decode().partition('action="?')[2].partition('"')[0]
    address = reverse("incidents:simulator", args=[github.pk])

    answer = browser(carol).post(
        f"{address}?{action.replace('&amp;', '&')}", values_of(page) | {"do": "send"}
    )

    following = answer.content.decode().partition('Next: <a href="?')[2].partition('"')[0]
    values = values_of(browser(carol).get(f"{address}?{following.replace('&amp;', '&')}"))
    press(carol, github, "send", values)
    assert Incident.objects.get().status == "resolved"


def test_preview_says_what_would_be_and_stores_nothing(carol: User, github: Integration) -> None:
    values = values_of(open_simulator(carol, github))

    text = press(carol, github, "preview", values).content.decode()

    assert "Opens an incident" in text
    assert "Test alert failed" in text
    assert not Delivery.objects.exists()
    assert not Incident.objects.exists()


def test_htmx_gets_only_the_result(carol: User, github: Integration) -> None:
    values = values_of(open_simulator(carol, github))

    text = press(carol, github, "preview", values, headers=HTMX).content.decode()

    assert "Opens an incident" in text
    assert "<form" not in text


def test_edited_body_is_what_is_sent(knock: Door, carol: User, github: Integration) -> None:
    values = values_of(open_simulator(carol, github))
    body = json.loads(values["body"])
    body["workflow_run"]["name"] = body["workflow"]["name"] = "Deploy"

    press(carol, github, "send", values | {"body": json.dumps(body)})

    assert Incident.objects.get().title.startswith("Workflow Deploy failed")


def test_what_is_not_understood_is_recorded_as_such(
    knock: Door, carol: User, github: Integration
) -> None:
    text = press(carol, github, "send", {"body": "{", "headers": ""}).content.decode()

    assert "Not understood" in text
    assert Delivery.objects.get().verdict == "invalid"


def test_header_without_a_colon_is_named(carol: User, github: Integration) -> None:
    answer = press(carol, github, "send", {"body": "{}", "headers": "X-GitHub-Event ping"})

    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["headers"]
    assert not Delivery.objects.exists()


def test_message_is_signed_with_the_stored_secret(
    knock: Door, carol: User, github: Integration
) -> None:
    Integration.objects.update(signing_secret="It is a secret", signature_required=True)
    values = values_of(open_simulator(carol, github))

    text = press(carol, github, "send", values).content.decode()

    delivery = Delivery.objects.get()
    assert (delivery.verdict, delivery.signature) == ("accepted", "valid")
    assert "Signed with the stored secret" in text
    assert "It is a secret" not in text


def test_forged_signature_is_refused_and_says_so(
    knock: Door, carol: User, github: Integration
) -> None:
    Integration.objects.update(signing_secret="It is a secret", signature_required=True)
    values = values_of(open_simulator(carol, github))
    forged = values["headers"] + "\nX-Hub-Signature-256: sha256=" + "0" * 64

    text = press(carol, github, "send", values | {"headers": forged}).content.decode()

    assert Delivery.objects.get().verdict == "refused"
    assert "Refused" in text
    assert not Incident.objects.exists()


def test_missing_secret_is_named_but_a_test_alert_goes_through(
    knock: Door, carol: User, github: Integration
) -> None:
    Integration.objects.update(signature_required=True)
    values = values_of(open_simulator(carol, github))

    text = press(carol, github, "send", values).content.decode()
    browser(carol).post(reverse("incidents:send_test_alert", args=[github.pk]))

    assert "No secret is stored" in text
    assert Incident.objects.count() == 1


def test_recorded_delivery_is_edited_in_the_simulator(
    knock: Door, carol: User, github: Integration
) -> None:
    Integration.objects.update(signing_secret="It is a secret", signature_required=True)
    values = values_of(open_simulator(carol, github))
    press(carol, github, "send", values)
    first = Delivery.objects.get()

    again = values_of(open_simulator(carol, github, delivery=str(first.pk)))
    changed = again["body"].replace('"failure"', '"timed_out"')
    press(carol, github, "send", again | {"body": changed})

    latest = Delivery.objects.first()
    assert latest is not None
    assert (latest.verdict, latest.signature) == ("accepted", "valid")
    assert b"timed_out" in bytes(latest.body)


def test_delivery_of_another_integration_is_not_loaded(
    carol: User, github: Integration, wiki: Service
) -> None:
    other = IntegrationFactory(service=wiki)
    delivery = Delivery.objects.create(integration=other, kind=other.kind, verdict="accepted")

    assert open_simulator(carol, github, delivery=str(delivery.pk)).status_code == 404


@pytest.mark.parametrize("query", [{"sample": "../../etc"}, {"run": "x" * 99}, {"delivery": "?"}])
def test_nonsense_in_the_address_shows_the_first_sample(
    carol: User, github: Integration, query: dict[str, str]
) -> None:
    page = open_simulator(carol, github, **query)

    assert page.status_code == 200
    assert page.context["chosen"].name == "firing"


def test_disabled_integration_only_previews(carol: User, github: Integration) -> None:
    Integration.objects.update(enabled=False)
    page = open_simulator(carol, github)

    sent = press(carol, github, "send", values_of(page)).content.decode()
    previewed = press(carol, github, "preview", values_of(page)).content.decode()

    assert 'value="send"' not in page.content.decode()
    assert "This integration is disabled" in sent
    assert "Opens an incident" in previewed
    assert not Delivery.objects.exists()


def test_limit_of_the_integration_holds_for_the_simulator(
    knock: Door, carol: User, github: Integration
) -> None:
    Integration.objects.update(rate_limit=1)
    values = values_of(open_simulator(carol, github))

    press(carol, github, "send", values)
    text = press(carol, github, "send", values).content.decode()

    assert "Not received" in text
    assert Delivery.objects.count() == 1


def test_reader_of_a_private_incident_is_not_told_its_title(
    knock: Door, bob: User, carol: User, github: Integration
) -> None:
    values = values_of(open_simulator(carol, github, run=RUN))
    press(carol, github, "send", values)
    Incident.objects.update(visibility="private", title="Card data leaked")

    text = press(bob, github, "send", values).content.decode()

    assert "Card data leaked" not in text


def test_markup_in_a_message_is_shown_as_text(carol: User, checkout: Service) -> None:
    hook = IntegrationFactory(service=checkout, kind="webhook")
    body = json.dumps({"title": "<script>alert(1)</script>", "id": "</textarea><b>"})

    text = press(carol, hook, "preview", {"body": body, "headers": ""}).content.decode()

    assert "<script>alert(1)" not in text
    assert "</textarea><b>" not in text
