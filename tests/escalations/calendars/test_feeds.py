"""Secret calendar addresses: what they say, to whom, and for how long (scenarios P1 and P2)."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from icalendar import Calendar, Component

from escalations.calendars.naming import day_start
from escalations.models import CalendarFeed, OnCallSettings, Schedule
from escalations.oncall import shifts_between
from escalations.selectors import history_of
from escalations.services import feeds
from opsknight.errors import Conflict, InvalidInput, NotAllowed, NotFound
from opsknight.logs import HideSecrets
from opsknight.models import AuditEntry, User
from tests.factories import (
    CalendarFeedFactory,
    OverrideFactory,
    ScheduleFactory,
    ScheduleLayerFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """Requests counted in Redis by one test must not limit the next."""
    cache.clear()


@pytest.fixture
def schedule(bob: User, carol: User, now: datetime) -> Schedule:
    """Bob and Carol take turns by the week, since a year."""
    schedule = ScheduleFactory(
        name="Primary", members=[bob, carol], time_zone="Europe/Vienna", created_at=now - 365 * DAY
    )
    schedule.layers.update(starts_at=datetime(2026, 1, 5, 8, tzinfo=UTC))
    return schedule


@pytest.fixture
def feed(schedule: Schedule, bob: User) -> CalendarFeed:
    """Bob's address of the schedule."""
    return CalendarFeedFactory(owner=bob, schedule=schedule, name="Primary, all")


@pytest.fixture
def my_feed(schedule: Schedule, bob: User) -> CalendarFeed:
    """Bob's address of his own shifts."""
    return CalendarFeedFactory(owner=bob)


def read(feed: CalendarFeed, kind: str = "ics", query: str = "", **headers: str) -> HttpResponse:
    """What a calendar program gets, without a session."""
    return Client().get(f"/calendars/{feed.token}.{kind}{query}", headers=headers)


def events_of(answer: HttpResponse) -> list[Component]:
    """The events of an answer, read back."""
    assert answer.status_code == 200, answer.content
    return Calendar.from_ical(answer.content).events


def spans(events: list[Component]) -> list[tuple[datetime, datetime]]:
    """From when to when, in UTC."""
    return [(e.start.astimezone(UTC), e.end.astimezone(UTC)) for e in events]


def switch_all_off() -> None:
    OnCallSettings.objects.update_or_create(pk=1, defaults={"calendar_feeds_enabled": False})


# What it says


def test_p1_secret_address_returns_valid_ical_with_crlf(feed: CalendarFeed) -> None:
    answer = read(feed)

    text = answer.content
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert text.startswith(b"BEGIN:VCALENDAR\r\n")
    assert text.endswith(b"END:VCALENDAR\r\n")
    assert b"\n" not in text.replace(b"\r\n", b"")
    assert max(len(line) for line in text.split(b"\r\n")) <= 75
    assert events_of(answer)


@pytest.mark.parametrize(
    ("kind", "accept"), [("ics", "application/json"), ("json", "*/*"), ("json", "text/calendar")]
)
def test_p1_json_gives_the_same_shifts(feed: CalendarFeed, kind: str, accept: str) -> None:
    answer = read(feed, kind, Accept=accept)

    found: dict[str, Any] = json.loads(answer.content)
    assert answer["Content-Type"] == "application/json"
    assert [(s["id"], s["starts_at"], s["ends_at"]) for s in found["shifts"]] == [
        (str(e["UID"]), e.start.astimezone(UTC).isoformat(), e.end.astimezone(UTC).isoformat())
        for e in events_of(read(feed))
    ]


def test_p1_switched_off_by_an_administrator_is_403_on_read(feed: CalendarFeed) -> None:
    switch_all_off()

    assert read(feed).status_code == 403
    answer = read(feed, "json")
    assert answer.status_code == 403
    assert json.loads(answer.content)["error"]["message"] == feeds.DISABLED


def test_p1_switched_off_by_an_administrator_is_said_on_create(bob: User) -> None:
    switch_all_off()

    with pytest.raises(NotAllowed, match="disabled by an administrator"):
        feeds.create_feed(owner=bob, name="Mine", schedule=None, actor=bob)


def test_feed_shows_what_the_history_says_for_30_days_back_and_90_ahead(
    feed: CalendarFeed, schedule: Schedule, now: datetime
) -> None:
    start = day_start(now, schedule.time_zone, plus_days=-30)
    end = day_start(now, schedule.time_zone, plus_days=91)
    expected = shifts_between(history_of([schedule.pk], now=now)[schedule.pk], start, end)

    found = spans(events_of(read(feed)))

    assert [(max(a, start), min(b, end)) for a, b in found] == [
        (shift.starts_at, shift.ends_at) for shift in expected
    ]


def test_event_names_the_person_the_schedule_and_its_page(
    feed: CalendarFeed, schedule: Schedule
) -> None:
    event = events_of(read(feed))[0]

    assert event["SUMMARY"] in ("Bob: Primary", "Carol: Primary")
    assert "is on call in Primary (Primary layer)" in event["DESCRIPTION"]
    assert event["URL"].endswith(f"/schedules/{schedule.pk}/")
    assert event["TRANSP"] == "TRANSPARENT"
    assert event["DTSTAMP"].dt == event["LAST-MODIFIED"].dt
    assert event["LAST-MODIFIED"].dt == schedule.created_at.replace(microsecond=0)


def test_times_are_written_in_the_zone_of_the_schedule_with_its_rules(feed: CalendarFeed) -> None:
    answer = read(feed)

    assert b"TZID:Europe/Vienna" in answer.content
    assert {event["DTSTART"].params["TZID"] for event in events_of(answer)} == {"Europe/Vienna"}
    assert {event.start.hour for event in events_of(answer)} == {9}


def test_window_can_be_asked_for(feed: CalendarFeed, now: datetime) -> None:
    (start, _), *_, (_, end) = spans(events_of(read(feed, query="?past=1&future=200")))

    assert start > now - 9 * DAY
    assert end > now + 199 * DAY
    assert len(events_of(read(feed, query="?past=x&future=-3"))) == len(events_of(read(feed)))


def test_own_feed_shows_own_shifts_of_all_schedules(
    my_feed: CalendarFeed, bob: User, carol: User, eve: User, now: datetime
) -> None:
    other = ScheduleFactory(name="Secondary", members=[eve])
    OverrideFactory(
        schedule=other, kind="add", user=bob, starts_at=now + DAY, ends_at=now + 2 * DAY
    )

    found = events_of(read(my_feed))

    assert {str(e["SUMMARY"]) for e in found} == {"On call: Primary", "On call: Secondary"}
    shifts = json.loads(read(my_feed, "json").content)["shifts"]
    assert {shift["user"]["name"] for shift in shifts} == {"Bob"}


def test_schedule_that_cannot_be_calculated_shows_nothing(
    feed: CalendarFeed, schedule: Schedule
) -> None:
    Schedule.objects.filter(pk=schedule.pk).update(time_zone="Mars/Olympus")

    assert events_of(read(feed)) == []


# Stable names


def test_same_shift_keeps_its_uid_over_refreshes_of_many_days(
    feed: CalendarFeed, now: datetime
) -> None:
    today = {str(e["UID"]): e.start for e in events_of(read(feed))}
    later = {str(e["UID"]): e.start for e in events_of(read(feed, query="?past=3&future=60"))}

    assert later
    assert later.items() <= today.items()


def test_lengthened_shift_keeps_its_uid(
    my_feed: CalendarFeed, schedule: Schedule, eve: User, now: datetime
) -> None:
    feed = CalendarFeedFactory(owner=eve)
    override = OverrideFactory(
        schedule=schedule, kind="add", user=eve, starts_at=now + DAY, ends_at=now + 2 * DAY
    )
    (before,) = events_of(read(feed))
    type(override).objects.update(ends_at=now + 3 * DAY)

    (after,) = events_of(read(feed))

    assert after["UID"] == before["UID"]
    assert after.end > before.end


# Caching


def test_unchanged_calendar_answers_304(feed: CalendarFeed) -> None:
    answer = read(feed)

    again = read(feed, **{"If-None-Match": answer["ETag"]})

    assert "private" in answer["Cache-Control"]
    assert (again.status_code, again.content) == (304, b"")


def test_changed_calendar_is_sent(feed: CalendarFeed, schedule: Schedule, eve: User) -> None:
    answer = read(feed)
    ScheduleLayerFactory(schedule=schedule, members=[eve], position=0)

    assert read(feed, **{"If-None-Match": answer["ETag"]}).status_code == 200


# For whom, and for how long


@pytest.mark.parametrize("token", ["", "x", "calendar-secret", "x" * 3000, "é"])
def test_unknown_address_is_404(feed: CalendarFeed, token: str) -> None:
    answer = Client().get(f"/calendars/{token}.ics")

    assert answer.status_code == 404


def test_switched_off_feed_is_404_until_it_is_switched_on(feed: CalendarFeed, bob: User) -> None:
    feeds.update_feed(feed=feed, values={"is_enabled": False}, actor=bob)
    assert read(feed).status_code == 404

    feeds.update_feed(feed=feed, values={"is_enabled": True}, actor=bob)
    assert read(feed).status_code == 200


def test_deleted_feed_is_404(feed: CalendarFeed, bob: User) -> None:
    token = feed.token
    feeds.delete_feed(feed=feed, actor=bob)

    assert Client().get(f"/calendars/{token}.ics").status_code == 404


def test_replaced_address_is_404_and_the_new_one_works(feed: CalendarFeed, bob: User) -> None:
    old = feed.token

    feeds.rotate_feed(feed=feed, actor=bob)

    assert Client().get(f"/calendars/{old}.ics").status_code == 404
    assert read(feed).status_code == 200
    entry = AuditEntry.objects.get(action="calendar_feed.rotated")
    assert feed.token not in json.dumps(entry.changes)


def test_feeds_of_a_disabled_account_stop(feed: CalendarFeed, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)

    assert read(feed).status_code == 404


def test_use_is_remembered(feed: CalendarFeed, now: datetime) -> None:
    read(feed)

    feed.refresh_from_db()
    assert feed.last_used_at is not None
    assert feed.last_used_at >= now


def test_too_many_guesses_are_refused(feed: CalendarFeed) -> None:
    answers = {Client().get("/calendars/guess.ics").status_code for _ in range(35)}

    assert answers == {404, 429}
    assert read(feed).status_code == 200


def test_one_feed_cannot_be_read_without_end(
    feed: CalendarFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("escalations.web.calendars.READ_RATE", "3/m")

    # More than twice the limit: a new minute may begin in between.
    answers = [read(feed, query="?past=0&future=1") for _ in range(8)]

    refused = [answer for answer in answers if answer.status_code == 429]
    assert 0 < len(refused) < 6
    assert int(refused[-1]["Retry-After"]) > 0


def test_wide_reading_is_limited_for_all_feeds_of_an_owner(
    feed: CalendarFeed, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("escalations.web.calendars.WIDE_RATE", "2/m")
    other = feeds.create_feed(owner=feed.owner, name="Other", schedule=None, actor=bob)

    # More than twice the limit: a new minute may begin in between.
    answers = [read(one, query="?future=366") for one in (feed, other) * 3]

    assert {answer.status_code for answer in answers} == {200, 429}
    assert read(other).status_code == 200


def test_nothing_but_reading_is_possible(feed: CalendarFeed) -> None:
    assert Client().post(f"/calendars/{feed.token}.ics").status_code == 405
    assert Client().head(f"/calendars/{feed.token}.ics").status_code == 200


def test_token_is_not_stored_in_the_clear(bob: User) -> None:
    feed = feeds.create_feed(owner=bob, name="Mine", schedule=None, actor=bob)

    stored = CalendarFeed.objects.filter(pk=feed.pk).values("token_digest").get()
    assert feed.token not in stored.values()
    entry = AuditEntry.objects.get(action="calendar_feed.created")
    assert feed.token not in json.dumps(entry.changes)


def test_address_does_not_reach_the_log(feed: CalendarFeed) -> None:
    path = f"/calendars/{feed.token}.ics"
    record = logging.LogRecord("x", logging.WARNING, "", 0, "Not Found: %s", (path,), None)

    HideSecrets().filter(record)

    assert record.getMessage() == "Not Found: /calendars/•••"


# P2, the services; the pages and the API have tests of their own


def test_p2_create_rename_disable_list_and_delete(bob: User, schedule: Schedule) -> None:
    feed = feeds.create_feed(owner=bob, name=" Mine ", schedule=schedule, actor=bob)
    assert feed.name == "Mine"

    feeds.update_feed(feed=feed, values={"name": "Other", "is_enabled": False}, actor=bob)
    feeds.delete_feed(feed=feed, actor=bob)

    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == [f"calendar_feed.{verb}" for verb in ("created", "updated", "deleted")]


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_feed_needs_a_name(bob: User, name: str) -> None:
    with pytest.raises(InvalidInput):
        feeds.create_feed(owner=bob, name=name, schedule=None, actor=bob)


def test_number_of_feeds_is_limited(bob: User) -> None:
    for _ in range(feeds.MAX_FEEDS):
        CalendarFeedFactory(owner=bob)

    with pytest.raises(Conflict, match="Delete one"):
        feeds.create_feed(owner=bob, name="More", schedule=None, actor=bob)


def test_only_the_owner_may_replace_the_address(feed: CalendarFeed, alice: User) -> None:
    with pytest.raises(NotAllowed):
        feeds.rotate_feed(feed=feed, actor=alice)


def test_address_of_another_installation_is_unknown(now: datetime) -> None:
    with pytest.raises(NotFound):
        feeds.open_feed(token="never-made", now=now)


def test_feed_of_many_schedules_costs_the_same_queries(
    bob: User, django_assert_num_queries: Any
) -> None:
    feed = CalendarFeedFactory(owner=bob, last_used_at=datetime.now(UTC))
    for _ in range(10):
        ScheduleFactory(members=[bob, UserFactory()])

    # feed, settings, 5 for the schedules of a person, 8 for their history
    with django_assert_num_queries(15):
        read(feed, query="?past=1&future=1")
