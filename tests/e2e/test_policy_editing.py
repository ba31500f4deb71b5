"""Policies in the browser: steps are built, dragged and tried out; an incident is escalated."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import PHONE, Visitor
from tests.stack import Stack

SETUP = """
from django.test import Client
from django.utils import timezone
from escalations.models import EscalationPolicy, PolicyStep, StepTarget
from incidents.models import Service
from incidents.services.lifecycle import open_incident
from opsknight.models import User

people = [
    User.objects.create(email=f"{name.lower()}@policy.example.com", name=f"{name} Steps",
                        role="admin", status="active", password="!")
    for name in ("Ann", "Ben", "Cem")
]
policy = EscalationPolicy.objects.create(name="Built here", repeat_times=0)
for position, person in enumerate(people, start=1):
    step = PolicyStep.objects.create(policy=policy, position=position, delay_minutes=30)
    StepTarget.objects.create(step=step, user=person)
service = Service.objects.create(name="Escalated by hand", escalation_policy=policy)
incident = open_incident(actor=people[0], service=service, title="Escalate me")
client = Client()
client.force_login(people[0])
answer = {"pk": policy.pk, "incident": incident.pk, "session": client.cookies["sessionid"].value}
"""
STEPS = """
from escalations.models import EscalationPolicy
policy = EscalationPolicy.objects.get(name="{name}")
answer = [[str(t) for t in step.targets.all()] for step in policy.steps.order_by("position")]
"""


@pytest.fixture(scope="module")
def made(running_stack: Stack) -> Any:
    """A policy of three steps, an incident that waits for the first, an administrator's session."""
    return running_stack.run(SETUP)


@pytest.fixture
def tab(running_stack: Stack, visitor: Visitor, made: Any) -> Iterator[Page]:
    """A tab of that person; at the end no request is left under way."""
    cookie = {"name": "sessionid", "value": made["session"], "url": running_stack.base_url}
    visitor.context.add_cookies([cookie])  # type: ignore[list-item]
    page = visitor.page()
    yield page
    expect(page.locator(".htmx-request")).to_have_count(0)


def steps(tab: Page) -> Locator:
    return tab.locator("#policy-steps .steps__step")


def test_policy_is_built_step_by_step_and_tried_out_meanwhile(
    tab: Page, running_stack: Stack
) -> None:
    tab.goto("/policies/new/")
    tab.get_by_label("Name", exact=True).fill("From nothing")
    adder = tab.get_by_label("Whom this step pages as well")

    adder.fill("Ann Steps")
    adder.press("Enter")
    expect(steps(tab).first.locator(".chip")).to_contain_text("Ann Steps")
    expect(tab.locator("#rehearsal")).to_contain_text("Ann Steps")

    tab.get_by_role("button", name="Add a step").click()
    expect(steps(tab)).to_have_count(2)
    second = steps(tab).nth(1)
    second.get_by_label("Whom this step pages as well").fill("ben steps")
    second.get_by_role("button", name="Add", exact=True).click()
    expect(tab.locator("#rehearsal")).to_contain_text("after 15 min")
    steps(tab).nth(1).get_by_label("Wait").fill("45")
    expect(tab.locator("#rehearsal")).to_contain_text("after 45 min")

    tab.get_by_role("button", name="Save the policy").click()
    expect(tab.get_by_text("Saved From nothing.")).to_be_visible()
    found = running_stack.run(STEPS.format(name="From nothing"))
    assert found == [["Ann Steps"], ["Ben Steps"]]


def test_steps_are_dragged_and_buttons_still_mean_their_step(
    tab: Page, made: Any, running_stack: Stack
) -> None:
    tab.goto(f"/policies/{made['pk']}/edit/")
    handles = tab.locator("#policy-steps [data-handle]")
    target = steps(tab).nth(1).bounding_box()
    assert target

    handles.first.hover()
    tab.mouse.down()
    tab.mouse.move(target["x"] + 20, target["y"] + target["height"] - 10, steps=15)
    tab.mouse.up()
    expect(steps(tab).first).to_contain_text("Ben")

    steps(tab).filter(has_text="Ann Steps").get_by_role("button", name="Move down").click()
    expect(steps(tab).last).to_contain_text("Ann")
    focused = tab.evaluate("document.activeElement.id")
    tab.get_by_role("button", name="Save the policy").click()
    expect(tab.get_by_text("Saved Built here.")).to_be_visible()

    assert focused == "down-1"
    found = running_stack.run(STEPS.format(name="Built here"))
    assert found == [["Ben Steps"], ["Cem Steps"], ["Ann Steps"]]


def test_wrong_step_is_named_and_the_focus_goes_there(
    tab: Page, made: Any, visitor: Visitor
) -> None:
    tab.goto(f"/policies/{made['pk']}/edit/")
    steps(tab).nth(1).get_by_label("Wait").fill("")

    tab.get_by_role("button", name="Save the policy").click()

    tab.get_by_role("alert").get_by_role("link", name="Step 2").click()
    expect(steps(tab).nth(1).get_by_label("Wait")).to_be_focused()
    expect(steps(tab).nth(1)).to_contain_text("Write how many minutes to wait")
    visitor.problems = [text for text in visitor.problems if "status of 422" not in text]


def test_asked_time_and_urgency_stand_in_the_address(tab: Page, made: Any) -> None:
    tab.goto(f"/policies/{made['pk']}/")

    tab.get_by_label("urgency").select_option("low")
    tab.wait_for_url("**urgency=low**")
    tab.get_by_label("If an alert came at").fill("2031-03-03T10:30")
    tab.get_by_label("If an alert came at").blur()

    expect(tab.locator("#rehearsal")).to_contain_text("3 Mar 2031, 11:00")
    tab.reload()
    expect(tab.locator("#rehearsal")).to_contain_text("3 Mar 2031, 11:00")


def test_incident_is_escalated_from_its_page(tab: Page, made: Any) -> None:
    tab.goto(f"/incidents/{made['incident']}/")
    tab.get_by_role("button", name="Acknowledge").click()
    expect(tab.locator("#incident-state")).to_contain_text("Acknowledged")

    tab.get_by_label("Which step").select_option("2")
    tab.get_by_role("button", name="Escalate now").click()

    expect(tab.get_by_text("Escalated: step 2 is paged now.")).to_be_visible()
    expect(tab.locator("#incident-state")).to_contain_text("Triggered")
    expect(tab.locator("#timeline")).to_contain_text("Step 2: paged Ben Steps")


def test_pages_fit_a_phone(tab: Page, made: Any) -> None:
    tab.set_viewport_size(PHONE)
    for path in ("/policies/", f"/policies/{made['pk']}/", f"/policies/{made['pk']}/edit/"):
        tab.goto(path)
        width = tab.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], path
