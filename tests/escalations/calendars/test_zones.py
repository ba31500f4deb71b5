"""Time zones as calendars describe them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from icalendar import Timezone

from escalations.calendars.zones import time_zone
from tests.escalations.random_rotas import ALL_ZONES, ODD_ZONES

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)


def offset_by(component: Timezone, at: datetime) -> timedelta:
    """The offset that a calendar program works out: that of the latest onset."""
    onsets = [
        ((part["DTSTART"].dt - part["TZOFFSETFROM"].td).replace(tzinfo=UTC), part["TZOFFSETTO"].td)
        for part in component.subcomponents
    ]
    return max((onset, offset) for onset, offset in onsets if onset <= at)[1]


@pytest.mark.parametrize("zone", [*ODD_ZONES, *ALL_ZONES[::29]])
def test_description_gives_the_offset_of_the_zone_at_every_hour(zone: str) -> None:
    component = time_zone(zone, START, END)

    rules = ZoneInfo(zone)
    at = START
    while at < END:
        assert offset_by(component, at) == at.astimezone(rules).utcoffset()
        at += timedelta(hours=5, minutes=30)


def test_onsets_are_written_by_the_clock_that_is_about_to_change() -> None:
    text = time_zone("America/New_York", START, END).to_ical().decode()

    assert "DTSTART:20260308T020000\r\nTZNAME:EDT\r\nTZOFFSETFROM:-0500\r\nTZOFFSETTO:-0400" in text
    assert "DTSTART:20261101T020000\r\nTZNAME:EST\r\nTZOFFSETFROM:-0400\r\nTZOFFSETTO:-0500" in text
