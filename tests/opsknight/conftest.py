"""The browser for tests of the shell."""

import os
import shutil
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.opsknight.site import Site

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Under the load of a whole test run a page may take its time.
PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)


# One per module, not per run: Playwright's event loop, while it lives, makes Django refuse the
# database in this thread.
@pytest.fixture(scope="module")
def browser() -> Generator[Browser, None, None]:
    """The system's Chromium; without it the test is skipped, but in CI it fails."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        reason = "No Chromium: install the package chromium."
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def site() -> Generator[Site, None, None]:
    site = Site()
    yield site
    site.close()


@pytest.fixture
def page(browser: Browser, site: Site) -> Generator[Page, None, None]:
    """A page that fails its test when a script throws or the policy is violated."""
    context = browser.new_context(base_url=site.url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))

    def notice(message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            problems.append(message.text)

    page.on("console", notice)
    yield page
    context.close()
    assert problems == []
