"""Announcements of on call over the API."""

from typing import Any

import pytest

from escalations.models import OnCallAnnouncement
from tests.api.asking import Asker, fields_of
from tests.factories import AnnouncementFactory, DestinationFactory, ScheduleFactory


def body(**more: Any) -> dict[str, Any]:
    schedule, place = ScheduleFactory(), DestinationFactory()
    return {"schedule": schedule.pk, "destination": place.pk, "when": "on_change", **more}


def test_announcement_is_made_changed_and_deleted(bob: Asker) -> None:
    made = bob.post("on-call-announcements", body()).json()
    assert (made["when"], made["time"]) == ("on_change", None)

    path = f"on-call-announcements/{made['id']}"
    changed = bob.patch(path, {"when": "times", "time": "09:30", "weekdays": 31}).json()
    assert (changed["when"], changed["time"], changed["weekdays"]) == ("times", "09:30:00", 31)

    assert bob.delete(path).status_code == 204
    assert not OnCallAnnouncement.objects.exists()


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"when": "times"}, "body"),  # no time of day
        ({"time": "09:00"}, "body"),  # a time of day, but on change
        ({"when": "hourly"}, "when"),
        ({"weekdays": 128}, "weekdays"),
        ({"time": "25:00"}, "time"),
        ({"schedule": 99999}, "schedule"),
        ({"destination": 99999}, "destination"),
    ],
)
def test_what_makes_no_sense_names_its_field(bob: Asker, more: dict[str, Any], field: str) -> None:
    assert field in fields_of(bob.post("on-call-announcements", body(**more)))


def test_same_announcement_twice_is_refused(bob: Asker) -> None:
    row = AnnouncementFactory()
    same = {"schedule": row.schedule_id, "destination": row.destination_id, "when": "on_change"}

    assert bob.post("on-call-announcements", same).status_code == 400
