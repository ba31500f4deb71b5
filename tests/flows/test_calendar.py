"""A calendar program reads a secret address of a running OpsKnight."""

from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from icalendar import Calendar

from tests.flows.conftest import Flow

MAKE = """
from escalations.models import Schedule
from tests.factories import CalendarFeedFactory, ScheduleFactory, UserFactory
somebody = UserFactory(name="Calendar Person")
schedule = ScheduleFactory(name="Of the calendar", members=[somebody])
answer = CalendarFeedFactory(owner=somebody, schedule=schedule).token
"""
REMOVE = """
from escalations.models import Schedule
from opsknight.models import User
Schedule.objects.filter(name="Of the calendar").delete()
User.objects.filter(name="Calendar Person").delete()
"""


def test_calendar_is_read_until_its_owner_is_gone(flow: Flow) -> None:
    token = flow.stack.run(MAKE)
    address = f"{flow.stack.base_url}/calendars/{token}.ics"
    try:
        with urlopen(address) as answer:
            etag, calendar = answer.headers["ETag"], Calendar.from_ical(answer.read())
        assert [e["SUMMARY"] for e in calendar.events] == ["Calendar Person: Of the calendar"]

        with pytest.raises(HTTPError, match="304"):
            urlopen(Request(address, headers={"If-None-Match": etag}))
    finally:
        flow.stack.run(REMOVE)

    with pytest.raises(HTTPError, match="404"):
        urlopen(address)
