"""An integration in a browser: set it up, simulate its vendor, find and replay deliveries."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PHONE, Visitor, visitor_of
from tests.stack import Stack

CREATE = """
from incidents.models import Integration, Service
service, _ = Service.objects.get_or_create(name="Simulated")
made = Integration.objects.create(service=service, kind="github", name="GitHub acme")
answer = made.pk
"""


@pytest.fixture(scope="module")
def github(running_stack: Stack) -> int:
    """An integration of GitHub, whose check of signatures is not required."""
    pk = running_stack.run(CREATE)
    assert isinstance(pk, int)
    return pk


def tab(page: Page, name: str) -> None:
    page.locator(".tabs").get_by_role("link", name=name).click()


def result(page: Page):  # type: ignore[no-untyped-def]
    return page.locator("#simulator-result")


def test_message_is_simulated_found_and_replayed(alice: Visitor, github: int) -> None:
    page = alice.page()
    page.goto(f"/integrations/{github}/")
    expect(page.locator("main")).to_contain_text("/api/integrations/github/")

    tab(page, "Simulator")
    page.get_by_role("button", name="Preview only").click()
    expect(result(page)).to_contain_text("Opens an incident")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(result(page)).to_contain_text("Accepted")
    page.get_by_role("link", name="The workflow succeeds").first.click()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(result(page)).to_contain_text("Resolved")
    result(page).get_by_role("link", name=re.compile("#")).click()
    expect(page.locator("#incident-state")).to_contain_text("Resolved")

    page.get_by_role("link", name="delivery").first.click()
    expect(page.locator("main")).to_contain_text("x-github-event")
    tab(page, "Deliveries")
    page.get_by_role("searchbox").fill('"conclusion": "failure"')
    page.wait_for_url(re.compile(r"q="))
    expect(page.locator(".deliveries tbody tr")).to_have_count(1)
    page.locator(".deliveries tbody a").first.click()
    page.get_by_role("link", name="Replay").click()
    expect(page.locator("main")).to_contain_text("Opens an incident")
    page.get_by_role("button", name="Replay").click()

    expect(page.locator("#toasts")).to_contain_text("Replayed: accepted.")
    expect(page.locator("main")).to_contain_text("Replay of")


def test_simulator_works_without_javascript(
    running_stack: Stack, alice: Visitor, github: int
) -> None:
    plain = visitor_of(running_stack, alice.context.browser, java_script_enabled=False)
    plain.context.add_cookies(alice.context.cookies())
    page = plain.page()

    page.goto(f"/integrations/{github}/simulator/?sample=ignored")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(result(page)).to_contain_text("Ignored")
    page.get_by_role("link", name="Recorded as a delivery").click()
    page.get_by_role("button", name="Replay").click()

    expect(page.locator("#toasts")).to_contain_text("Replayed: ignored.")
    plain.close()


@pytest.mark.parametrize(
    "path", ["", "deliveries/", "deliveries/?verdict=invalid", "deliveries/replay/", "simulator/"]
)
def test_page_of_an_integration_fits_and_has_no_errors(
    alice: Visitor, github: int, path: str
) -> None:
    page = alice.page()
    found = len(alice.problems)

    response = page.goto(f"/integrations/{github}/{path}")
    page.set_viewport_size(PHONE)

    too_wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert response is not None
    assert response.status == 200
    assert too_wide <= 0
    assert alice.problems[found:] == []


@pytest.mark.parametrize("kind", ["icinga", "zabbix", "nagios", "dynatrace", "email", "heartbeat"])
def test_guide_with_long_lines_fits_a_phone(
    running_stack: Stack, alice: Visitor, kind: str
) -> None:
    code = CREATE.replace('kind="github"', f'kind="{kind}"')
    page = alice.page()
    page.set_viewport_size(PHONE)

    page.goto(f"/integrations/{running_stack.run(code)}/")

    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
