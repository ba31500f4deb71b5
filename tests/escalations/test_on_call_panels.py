"""Panels of feeds, notices and announcements: what they show and do, and for whom."""

from datetime import datetime, time
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse

from escalations.models import (
    CalendarFeed,
    OnCallAnnouncement,
    OnCallPreference,
    OnCallSettings,
    Schedule,
)
from opsknight.models import User
from tests.factories import (
    AnnouncementFactory,
    CalendarFeedFactory,
    DestinationFactory,
    ScheduleFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """Requests counted in Redis by one test must not limit the next."""
    cache.clear()


@pytest.fixture
def schedule(bob: User) -> Schedule:
    return ScheduleFactory(name="Primary", members=[bob])


def text_of(user: User, name: str, *args: int, query: str = "") -> str:
    client = Client()
    client.force_login(user)
    answer = client.get(reverse(f"escalations:{name}", args=args) + query)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def post(user: User, url_name: str, /, *args: int, **data: Any) -> int:
    client = Client()
    client.force_login(user)
    return client.post(reverse(f"escalations:{url_name}", args=args), data).status_code


# Feeds


def test_feed_is_made_on_the_page_of_its_schedule(schedule: Schedule, eve: User) -> None:
    assert "Make a calendar address" in text_of(eve, "schedule", schedule.pk)

    assert post(eve, "create_feed", name="Mine", schedule=schedule.pk) == 302

    feed = CalendarFeed.objects.get()
    assert (feed.owner, feed.schedule, feed.person) == (eve, schedule, None)
    assert f"/calendars/{feed.token}.ics" in text_of(eve, "schedule", schedule.pk)


def test_feed_of_own_shifts_is_made_on_the_page_of_my_shifts(eve: User) -> None:
    assert post(eve, "create_feed", name="Mine") == 302

    feed = CalendarFeed.objects.get()
    assert (feed.owner, feed.schedule, feed.person) == (eve, None, eve)
    assert f"/calendars/{feed.token}.ics" in text_of(eve, "my_shifts")


def test_nobody_sees_the_address_of_somebody_else(
    schedule: Schedule, bob: User, alice: User
) -> None:
    feed = CalendarFeedFactory(owner=bob, schedule=schedule)

    assert feed.token in text_of(bob, "feeds_panel", query=f"?schedule={schedule.pk}")
    assert feed.token not in text_of(alice, "feeds_panel", query=f"?schedule={schedule.pk}")


def test_feed_is_renamed_switched_replaced_and_deleted(bob: User) -> None:
    feed = CalendarFeedFactory(owner=bob)
    old = feed.token

    assert post(bob, "rename_feed", feed.pk, name="Other") == 302
    assert post(bob, "switch_off_feed", feed.pk) == 302
    feed.refresh_from_db()
    assert (feed.name, feed.is_enabled) == ("Other", False)
    assert post(bob, "switch_on_feed", feed.pk) == 302
    assert post(bob, "rotate_feed", feed.pk) == 302
    feed.refresh_from_db()
    assert feed.is_enabled
    assert feed.token != old
    assert post(bob, "delete_feed", feed.pk) == 302
    assert not CalendarFeed.objects.exists()


def test_name_with_bytes_that_cannot_be_stored_is_taken_without_them(eve: User) -> None:
    assert post(eve, "create_feed", name="Mi\x00ne") == 302

    assert CalendarFeed.objects.get().name == "Mine"


@pytest.mark.parametrize(
    "name", ["rename_feed", "switch_off_feed", "switch_on_feed", "rotate_feed", "delete_feed"]
)
def test_feeds_of_others_are_404_and_their_address_is_the_owners_alone(
    name: str, bob: User, eve: User, alice: User
) -> None:
    feed = CalendarFeedFactory(owner=bob)

    assert post(eve, name, feed.pk, name="x") == 404
    assert post(alice, name, feed.pk, name="x") == (403 if name == "rotate_feed" else 302)


def test_disabled_feeds_are_said_and_cannot_be_made(eve: User) -> None:
    OnCallSettings.objects.create(calendar_feeds_enabled=False)

    assert "disabled by an administrator" in text_of(eve, "my_shifts")
    assert post(eve, "create_feed", name="Mine") == 403


def test_feeds_cannot_be_made_without_end(eve: User) -> None:
    made = [post(eve, "create_feed", name="Mine") for _ in range(31)]

    assert made[-1] == 429


def test_lost_key_hides_the_address_and_nothing_else(bob: User) -> None:
    feed = CalendarFeedFactory(owner=bob)
    CalendarFeed.objects.filter(pk=feed.pk).update(name="Mine")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE escalations_calendarfeed SET token = 'broken'")

    assert "can no longer be read" in text_of(bob, "feeds_panel")


# Notices


def test_notices_are_chosen_on_the_page_of_my_shifts(bob: User) -> None:
    assert "Tell me" in text_of(bob, "my_shifts")

    assert post(bob, "shift_notices", tells_end="on", minutes_before="1440") == 302

    chosen = OnCallPreference.objects.get(user=bob)
    assert (chosen.tells_start, chosen.tells_end, chosen.minutes_before) == (False, True, 1440)
    assert '<option value="1440" selected>' in text_of(bob, "my_shifts")


@pytest.mark.parametrize("minutes", ["", "-1", "x", "100000"])
def test_nonsense_is_refused_with_the_form(bob: User, minutes: str) -> None:
    assert post(bob, "shift_notices", minutes_before=minutes) == 422


# Announcements


def test_responder_lets_a_channel_be_told(schedule: Schedule, bob: User) -> None:
    place = DestinationFactory(name="Team channel")

    sent = post(
        bob, "announcement_new", schedule.pk,
        destination=place.pk, when="times", time="09:00", weekdays=[0, 4],
    )  # fmt: skip

    assert sent == 302
    row = OnCallAnnouncement.objects.get()
    assert (row.destination, row.time, row.weekdays) == (place, time(9), 0b1_0001)
    text = text_of(bob, "schedule", schedule.pk)
    assert "Team channel" in text
    assert "Mon, Fri at 09:00" in text


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"destination": "999999", "when": "on_change"},
        {"when": "on_change"},
        {"when": "times", "destination": "known"},
        {"when": "hourly", "destination": "known"},
        {"when": "times", "destination": "known", "time": "25:00"},
        {"when": "times", "destination": "known", "time": "09:00", "weekdays": "7"},
    ],
)
def test_announcement_that_makes_no_sense_names_the_field(
    schedule: Schedule, bob: User, data: dict[str, str]
) -> None:
    place = DestinationFactory()
    if data.get("destination") == "known":
        data = {**data, "destination": str(place.pk)}

    assert post(bob, "announcement_new", schedule.pk, **data) == 422
    assert not OnCallAnnouncement.objects.exists()


def test_same_announcement_twice_is_said(schedule: Schedule, bob: User) -> None:
    row = AnnouncementFactory(schedule=schedule)

    data = {"destination": row.destination_id, "when": "on_change"}
    assert post(bob, "announcement_new", schedule.pk, **data) == 422


def test_reader_sees_who_is_told_but_changes_nothing(schedule: Schedule, eve: User) -> None:
    row = AnnouncementFactory(schedule=schedule, destination__name="Team channel")

    assert "Team channel" in text_of(eve, "schedule", schedule.pk)
    assert post(eve, "announcement_new", schedule.pk) == 403
    assert post(eve, "announcement_delete", schedule.pk, row.pk) == 403


def test_announcement_is_removed_of_its_own_schedule_only(
    schedule: Schedule, bob: User, now: datetime
) -> None:
    row = AnnouncementFactory(schedule=schedule)

    assert post(bob, "announcement_delete", ScheduleFactory().pk, row.pk) == 404
    assert post(bob, "announcement_delete", schedule.pk, row.pk) == 302
    assert not OnCallAnnouncement.objects.exists()


# Django's admin


def test_admin_lists_feeds_without_their_addresses(alice: User, bob: User) -> None:
    feed = CalendarFeedFactory(owner=bob)
    client = Client()
    client.force_login(alice)

    for page in (
        reverse("admin:escalations_calendarfeed_changelist"),
        reverse("admin:escalations_calendarfeed_change", args=[feed.pk]),
        reverse("admin:escalations_oncallannouncement_changelist"),
    ):
        answer = client.get(page)
        assert answer.status_code == 200
        assert feed.token not in answer.content.decode()
