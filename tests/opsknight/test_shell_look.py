"""The style guide in a browser: fits a phone, fingers hit it, the policy holds."""

from collections.abc import Callable

import pytest
from django.test import RequestFactory
from playwright.sync_api import Page
from pytest_django import Settings

from opsknight.models import User
from opsknight.web.styleguide import styleguide
from tests.opsknight.site import Answer, Site

# Links within text are as high as the text; the last two reach further than they look.
SMALL = """() => [...document.querySelectorAll("a[href], button, select, input, textarea")]
  .filter((e) => e.checkVisibility({visibilityProperty: true}))
  .filter((e) => !e.closest(".visually-hidden, .skip-link, p, dd, .notice, label"))
  .filter((e) => !e.matches(".row a, .person__name, .toast__close, .card__link"))
  .filter((e) => e.getBoundingClientRect().height < 43.5)
  .map((e) => `${e.tagName} ${e.className} ${e.getBoundingClientRect().height}`)"""


@pytest.fixture
def guide(page: Page, site: Site, settings: Settings) -> Callable[[int], Page]:
    settings.DEBUG = True
    request = RequestFactory().get("/styleguide/")
    request.user = User(name="Alice", email="alice@example.com", role="admin", status="active")
    site.pages["/styleguide/"] = Answer(styleguide(request).content.decode())

    def open_at(width: int) -> Page:
        page.set_viewport_size({"width": width, "height": 844})
        page.goto("/styleguide/")
        return page

    return open_at


@pytest.mark.parametrize("width", [320, 390, 720, 800, 1280, 1920])
def test_page_never_scrolls_sideways(guide: Callable[[int], Page], width: int) -> None:
    page = guide(width)

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_fingers_hit_what_can_be_pressed_on_a_phone(guide: Callable[[int], Page]) -> None:
    page = guide(390)

    assert page.evaluate(SMALL) == []


def test_rail_is_a_bottom_bar_on_a_phone(guide: Callable[[int], Page]) -> None:
    page = guide(390)

    box = page.locator(".rail").bounding_box()

    assert box
    assert box["y"] + box["height"] == 844
    assert box["width"] == 390


def test_incident_row_is_one_line_on_a_laptop_and_two_on_a_phone(
    guide: Callable[[int], Page],
) -> None:
    heights = []
    for width in (1280, 390):
        box = guide(width).locator(".row").nth(2).bounding_box()
        assert box
        heights.append(box["height"])

    assert heights[0] < 48
    assert heights[1] < 76
