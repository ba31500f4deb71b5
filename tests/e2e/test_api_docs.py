"""The page of the API in a real browser: it renders, offline, without a complaint."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.conftest import visitor_of
from tests.stack import ADMIN_EMAIL, Stack

# Down by half a screen; done when that has been drawn.
SCROLL = """() => new Promise((done) => {
  window.scrollBy(0, 400);
  requestAnimationFrame(() => requestAnimationFrame(() => done(Math.round(window.scrollY))));
})"""


@pytest.fixture
def docs(running_stack: Stack, chromium: Browser) -> Iterator[Page]:
    """The page, which afterwards must have complained of nothing and asked no stranger."""
    visitor = visitor_of(running_stack, chromium)
    page = visitor.page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/api/docs/")
    yield page
    visitor.close()
    at_home = (running_stack.base_url, "data:", "blob:")
    assert [url for url in asked if not url.startswith(at_home)] == []


def scrolled(page: Page) -> Iterator[set[str]]:
    """What the page shows of operations, part by part: of many it renders only those in sight."""
    page.wait_for_selector(".opblock-summary-description")
    at, before = 0, -1
    while at != before:
        yield set(page.locator(".opblock-summary-description").all_inner_texts())
        before, at = at, page.evaluate(SCROLL)


def test_page_shows_the_operations(docs: Page) -> None:
    shown = set().union(*scrolled(docs))

    assert {"List incidents", "Acknowledge an incident", "Send events"} <= shown
    assert "Send an event (PagerDuty Events API v2)" in shown


def test_operation_is_tried_with_a_key(running_stack: Stack, docs: Page) -> None:
    options = ["--email", ADMIN_EMAIL, "--name", "docs", "--scope", "services:read"]
    key = running_stack.manage("create_api_key", *options).strip()
    docs.locator(".auth-wrapper .authorize").click()
    docs.locator("#auth-bearer-value").fill(key)
    docs.get_by_role("button", name="Apply credentials").first.click()
    docs.get_by_role("button", name="Close").first.click()

    next(shown for shown in scrolled(docs) if "List services" in shown)
    docs.get_by_text("List services", exact=True).click()
    docs.get_by_role("button", name="Try it out").click()
    docs.get_by_role("button", name="Execute").click()

    status = docs.locator(".live-responses-table tbody .response-col_status").first
    status.wait_for()
    assert status.inner_text().strip().startswith("200")
