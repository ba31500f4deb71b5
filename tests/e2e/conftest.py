"""A real running OpsKnight and the system's Chromium, for tests that walk as a person does.

The tests talk to the database only through the stack: Playwright's event loop, while it lives,
makes Django refuse the database in this thread.
"""

import json
import os
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

from tests.stack import Stack, start_stack, temporary_home

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


@pytest.fixture(scope="session")
def fresh_stack() -> Iterator[Stack]:
    """One stack for all tests of this folder, without an administrator: as after `make run`."""
    nobody = {"OPSKNIGHT_ADMIN_EMAIL": "", "OPSKNIGHT_ADMIN_PASSWORD": ""}
    with temporary_home() as home, start_stack(home, nobody) as stack:
        yield stack


@pytest.fixture(scope="module")
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


@pytest.fixture
def visitor(fresh_stack: Stack, chromium: Browser) -> Iterator[Visitor]:
    """Somebody with an empty browser."""
    visitor = visitor_of(fresh_stack, chromium)
    yield visitor
    visitor.close()


def ask_shell(stack: Stack, code: str) -> Any:
    """Run code in the installation's Django shell; what it leaves in `answer` comes back."""
    marked = f"{code}\nimport json; print('\\n@@' + json.dumps(answer))"
    return json.loads(stack.manage("shell", "-v0", "-c", marked).rpartition("@@")[2])
