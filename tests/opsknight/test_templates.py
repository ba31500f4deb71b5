"""Templates of all apps: nothing in them that the Content-Security-Policy forbids."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APPS = ("opsknight", "realtime", "incidents", "notifications", "escalations")
# E-mails have no policy, and mail clients know no style sheets.
TEMPLATES = sorted(
    file
    for app in APPS
    for file in (ROOT / app).glob("templates/**/*.html")
    if "email" not in file.parts
)
FORBIDDEN = {
    "inline script": re.compile(r"<script(?![^>]*\bsrc=)", re.IGNORECASE),
    "inline style element": re.compile(r"<style\b", re.IGNORECASE),
    "style attribute": re.compile(r"\sstyle\s*=", re.IGNORECASE),
    "event attribute": re.compile(r"\son[a-z]+\s*=", re.IGNORECASE),
    "hx-on attribute": re.compile(r"\bhx-on\b", re.IGNORECASE),
    "javascript address": re.compile(r"javascript:", re.IGNORECASE),
    "evaluated hx attribute": re.compile(r"""hx-(?:vals|headers)=["']js:""", re.IGNORECASE),
}


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.relative_to(ROOT)))
def test_template_has_nothing_inline(file: Path) -> None:
    text = file.read_text()

    found = [what for what, pattern in FORBIDDEN.items() if pattern.search(text)]

    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "<script>go()</script>",
        '<p style="color: red">',
        '<a onclick="go()">',
        '<a hx-on:click="go()">',
    ],
)
def test_what_is_inline_is_found(text: str) -> None:
    assert any(pattern.search(text) for pattern in FORBIDDEN.values())
