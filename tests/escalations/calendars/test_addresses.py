"""Addresses of calendars as people copy them."""

import pytest

from escalations.calendars.addresses import read_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://calendar.example/a.ics", "https://calendar.example/a.ics"),
        (" http://calendar.example:81/a ", "http://calendar.example:81/a"),
        ("webcal://calendar.example/a.ics", "https://calendar.example/a.ics"),
        ("WebCal://calendar.example/a.ics", "https://calendar.example/a.ics"),
    ],
)
def test_address_is_read(text: str, address: str) -> None:
    assert read_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "calendar.example/a.ics",
        "ftp://calendar.example/a.ics",
        "file:///etc/passwd",
        "https://",
        "https:///a.ics",
        "https://[",
        "https://a:99999/",
        "https://bob:secret@calendar.example/",
        "https://calendar.example/ä",
        "https://calendar.example/a b",
        "https://calendar.example/" + "x" * 3000,
    ],
)
def test_other_text_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(ValueError, match=r"[Uu]se|address|Write"):
        read_address(text)
