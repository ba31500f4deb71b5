"""The colours: readable in both themes."""

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "opsknight/static/opsknight"
TOKENS = (STATIC / "css/tokens.css").read_text()

# WCAG 2.2 AA: text 4.5, what is not text (edges of controls and states, focus) 3.
TEXT, GRAPHIC = 4.5, 3.0
STATES = ("triggered", "acknowledged", "resolved", "quiet")
SHEETS = ("surface-page", "surface-card", "surface-raised", "surface-sunken", "surface-hover")
PAIRS = [
    *[(text, sheet, TEXT) for text in ("text", "text-muted", "text-faint") for sheet in SHEETS],
    *[("brand", sheet, TEXT) for sheet in (*SHEETS, "brand-bg")],
    *[(state, f"{state}-bg", TEXT) for state in STATES],
    *[(state, sheet, TEXT) for state in STATES for sheet in SHEETS],
    *[(f"{state}-edge", "surface-page", GRAPHIC) for state in STATES],
    *[(f"{state}-edge", "surface-card", GRAPHIC) for state in STATES],
    *[(f"urgency-{urgency}", "surface-card", TEXT) for urgency in ("high", "medium", "low")],
    *[("on-avatar", f"avatar-{tone}", TEXT) for tone in range(1, 7)],
    *[(f"person-{tone}", f"person-{tone}-bg", TEXT) for tone in range(1, 13)],
    *[(f"person-{tone}-edge", "surface-card", GRAPHIC) for tone in range(1, 13)],
    *[("on-brand", fill, TEXT) for fill in ("brand-fill", "brand-fill-hover")],
    *[("on-triggered", fill, TEXT) for fill in ("triggered-fill", "triggered-fill-hover")],
    *[(text, rail, TEXT) for text in ("rail-text", "rail-text-strong") for rail in ("rail",)],
    ("rail-text-strong", "rail-active", TEXT),
    ("rail-focus", "rail-active", GRAPHIC),
    *[("edge-control", sheet, GRAPHIC) for sheet in ("surface-card", "surface-raised")],
    *[("focus", sheet, GRAPHIC) for sheet in SHEETS],
]


def colour(token: str, theme: str) -> str:
    """The value of a token in one theme, as #rrggbb."""
    found = re.search(rf"--{token}: (.+?);", TOKENS)
    assert found, f"--{token} is not defined"
    value = found[1]
    both = re.fullmatch(r"light-dark\((.+?), (.+)\)", value)
    if both:
        value = both[1] if theme == "light" else both[2]
    reference = re.fullmatch(r"var\(--(.+)\)", value)
    return colour(reference[1], theme) if reference else value


def luminance(value: str) -> float:
    channels = [int(value[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    dark, light = sorted([luminance(first), luminance(second)])
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_colours_are_readable_on_each_other(
    theme: str, front: str, back: str, least: float
) -> None:
    ratio = contrast(colour(front, theme), colour(back, theme))

    assert ratio >= least, f"{front} on {back} has {ratio:.2f} in the {theme} theme"


def test_colours_come_from_tokens_only() -> None:
    literal = re.compile(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch|lab)a?\(", re.IGNORECASE)

    offenders = [
        f"{file.name}: {line.strip()}"
        for file in (STATIC / "css").glob("*.css")
        if file.name != "tokens.css"
        for line in file.read_text().splitlines()
        if literal.search(line)
    ]

    assert offenders == []


def test_every_token_that_is_used_is_defined() -> None:
    defined = set(re.findall(r"(--[\w-]+):", TOKENS))
    local = {"--tone", "--tone-bg", "--edge-tone", "--size"}

    used = {
        name
        for file in (STATIC / "css").glob("*.css")
        for name in re.findall(r"var\((--[\w-]+)", file.read_text())
    }

    assert used - defined - local == set()
