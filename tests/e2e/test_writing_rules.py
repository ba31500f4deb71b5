"""Rules are written in the browser: the preview follows, routes move, nothing typed is lost."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import Visitor
from tests.stack import Stack

SETUP = """
import json as j
from django.test import Client
from escalations.models import EscalationPolicy
from incidents.models import Delivery, Integration, Service
from opsknight.models import User

person = User.objects.create(email="writer@example.com", name="Writer", role="responder",
                             status="active", password="!")
EscalationPolicy.objects.create(name="Database people")
service = Service.objects.create(name="Ruled")
integration = Integration.objects.create(service=service, kind="prometheus", name="Prometheus")
alert = {"labels": {"alertname": "DiskFull", "severity": "critical", "team": "database"},
         "annotations": {"summary": "Disk almost full"}, "fingerprint": "abc1"}
Delivery.objects.create(integration=integration, kind="prometheus", verdict="accepted",
                        body=j.dumps({"alerts": [alert]}).encode())
client = Client()
client.force_login(person)
answer = {"pk": integration.pk, "session": client.cookies["sessionid"].value}
"""


@pytest.fixture(scope="module")
def written(running_stack: Stack) -> Any:
    """An integration with one recorded delivery, and the session of somebody who may change it."""
    return running_stack.run(SETUP)


@pytest.fixture
def rules(running_stack: Stack, visitor: Visitor, written: Any) -> Iterator[Page]:
    """The page; at the end no request is left under way, which closing it would break off."""
    cookie = {"name": "sessionid", "value": written["session"], "url": running_stack.base_url}
    visitor.context.add_cookies([cookie])  # type: ignore[list-item]
    page = visitor.page()
    page.goto(f"/integrations/{written['pk']}/rules/")
    yield page
    expect(page.locator(".htmx-request")).to_have_count(0)


def test_preview_follows_what_is_typed(rules: Page) -> None:
    preview = rules.locator("#rules-preview")

    rules.get_by_label("Title").fill("[{{ event.details.labels.team|upper }}] {{ event.summary }}")
    rules.get_by_label("Resolve when").fill("1 / 0")

    expect(preview.get_by_text("[DATABASE] Disk almost full")).to_be_visible()
    expect(preview.get_by_text("A number is divided by zero.")).to_be_visible()


def test_pasted_body_is_asked_for_and_tried(rules: Page) -> None:
    body = '{"alerts": [{"labels": {"alertname": "Pasted"}}]}'
    expect(rules.get_by_label("Body", exact=True)).to_be_hidden()

    rules.get_by_label("Try the rules on").select_option(label="A body that you paste")
    rules.get_by_label("Body", exact=True).fill(body)

    expect(rules.locator(".previewed__title")).to_have_text("Pasted")
    expect(rules.get_by_label("Body", exact=True)).to_have_value(body)


def test_routes_are_added_moved_and_saved(rules: Page) -> None:
    rules.get_by_label("Title").fill("Kept while routes change")
    rules.get_by_role("button", name="Add a route").click()
    expect(rules.get_by_label("Name")).to_be_focused()
    rules.get_by_label("Name").fill("Databases")
    rules.get_by_label("Condition").fill("event.details.labels.team == 'database'")
    rules.get_by_label("Escalation policy").first.select_option(label="Database people")
    expect(rules.locator("#rules-preview").get_by_text("Database people")).to_be_visible()
    rules.get_by_role("button", name="Add a route").click()
    rules.get_by_label("Name").nth(1).fill("Noise")
    rules.get_by_label("Condition").nth(1).fill("event.severity == 'info'")

    rules.get_by_role("button", name="Move up").click()
    expect(rules.get_by_label("Name").first).to_have_value("Noise")
    rules.get_by_role("button", name="Save the rules").click()

    expect(rules.get_by_text("Saved. The rules hold within ten seconds.")).to_be_visible()
    expect(rules.get_by_label("Title")).to_have_value("Kept while routes change")
    expect(rules.get_by_label("Name").first).to_have_value("Noise")
    expect(rules.get_by_label("Name").nth(1)).to_have_value("Databases")


def test_preview_does_not_cancel_what_was_pressed_on_a_slow_line(rules: Page) -> None:
    def slowly(route: Route) -> None:
        time.sleep(1)  # the preview is asked for meanwhile
        route.continue_()

    rules.route(lambda address: address.endswith("/rules/"), slowly)
    before = rules.get_by_label("Name").count()

    rules.get_by_label("Title").fill("Typed a moment before")
    rules.get_by_role("button", name="Add a route").click()

    expect(rules.get_by_label("Name")).to_have_count(before + 1)
