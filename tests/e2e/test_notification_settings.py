"""One's own notifications, set up by hand: addresses, codes, rules, quiet hours, an absence."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.conftest import PHONE, Visitor, sign_in, visitor_of
from tests.stack import Stack

EMAIL, PASSWORD = "nora@example.com", "Correct-Horse-9-Battery"
HOME = "/settings/notifications/"
# A responder, who may look into the sandbox; without addresses, whatever went before.
PREPARE = f"""
from opsknight.models import User
nora, made = User.objects.get_or_create(
    email="{EMAIL}", defaults=dict(name="Nora", role="responder", status="active"))
nora.set_password("{PASSWORD}")
nora.save()
nora.contact_methods.all().delete()
"""


@pytest.fixture
def people(running_stack: Stack, chromium: Browser) -> Iterator[Any]:
    """Makes browsers in which Nora is signed in."""
    running_stack.run(PREPARE)
    visitors = []

    def signed_in(**options: Any) -> Visitor:
        visitor = visitor_of(running_stack, chromium, viewport=PHONE, **options)
        sign_in(visitor, EMAIL, PASSWORD)
        visitors.append(visitor)
        return visitor

    yield signed_in
    for visitor in visitors:
        # A form that is refused has an answer; Chromium notes an error.
        visitor.problems[:] = [one for one in visitor.problems if "status of 4" not in one]
        visitor.close()


def expected(page: Page, urgency: str) -> Locator:
    """What the page says would come now."""
    return page.locator(".expected > section").filter(has_text=f"{urgency} urgency")


def add_number(page: Page, number: str) -> None:
    page.get_by_label("Kind").select_option(label="SMS")
    page.get_by_label("Address", exact=True).fill(number)
    page.get_by_label("Label").fill("private")
    page.get_by_role("button", name="Add the address").click()


def read_code(page: Page, link: str) -> str:
    """The code, from the message in the sandbox."""
    page.goto(link)
    found = re.search(r"\b(\d{6}) is your OpsKnight code", page.locator("main").inner_text())
    assert found
    return found[1]


def wall(moment: datetime, pattern: str = "%H:%M") -> str:
    return moment.strftime(pattern)


def test_a_number_is_added_verified_and_used_as_its_owner_wants(people: Any) -> None:
    visitor = people()
    page: Page = visitor.page()
    page.goto(HOME)
    page.evaluate("window.wasNotReloaded = true")
    ways, high = page.locator("#ways"), expected(page, "High")

    add_number(page, "0660 123")
    expect(page.locator("#new [role=alert]")).to_contain_text("with its country")
    add_number(page, "+43 660 1234567")
    expect(ways).to_contain_text("Not verified")
    expect(page.get_by_label("Code of six digits")).to_be_focused()
    expect(high).to_contain_text(f"At once E-mail to {EMAIL}")

    link = ways.get_by_role("link", name="the sandbox").get_attribute("href")
    sandbox = visitor.page()
    code = read_code(sandbox, link or "")
    sandbox.close()
    page.bring_to_front()
    page.get_by_label("Code of six digits").fill("12 34")
    page.keyboard.press("Enter")
    expect(ways.get_by_role("alert")).to_contain_text("4 tries are left")
    page.get_by_label("Code of six digits").fill(code)
    page.keyboard.press("Enter")
    expect(ways).to_contain_text("In use")
    expect(high).to_contain_text("At once SMS to private")

    ways.get_by_role("button", name="Send test").press("Enter")
    expect(ways).to_contain_text(re.compile(r"Test, .*no provider is set up for SMS", re.S))
    expect(ways.get_by_role("button", name="Send test")).to_be_focused()

    expect(page.get_by_label("Kind")).to_be_hidden()
    page.get_by_text("Add an address").click()
    page.get_by_label("Kind").select_option(label="E-mail")
    page.get_by_label("Address", exact=True).fill(EMAIL)
    page.get_by_label("Use it for").select_option(label="Nothing yet")
    page.get_by_role("button", name="Add the address").click()
    rules = page.locator("#rules .card").filter(has_text="High urgency")
    rules.get_by_label("Use").select_option(index=1)
    rules.get_by_label("after minutes").fill("5")
    rules.get_by_role("button", name="Add").click()
    expect(rules.locator(".ladder__way")).to_contain_text(["SMS", "E-mail"])
    rules.get_by_label("Minutes after a page").first.fill("15")
    page.keyboard.press("Enter")
    expect(rules.locator(".ladder__way")).to_contain_text(["E-mail", "SMS"])
    expect(high).to_contain_text("After 15 min SMS to private")
    expect(high).to_contain_text("Nothing reaches you at once")

    assert page.evaluate("window.wasNotReloaded") is True
    assert page.url.endswith(HOME)


def test_quiet_hours_and_an_absence_change_what_comes_until_they_are_taken_back(
    people: Any,
) -> None:
    page: Page = people().page()
    page.goto(HOME)
    now = datetime.now(UTC)
    quiet, absences = page.locator("#quiet"), page.locator("#absences")

    expect(quiet.get_by_label("From")).to_be_hidden()
    quiet.get_by_label("What waits").select_option(value="low")
    quiet.get_by_role("button", name="Save").click()
    expect(quiet.get_by_role("alert")).to_contain_text("Say when.")
    quiet.get_by_label("From").fill(wall(now - timedelta(hours=2)))
    quiet.get_by_label("Until").fill(wall(now + timedelta(hours=3)))  # may be over midnight
    quiet.get_by_role("button", name="Save").click()
    expect(expected(page, "Low")).to_contain_text("after quiet hours")
    expect(expected(page, "High")).to_contain_text("At once")
    expect(quiet.get_by_label("What waits")).to_have_value("low")

    absences.get_by_text("Add an absence").click()
    absences.get_by_label("From").fill(wall(now - timedelta(hours=1), "%Y-%m-%dT%H:%M"))
    absences.get_by_label("Until").fill(wall(now + timedelta(days=3), "%Y-%m-%dT%H:%M"))
    absences.get_by_label("Who is paged in your place").select_option(label="Alice Novak")
    absences.get_by_role("button", name="Add the absence").click()
    expect(expected(page, "High")).to_contain_text("Alice Novak is paged in your place")
    expect(page.locator("#away")).to_contain_text("You are away")
    absences.get_by_role("button", name="I am back").click()
    expect(expected(page, "High")).to_contain_text(f"At once E-mail to {EMAIL}")
    expect(page.locator("#away")).to_be_hidden()

    quiet.get_by_label("What waits").select_option(value="")
    quiet.get_by_role("button", name="Save").click()
    expect(expected(page, "Low")).to_contain_text("At once")


def test_without_javascript_a_number_is_verified_and_removed_in_two_tabs(people: Any) -> None:
    visitor = people(java_script_enabled=False)
    page, other = visitor.page(), visitor.page()
    page.goto(HOME)

    add_number(page, "+43 660 7654321")
    assert page.url.endswith("#ways")
    sandbox = visitor.page()
    expect_in_sandbox(sandbox)
    sandbox.get_by_role("link", name="is your OpsKnight code").first.click()
    page.get_by_label("Code of six digits").fill(read_code(sandbox, sandbox.url))
    page.get_by_role("button", name="Verify").click()
    expect(expected(page, "High")).to_contain_text("At once SMS to private")
    other.goto(HOME)
    for tab in (page, other):
        tab.locator("#ways summary").click()
        tab.get_by_role("button", name="Remove it").click()

    page.goto(HOME)
    expect(expected(page, "High")).to_contain_text(f"At once E-mail to {EMAIL}")
    expect(other.locator("main")).to_contain_text("Nothing here")


def expect_in_sandbox(page: Page) -> None:
    """The worker has put the code there."""
    while True:
        page.goto("/sandbox/")
        if page.get_by_role("row").filter(has_text="+436607654321").count():
            return
