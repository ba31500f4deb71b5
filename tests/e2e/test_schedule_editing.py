"""Schedules in the browser: an override is drawn on the timeline, the preview follows the form."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PHONE, Visitor
from tests.stack import Stack

SETUP = """
from datetime import timedelta
from django.test import Client
from django.utils import timezone
from escalations.models import LayerMember, Schedule, ScheduleLayer
from opsknight.models import User

people = [
    User.objects.create(email=f"{name.lower()}@rota.example.com", name=f"{name} Rota",
                        role="responder", status="active", password="!")
    for name in ("Ann", "Ben", "Cem")
]
schedule = Schedule.objects.create(name="Drawn on", time_zone="Europe/Vienna")
layer = ScheduleLayer.objects.create(schedule=schedule, name="Weekly", position=1,
                                     starts_at=timezone.now() - timedelta(days=30))
for turn, person in enumerate(people[:2], start=1):
    LayerMember.objects.create(layer=layer, user=person, turn=turn)
client = Client()
client.force_login(people[0])
answer = {"pk": schedule.pk, "layer": layer.pk, "session": client.cookies["sessionid"].value}
"""
OVERRIDES = """
from escalations.models import Override
found = Override.objects.filter(schedule_id={pk}).order_by("id")
answer = [[o.kind, str(o.user), (o.ends_at - o.starts_at).total_seconds() / 3600] for o in found]
"""


@pytest.fixture(scope="module")
def made(running_stack: Stack) -> Any:
    """A schedule with two people in turns, and the session of somebody who may change it."""
    return running_stack.run(SETUP)


@pytest.fixture
def tab(running_stack: Stack, visitor: Visitor, made: Any) -> Iterator[Page]:
    """A tab of that person; at the end no request is left under way."""
    cookie = {"name": "sessionid", "value": made["session"], "url": running_stack.base_url}
    visitor.context.add_cookies([cookie])  # type: ignore[list-item]
    page = visitor.page()
    yield page
    expect(page.locator(".htmx-request")).to_have_count(0)


def open_next_fortnight(tab: Page, made: Any) -> None:
    tab.goto(f"/schedules/{made['pk']}/?view=fortnight&from=2031-03-03")
    expect(tab.locator("override-drag[data-ready]")).to_have_count(1)


def test_override_is_drawn_over_the_last_row(tab: Page, made: Any, running_stack: Stack) -> None:
    open_next_fortnight(tab, made)
    row = tab.locator("override-drag svg.lane")
    row.scroll_into_view_if_needed()
    box = row.bounding_box()
    assert box
    day, middle = box["width"] / 14, box["y"] + box["height"] / 2

    tab.mouse.move(box["x"] + day * 2.01, middle)
    tab.mouse.down()
    tab.mouse.move(box["x"] + day * 3.99, middle, steps=8)
    expect(tab.locator(".chart__tip")).to_contain_text("Wed 5 Mar")
    tab.mouse.up()

    dialog = tab.get_by_role("dialog", name="Override")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_label("From")).to_have_value("2031-03-05T00:00")
    expect(dialog.get_by_label("Until")).to_have_value("2031-03-07T00:00")
    dialog.get_by_label("Who").select_option(label="Cem Rota")
    dialog.get_by_role("button", name="Save the override").click()
    expect(tab.get_by_text("The override is saved.")).to_be_visible()
    expect(tab.locator("svg.lane--final").get_by_role("link", name="Cem Rota")).to_have_count(1)
    assert ["replace", "Cem Rota", 48.0] in running_stack.run(OVERRIDES.format(pk=made["pk"]))


def test_time_of_an_override_is_chosen_with_the_keys(tab: Page, made: Any) -> None:
    open_next_fortnight(tab, made)

    tab.locator(".chart__pick").focus()
    tab.keyboard.press("PageDown")
    tab.keyboard.press("Shift+ArrowRight")
    tab.keyboard.press("Shift+ArrowRight")
    expect(tab.locator(".lane__span")).to_have_count(1)
    tab.keyboard.press("Enter")

    dialog = tab.get_by_role("dialog", name="Override")
    expect(dialog.get_by_label("From")).to_have_value("2031-03-04T00:00")
    expect(dialog.get_by_label("Until")).to_have_value("2031-03-04T03:00")
    tab.keyboard.press("Escape")
    expect(tab.locator(".chart__pick")).to_be_focused()
    expect(tab.locator(".lane__span")).to_have_count(0)


def test_bars_say_who_and_when_on_focus(tab: Page, made: Any) -> None:
    open_next_fortnight(tab, made)

    tab.locator("svg.lane").first.locator("[data-bar]").first.focus()
    tab.keyboard.press("ArrowRight")

    expect(tab.locator(".chart__tip")).to_contain_text("Rota: ")
    expect(tab.locator(".chart__tip")).to_contain_text("(Europe/Vienna)")


def test_preview_follows_the_form_of_a_layer(tab: Page, made: Any) -> None:
    tab.goto(f"/schedules/{made['pk']}/layers/{made['layer']}/")
    preview = tab.locator("#layer-preview")
    expect(preview.locator('[aria-label^="Ann Rota"]').first).to_be_attached()

    tab.get_by_label("Handoff every").fill("0")
    expect(preview.get_by_role("link", name="Handoff every")).to_be_visible()

    tab.get_by_label("Handoff every").fill("1")
    tab.get_by_label("Unit").select_option(label="Days")
    expect(preview.locator('svg.lane--final [aria-label*="Rota:"]').nth(8)).to_be_attached()

    tab.get_by_label("Add a person").select_option(label="Cem Rota")
    tab.get_by_role("button", name="Add", exact=True).click()
    expect(preview.locator('[aria-label^="Cem Rota"]').first).to_be_attached()

    tab.get_by_role("button", name="At the same time as the turn above").last.click()
    expect(tab.locator("#layer-turns .turns__turn")).to_have_count(2)


def test_turns_are_dragged_into_another_order(tab: Page, made: Any) -> None:
    tab.goto(f"/schedules/{made['pk']}/layers/{made['layer']}/")
    chips = tab.locator("#layer-turns .chip")
    expect(chips.first).to_contain_text("Ann")

    handles = tab.locator("#layer-turns [data-handle]")
    target = handles.nth(1).bounding_box()
    assert target
    handles.first.hover()
    tab.mouse.down()
    tab.mouse.move(target["x"] + 5, target["y"] + target["height"], steps=12)
    tab.mouse.up()

    expect(chips.first).to_contain_text("Ben")
    tab.get_by_role("button", name="Save the layer").click()
    expect(tab.get_by_text("Saved Weekly.")).to_be_visible()


def test_pages_fit_a_phone(tab: Page, made: Any) -> None:
    tab.set_viewport_size(PHONE)
    for path in ("", "calendar/", "hours/", "overrides/", "swaps/", f"layers/{made['layer']}/"):
        tab.goto(f"/schedules/{made['pk']}/{path}")
        width = tab.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], path
