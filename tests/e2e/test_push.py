"""Push in a real browser: its worker shows the page, and a button of it acknowledges.

Of the way of a message one part is played, because no test leaves this machine: the push service of
the browser's maker. It takes what OpsKnight sends, checks and decrypts it, and Chromium hands it to
the worker as if it had come from there.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Worker, expect

from bench.stand_ins.push import Browser, PushService
from tests.e2e.conftest import Visitor, sign_in, visitor_of
from tests.processes import wait_until
from tests.stack import Stack

EMAIL, PASSWORD = "pia@example.com", "Correct-Horse-8-Battery"
PREPARE = f"""
from django.conf import settings
from opsknight.models import User
if not User.objects.filter(email="{EMAIL}").exists():
    pia = User(email="{EMAIL}", name="Pia", role="responder", status="active")
    pia.set_password("{PASSWORD}")
    pia.save()
answer = settings.VAPID_PUBLIC_KEY
"""
PAGE_PIA = f"""
from django.apps import apps
from django.utils import timezone
get = apps.get_model
pia = get("opsknight.User").objects.get(email="{EMAIL}")
policy = get("escalations.EscalationPolicy").objects.create(name="Pia")
step = get("escalations.PolicyStep").objects.create(policy=policy, position=1, delay_minutes=0)
get("escalations.StepTarget").objects.create(step=step, user=pia)
service = get("incidents.Service").objects.create(name="Till", escalation_policy=policy)
answer = get("incidents.Incident").objects.create(
    service=service, title="Error rate above 5 %", escalate_at=timezone.now()).pk
"""
STATE = """
from incidents.models import Incident
from notifications.models import Notification
i = Incident.objects.get(pk={pk})
answer = {{
    "status": i.status,
    "by": str(i.acknowledged_by),
    "push": list(i.notifications.filter(channel="push").values_list("state", flat=True)),
}}
"""
# Stands in for the maker's service alone: subscribing gives what that would have given.
PLAY_SERVICE = """
(played => {
  const subscription = {
    endpoint: played.endpoint,
    toJSON: () => played,
    unsubscribe: async () => { localStorage.removeItem("subscribed"); return true },
  };
  PushManager.prototype.subscribe = async (options) => {
    localStorage.setItem("subscribed", options.applicationServerKey.length);
    return subscription;
  };
  PushManager.prototype.getSubscription = async () =>
    localStorage.getItem("subscribed") ? subscription : null;
})(%s)
"""
SHOWN = """
() => navigator.serviceWorker.getRegistration("/")
  .then((registration) => registration.getNotifications())
  .then((all) => all.map(({ title, body, actions }) =>
    ({ title, body, actions: actions.map((action) => action.title) })))
"""
PRESS = """
async (action) => {
  const [notification] = await self.registration.getNotifications();
  const event = new NotificationEvent("notificationclick", { notification, action });
  const work = [];
  Object.defineProperty(event, "waitUntil", { value: (promise) => work.push(promise) });
  self.dispatchEvent(event);
  await Promise.all(work);
}
"""


@pytest.fixture(scope="module")
def service() -> Iterator[PushService]:
    stand_in = PushService()
    with stand_in.running():
        yield stand_in


@pytest.fixture(scope="module")
def browser(service: PushService, running_stack: Stack) -> Browser:
    return service.subscribe(running_stack.run(PREPARE))


@pytest.fixture
def pia(running_stack: Stack, chromium: Chromium, browser: Browser) -> Iterator[Visitor]:
    """Signed in, in a browser that allows notifications."""
    visitor = visitor_of(running_stack, chromium, permissions=["notifications"])
    visitor.context.add_init_script(PLAY_SERVICE % json.dumps(browser.subscription))
    sign_in(visitor, EMAIL, PASSWORD)
    yield visitor
    visitor.close()


def hand_over(page: Page, message: dict[str, Any]) -> None:
    """Let Chromium hand a message to the worker, as soon as it is active: before, it is lost."""
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    session = page.context.new_cdp_session(page)
    found: list[str] = []

    def note(event: dict[str, Any]) -> None:
        found.extend(one["registrationId"] for one in event["registrations"])

    session.on("ServiceWorker.workerRegistrationUpdated", note)
    session.send("ServiceWorker.enable")
    while not found:
        page.wait_for_timeout(20)
    origin = re.match(r"https?://[^/]+", page.url)
    assert origin
    values = {"origin": origin[0], "registrationId": found[0], "data": json.dumps(message)}
    session.send("ServiceWorker.deliverPushMessage", values)


def hand_over_until_shown(page: Page, message: dict[str, Any]) -> None:
    """A browser that is busy loses what its tools hand over now and then: up to three times."""
    for _ in range(3):
        hand_over(page, message)
        with suppress(AssertionError):
            return wait_until(lambda: bool(shown(page)), 10, "the browser shows the page")
    raise AssertionError("The browser does not show the page.")


def shown(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(SHOWN)
    return found


def worker_of(visitor: Visitor) -> Worker:
    (worker,) = visitor.context.service_workers
    return worker


def test_a_page_is_pushed_shown_and_acknowledged_without_opening_anything(
    pia: Visitor, running_stack: Stack, browser: Browser
) -> None:
    page = pia.page()
    page.goto("/settings/notifications/")
    page.get_by_role("button", name="Notify me in this browser").click()
    expect(page.get_by_text("You are notified in this browser.")).to_be_visible()
    pk = running_stack.run(PAGE_PIA)
    wait_until(lambda: bool(browser.shown), 20, "the push service has the page")

    hand_over_until_shown(page, browser.shown[-1])

    assert shown(page) == [
        {
            "title": f"#{pk} Error rate above 5 %",
            "body": "Till · High · Triggered",
            "actions": ["Acknowledge", "Resolve"],
        }
    ]
    state = STATE.format(pk=pk)
    # A browser may say so before the worker has written down that it sent: then again after 10 s.
    wait_until(lambda: running_stack.run(state)["push"] == ["delivered"], 30, "the browser said so")

    worker_of(pia).evaluate(PRESS, "acknowledge")

    after = running_stack.run(state)
    assert (after["status"], after["by"]) == ("acknowledged", "Pia")
    assert [(one["body"], one["actions"]) for one in shown(page)] == [("Acknowledged.", [])]


def test_a_browser_is_taken_out_by_the_button(pia: Visitor) -> None:
    page = pia.page()
    page.goto("/settings/notifications/")
    page.get_by_role("button", name="Notify me in this browser").click()

    page.locator("push-button").get_by_role("button", name="Stop").click()

    expect(page.get_by_role("button", name="Notify me in this browser")).to_be_visible()
    assert page.locator("push-button").get_attribute("data-marks") == ""


def test_an_iphone_is_told_to_put_it_on_the_home_screen(pia: Visitor) -> None:
    page = pia.page()
    page.add_init_script("delete window.PushManager")
    page.add_init_script(
        "Object.defineProperty(navigator, 'userAgent', { value: 'Mozilla/5.0 (iPhone)' })"
    )

    page.goto("/settings/notifications/")

    expect(page.locator("push-button")).to_contain_text("Add to Home Screen")
    icons = page.evaluate(
        """async () => {
          const { href } = document.querySelector("link[rel=manifest]");
          const manifest = await (await fetch(href)).json();
          const answers = await Promise.all(manifest.icons.map(({ src }) => fetch(src)));
          return answers.map((answer) => answer.headers.get("Content-Type"));
        }"""
    )
    assert icons == ["image/png"] * 3


def test_a_browser_that_forbids_notifications_says_what_to_do(pia: Visitor) -> None:
    page = pia.page()
    page.add_init_script("Object.defineProperty(Notification, 'permission', { value: 'denied' })")

    page.goto("/settings/notifications/")

    expect(page.locator("push-button")).to_contain_text("You have forbidden notifications")
    expect(page.get_by_role("button", name="Notify me in this browser")).to_be_hidden()
