"""A real running OpsKnight and the system's Chromium, for tests that walk as a person does.

The tests talk to the database only through the stack: Playwright's event loop, while it lives,
makes Django refuse the database in this thread.
"""

import os
import re
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.stack import ADMIN_EMAIL, ADMIN_PASSWORD, Stack, start_stack, temporary_home

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Under load of a whole test run a page may take its time; what must be quick is measured apart.
PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)
LAPTOP: ViewportSize = {"width": 1366, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(scope="package")
def fresh_stack() -> Iterator[Stack]:
    """One stack for all tests of this folder, without an administrator: as after `make run`."""
    nobody = {"OPSKNIGHT_ADMIN_EMAIL": "", "OPSKNIGHT_ADMIN_PASSWORD": ""}
    # Providers that listen on this machine.
    nobody |= {"WEBHOOK_ALLOW_PRIVATE": "true"}
    with temporary_home() as home, start_stack(home, nobody) as stack:
        yield stack


@pytest.fixture(scope="package")
def chromium() -> Generator[Browser, None, None]:
    """The system's Chromium; without it the tests are skipped, but in CI they fail."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        reason = "No Chromium: install the system's package chromium to run the browser tests."
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Visitor:
    """A person's browser; `problems` collects what no page may do."""

    context: BrowserContext
    problems: list[str] = field(default_factory=list)

    def page(self) -> Page:
        """A new tab."""
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        return page

    def close(self) -> None:
        """Close all tabs; fail when a page broke the policy, threw or complained."""
        self.context.close()
        assert self.problems == []


def visitor_of(stack: Stack, chromium: Browser, **options: Any) -> Visitor:
    """A new browser without cookies; errors and policy violations are collected."""
    settings: dict[str, Any] = {"viewport": LAPTOP, "base_url": stack.base_url} | options
    visitor = Visitor(chromium.new_context(**settings))

    def notice(message: ConsoleMessage) -> None:
        # A violation of the Content-Security-Policy is such an error, too.
        if message.type == "error":
            visitor.problems.append(f"{message.text} ({message.location.get('url')})")

    visitor.context.on("console", notice)
    visitor.context.on("weberror", lambda error: visitor.problems.append(str(error.error)))
    return visitor


@pytest.fixture(scope="package")
def running_stack(fresh_stack: Stack, chromium: Browser) -> Stack:
    """The stack after its first administrator, ADMIN_EMAIL, has set it up in a browser."""
    newcomer = visitor_of(fresh_stack, chromium)
    set_up(newcomer.page(), fresh_stack)
    newcomer.close()
    return fresh_stack


def set_up(page: Page, stack: Stack) -> None:
    """Become the first administrator by the address that the first start has printed."""
    found = re.search(r"http://\S+/setup/\S+", stack.log)
    assert found, stack.log[-2000:]
    page.goto(found.group())
    page.get_by_label("Your name").fill("Alice Novak")
    page.get_by_label("E-mail").fill(ADMIN_EMAIL)
    page.get_by_label("Password", exact=True).fill(ADMIN_PASSWORD)
    page.get_by_label("Password, once more").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Create the account").click()
    page.wait_for_url("**/")


def sign_in(visitor: Visitor, email: str, password: str) -> None:
    """Sign in by hand."""
    page = visitor.page()
    page.goto("/login/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    page.close()


@pytest.fixture(scope="module")
def administrator(running_stack: Stack, chromium: Browser) -> Iterator[Visitor]:
    """The first administrator, signed in by hand."""
    visitor = visitor_of(running_stack, chromium)
    sign_in(visitor, ADMIN_EMAIL, ADMIN_PASSWORD)
    yield visitor
    visitor.close()


@pytest.fixture
def alice(administrator: Visitor) -> Iterator[Visitor]:
    """The administrator's browser; its tabs close with the test, whose streams would block others.

    A browser keeps six connections to a host, and every live page holds one.
    """
    yield administrator
    for page in administrator.context.pages:
        page.close()


@pytest.fixture
def visitor(running_stack: Stack, chromium: Browser) -> Iterator[Visitor]:
    """Somebody with an empty browser."""
    visitor = visitor_of(running_stack, chromium)
    yield visitor
    visitor.close()
