"""The page of an integration's rules: who may see it, what it saves, and its preview."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from incidents.intake.rules import RouteText, RuleTexts
from incidents.models import Delivery, Integration, Route, Service
from incidents.services.rules import rules_of, save_rules, version_of
from opsknight.models import AuditEntry, User
from tests.factories import IntegrationFactory, PolicyFactory
from tests.incidents.cast import HTMX, browser


@pytest.fixture
def webhook(checkout: Service) -> Integration:
    return IntegrationFactory(service=checkout, kind="webhook", name="Curl")


def address(integration: Integration, tail: str = "") -> str:
    return f"/integrations/{integration.pk}/rules/{tail}"


def form(integration: Integration, **values: Any) -> dict[str, Any]:
    """What the page posts: names with `__` for a hyphen."""
    shown = {"version": version_of(rules_of(integration)), "default-name": "Default"}
    return shown | {name.replace("__", "-"): value for name, value in values.items()}


def recorded(integration: Integration, body: Any, **values: Any) -> Delivery:
    return Delivery.objects.create(
        integration=integration,
        kind=integration.kind,
        body=json.dumps(body).encode(),
        verdict="accepted",
        **values,
    )


# Who


@pytest.mark.parametrize("tail", ["", "preview/"])
def test_stranger_finds_nothing(eve: User, webhook: Integration, tail: str) -> None:
    client = browser(eve)

    assert client.get(address(webhook, tail)).status_code in (404, 405)
    assert client.post(address(webhook, tail), form(webhook)).status_code == 404
    assert not Route.objects.exists()


def test_nobody_is_sent_to_the_sign_in(webhook: Integration) -> None:
    response = Client().get(address(webhook))

    assert response.status_code == 302
    assert response["Location"].startswith("/login/")


@pytest.mark.parametrize("who", ["alice", "bob", "carol"])
def test_responders_and_the_team_change_rules(
    request: pytest.FixtureRequest, who: str, webhook: Integration
) -> None:
    user = request.getfixturevalue(who)

    response = browser(user).post(
        address(webhook), form(webhook, template__title="{{ event.source }}")
    )

    assert response.status_code == 302
    assert rules_of(webhook).title == "{{ event.source }}"


def test_page_needs_the_token_of_the_form(bob: User, webhook: Integration) -> None:
    client = browser(bob, enforces_csrf=True)

    assert client.post(address(webhook), form(webhook)).status_code == 403


# Saving


def test_all_that_was_written_is_saved_and_audited(bob: User, webhook: Integration) -> None:
    policy = PolicyFactory(name="Database people")
    values = form(
        webhook,
        template__title="[{{ event.source }}] {{ event.summary }}",
        template__urgency="{{ event.severity }}",
        template__resolve_when="payload.state == 'fine'",
        route__0__name="Databases",
        route__0__condition="event.source|startswith('db-')",
        route__0__escalation_policy=policy.pk,
        route__0__urgency="high",
        route__0__priority="P1",
        default__is_suppressed="on",
    )

    browser(bob).post(address(webhook), values)

    assert rules_of(webhook) == RuleTexts(
        title="[{{ event.source }}] {{ event.summary }}",
        urgency="{{ event.severity }}",
        resolve_when="payload.state == 'fine'",
        routes=(
            RouteText(
                "Databases", "event.source|startswith('db-')", policy.pk, "high", "P1", False
            ),
            RouteText("Default", "", None, "", "", True),
        ),
    )
    entry = AuditEntry.objects.get(action="integration.rules_changed")
    assert (entry.actor, entry.entity_id) == (bob, str(webhook.pk))
    assert "Databases: if event.source|startswith('db-'): policy Database people" in str(
        entry.changes["routes"]
    )


def test_page_shows_what_is_saved(bob: User, webhook: Integration) -> None:
    texts = RuleTexts(
        title="{{ event.source }}!",
        routes=(RouteText("Noise", "event.severity == 'info'", None, "", "", True),),
    )
    save_rules(integration=webhook, texts=texts, shown=None, actor=None)

    page = browser(bob).get(address(webhook)).content.decode()

    assert "{{ event.source }}!" in page
    assert "event.severity == &#x27;info&#x27;" in page
    assert 'value="Noise"' in page


def test_saving_nothing_new_writes_nothing(bob: User, webhook: Integration) -> None:
    browser(bob).post(address(webhook), form(webhook))

    assert not AuditEntry.objects.filter(action="integration.rules_changed").exists()


def test_rules_are_cleared_by_empty_fields(bob: User, webhook: Integration) -> None:
    texts = RuleTexts(title="x", routes=(RouteText("All", "", None, "low", "", False),))
    save_rules(integration=webhook, texts=texts, shown=None, actor=None)

    browser(bob).post(address(webhook), form(webhook))

    assert rules_of(webhook) == RuleTexts()


@pytest.mark.parametrize(
    ("values", "target", "said"),
    [
        ({"template__title": "{{ event.summary"}, "template-title", "Line 1"),
        ({"template__title": "\n{{ a|nope }}"}, "template-title", "there is no filter nope"),
        ({"template__title": "x" * 2001}, "template-title", "at most 2000 characters"),
        ({"template__title": "{% for a in b %}{% endfor %}"}, "template-title", "no loops"),
        ({"template__resolve_when": "{{ true }}"}, "template-resolve_when", "without {{ }}"),
        ({"route__0__name": "A", "route__0__condition": "a b"}, "route-0-condition", "Line 1"),
        ({"route__0__name": "A"}, "route-0-condition", "Write a condition"),
        ({"route__0__name": "", "route__0__condition": "true"}, "route-0-name", "Give it a name"),
        ({"default__escalation_policy": "999"}, "default-escalation_policy", "This policy is gone"),
        ({"default__escalation_policy": "x"}, "default-escalation_policy", "This policy is gone"),
        ({"default__urgency": "huge"}, "default-urgency", "Select a valid choice"),
        ({"default__priority": "P9"}, "default-priority", "Select a valid choice"),
    ],
)
def test_mistake_is_named_at_its_field_and_nothing_is_saved(
    bob: User, webhook: Integration, values: dict[str, Any], target: str, said: str
) -> None:
    response = browser(bob).post(address(webhook), form(webhook, **values))

    page = response.content.decode()
    assert response.status_code == 422
    assert f'href="#id_{target}"' in page
    assert said in page
    assert rules_of(webhook) == RuleTexts()


def test_second_of_two_editors_is_told_and_may_insist(
    bob: User, carol: User, webhook: Integration
) -> None:
    opened = form(webhook, template__title="Bob's")
    browser(carol).post(address(webhook), form(webhook, template__title="Carol's"))
    client = browser(bob)

    response = client.post(address(webhook), opened)

    page = response.content.decode()
    assert response.status_code == 422
    assert "Somebody changed these rules meanwhile" in page
    assert "Bob&#x27;s" in page
    assert rules_of(webhook).title == "Carol's"
    client.post(address(webhook), form(webhook, template__title="Bob's"))
    assert rules_of(webhook).title == "Bob's"


# Routes without JavaScript


def two_routes() -> dict[str, str]:
    return {
        "route__0__name": "First",
        "route__0__condition": "true",
        "route__1__name": "Second",
        "route__1__condition": "false",
    }


@pytest.mark.parametrize(
    ("do", "names"),
    [
        ("add", ["First", "Second", ""]),
        ("remove-1", ["Second"]),
        ("up-2", ["Second", "First"]),
        ("down-1", ["Second", "First"]),
        ("up-1", ["First", "Second"]),
        ("down-2", ["First", "Second"]),
        ("remove-9", ["First", "Second"]),
        ("remove-x", ["First", "Second"]),
        ("nonsense", ["First", "Second"]),
    ],
)
def test_routes_are_rearranged_in_the_form_alone(
    bob: User, webhook: Integration, do: str, names: list[str]
) -> None:
    values = form(webhook, **two_routes(), do=do)

    response = browser(bob).post(address(webhook), values)

    assert [route["name"].value() for route in response.context["editor"].routes] == names
    assert "Not saved yet" in response.content.decode()
    assert not Route.objects.exists()


# The preview


def preview(client: Client, integration: Integration, **values: Any) -> str:
    response = client.post(
        address(integration, "preview/"), form(integration, **values), headers=HTMX
    )
    assert response.status_code == 200
    return response.content.decode()


def test_preview_shows_what_rules_make_of_the_last_delivery(
    bob: User, webhook: Integration
) -> None:
    policy = PolicyFactory(name="Database people")
    recorded(webhook, {"summary": "Disk full", "source": "db-1", "severity": "info"})

    page = preview(
        browser(bob),
        webhook,
        template__title="{{ source }}: {{ event.summary }}",
        template__dedup_key="{{ payload.source }}/disk",
        route__0__name="Databases",
        route__0__condition="source|startswith('db')",
        route__0__escalation_policy=policy.pk,
        route__0__urgency="high",
    )

    assert "db-1: Disk full" in page
    assert "db-1/disk" in page
    assert "Databases" in page
    assert "Database people" in page
    assert "High" in page
    assert "payload.source" in page
    assert not Route.objects.exists()


def test_preview_names_what_fails_and_what_is_missing(bob: User, webhook: Integration) -> None:
    recorded(webhook, {"summary": "Disk full", "level": "critical"})

    page = preview(
        browser(bob),
        webhook,
        template__title="{{ payload.nope }}",
        template__description="{{ 1 / 0 }}",
        template__urgency="{{ broken",
    )

    assert "payload.nope" in page
    assert "A number is divided by zero." in page
    assert "unexpected end of template" in page
    assert "Disk full" in page


def test_preview_of_a_chosen_delivery(bob: User, webhook: Integration) -> None:
    wanted = recorded(webhook, {"summary": "Old"}, received_at=timezone.now() - timedelta(days=1))
    recorded(webhook, {"summary": "New"})

    assert "Old" in preview(browser(bob), webhook, source=f"delivery-{wanted.pk}")


def test_delivery_of_another_integration_is_not_shown(bob: User, webhook: Integration) -> None:
    other = IntegrationFactory(service=webhook.service, kind="webhook")
    foreign = recorded(other, {"summary": "Foreign"})

    assert "Foreign" not in preview(browser(bob), webhook, source=f"delivery-{foreign.pk}")


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ('{"summary": "Pasted"}', "Pasted"),
        ("no JSON", "The body is not valid JSON"),
        ('{"action": "ping"}', "A ping is no alert"),
        ("", "paste a body"),
    ],
)
def test_preview_of_a_pasted_body(bob: User, webhook: Integration, pasted: str, said: str) -> None:
    assert said in preview(browser(bob), webhook, source="pasted", pasted=pasted)


def test_refused_deliveries_are_no_sample(bob: User, webhook: Integration) -> None:
    delivery = recorded(webhook, {"summary": "Forged"})
    Delivery.objects.filter(pk=delivery.pk).update(verdict="refused")

    assert str(delivery.pk) not in browser(bob).get(address(webhook)).content.decode()


@pytest.mark.parametrize("kind", Integration.Kind.values)
def test_page_opens_for_every_kind(bob: User, checkout: Service, kind: str) -> None:
    integration = IntegrationFactory(service=checkout, kind=kind)

    assert browser(bob).get(address(integration)).status_code == 200


def test_many_deliveries_cost_no_more_queries(
    bob: User, webhook: Integration, django_assert_max_num_queries: Any
) -> None:
    for number in range(25):
        recorded(webhook, {"summary": f"Alert {number}"})
    client = browser(bob)
    client.get(address(webhook))

    # Session, person, integration, template, routes, policies, deliveries, one body, and the shell.
    with django_assert_max_num_queries(12):
        client.get(address(webhook))
