"""The style guide shows every component, and only where DEBUG is on."""

import re
from pathlib import Path

import pytest
from django.template.loader import get_template
from django.test import Client
from pytest_django import Settings

from opsknight.templatetags import ui
from opsknight.web.styleguide import colour_tokens

OPSKNIGHT = Path(__file__).parents[2] / "opsknight"
GUIDE = OPSKNIGHT / "templates/opsknight/styleguide"
# Shown by other components, or by the shell around the guide.
WITHIN_OTHERS = {"panel", "icon", "optional_url"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client: Client, settings: Settings) -> str:
    settings.DEBUG = True
    return client.get("/styleguide/").content.decode()


def test_style_guide_is_not_there_in_production(client: Client) -> None:
    response = client.get("/styleguide/")

    assert response.status_code == 404


def test_style_guide_shows_every_component() -> None:
    text = "".join(
        file.read_text() for file in [*GUIDE.glob("*.html"), *GUIDE.parent.glob("styleguide.html")]
    )

    shown = set(re.findall(r"{% (\w+)", text))

    assert set(ui.register.tags) - shown - WITHIN_OTHERS == set()


def test_every_component_template_belongs_to_a_tag() -> None:
    used = set(re.findall(r"components/(\w+)\.html", Path(ui.__file__).read_text()))

    files = {file.stem for file in (OPSKNIGHT / "templates/components").glob("*.html")}

    assert files == used


def test_style_guide_shows_both_themes(page: str) -> None:
    assert 'data-theme="light"' in page
    assert 'data-theme="dark"' in page


def test_style_guide_shows_every_colour(page: str) -> None:
    missing = [token for token in colour_tokens() if f"var({token})" not in page]

    assert missing == []


def test_style_guide_shows_every_status(page: str) -> None:
    looks = [*ui.STATUSES.values(), *ui.DELIVERIES.values(), *ui.URGENCIES.values()]

    missing = [look.label for look in looks if look.label not in page]

    assert missing == []


def test_pages_carry_no_second_class_attribute(page: str) -> None:
    twice = [tag for tag in re.findall(r"<\w[^>]*>", page) if tag.count(' class="') > 1]

    assert twice == []


@pytest.mark.parametrize("name", ["403", "403_csrf", "404", "429", "500"])
def test_error_pages_render_without_request_or_database(name: str) -> None:
    html = get_template(f"{name}.html").render()

    assert "data-error-message" in html
    assert 'href="/"' in html
