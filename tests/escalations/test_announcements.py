"""Channels are told who is on call (scenarios I1 to I4 and P10)."""

from datetime import UTC, datetime, time, timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection

from escalations.duties import next_time_at
from escalations.models import OnCallAnnouncement, Schedule
from escalations.services import announcements
from escalations.services.announcements import tell_channels
from notifications.models import Destination, Notification
from notifications.services.destinations import delete_destination
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import AuditEntry, User
from tests.factories import (
    AnnouncementFactory,
    DestinationFactory,
    OverrideFactory,
    ScheduleFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
WEDNESDAY = datetime(2026, 11, 25, 11, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
ALL_DAYS, ONLY_WEDNESDAY, NEVER = frozenset(range(7)), frozenset({2}), frozenset[int]()


@pytest.fixture
def schedule(bob: User) -> Schedule:
    """Bob is always on call."""
    return ScheduleFactory(name="Primary", members=[bob])


def messages_to(destination: Destination) -> list[str]:
    rows = Notification.objects.filter(destination=destination).order_by("pk")
    return list(rows.values_list("subject", flat=True))


def add(schedule: Schedule, user: User, start: datetime, length: timedelta) -> None:
    OverrideFactory(
        schedule=schedule, kind="add", user=user, starts_at=start, ends_at=start + length
    )


# I4, the next time


@pytest.mark.parametrize(
    ("at", "weekdays", "expected"),
    [
        (time(4), ALL_DAYS, datetime(2026, 11, 26, 4, tzinfo=UTC)),  # 04:00 daily: Thursday
        (time(11, 5), ALL_DAYS, datetime(2026, 11, 25, 11, 5, tzinfo=UTC)),  # 11:05 daily: today
        (time(4), ONLY_WEDNESDAY, datetime(2026, 12, 2, 4, tzinfo=UTC)),  # the next Wednesday
        (time(11), ONLY_WEDNESDAY, datetime(2026, 12, 2, 11, tzinfo=UTC)),  # at exactly 11:00
        (time(4), NEVER, None),
    ],
)
def test_i4_next_time(at: time, weekdays: frozenset[int], expected: datetime | None) -> None:
    assert next_time_at(WEDNESDAY, at=at, weekdays=weekdays, zone="UTC") == expected


@pytest.mark.parametrize(
    ("after", "at", "expected"),
    [
        # skipped in New York: the end of the gap; then at its own time again
        ("2026-03-08T06:00Z", time(2, 30), "2026-03-08T07:00Z"),
        ("2026-03-08T07:00Z", time(2, 30), "2026-03-09T06:30Z"),
        # shown twice: the first only
        ("2026-11-01T05:00Z", time(1, 30), "2026-11-01T05:30Z"),
        ("2026-11-01T05:30Z", time(1, 30), "2026-11-02T06:30Z"),
    ],
)
def test_i4_next_time_when_clocks_change(after: str, at: time, expected: str) -> None:
    found = next_time_at(
        datetime.fromisoformat(after), at=at, weekdays=ALL_DAYS, zone="America/New_York"
    )

    assert found == datetime.fromisoformat(expected)


# I1 and P10, on change


def test_i1_two_channels_are_told_once_at_start_and_again_when_somebody_joins(
    schedule: Schedule, now: datetime
) -> None:
    first, second = (AnnouncementFactory(schedule=schedule).destination for _ in range(2))

    for minute in range(3):
        tell_channels(now=now + timedelta(minutes=minute))
    assert messages_to(first) == messages_to(second) == ["On call in Primary: Bob"]

    add(schedule, UserFactory(name="Joe"), now, HOUR)
    for minute in range(3, 6):
        tell_channels(now=now + timedelta(minutes=minute))

    expected = ["On call in Primary: Bob", "On call in Primary: Bob, Joe"]
    assert messages_to(first) == messages_to(second) == expected


def test_p10_one_message_after_an_outage_of_three_handoffs(now: datetime) -> None:
    people = [UserFactory(name=name) for name in ("Ann", "Ben", "Cem", "Dan")]
    schedule = ScheduleFactory(name="Primary", members=people)
    schedule.layers.update(rotation="hourly", starts_at=now)
    channel = AnnouncementFactory(schedule=schedule).destination
    tell_channels(now=now)

    tell_channels(now=now + 3 * HOUR + timedelta(minutes=1))
    tell_channels(now=now + 3 * HOUR + timedelta(minutes=2))

    assert messages_to(channel) == ["On call in Primary: Ann", "On call in Primary: Dan"]


def test_channel_is_told_that_nobody_is_on_call(schedule: Schedule, now: datetime) -> None:
    channel = AnnouncementFactory(schedule=schedule).destination
    schedule.layers.update(ends_at=now + HOUR)
    tell_channels(now=now)

    tell_channels(now=now + HOUR)

    assert messages_to(channel)[-1] == "On call in Primary: nobody"


def test_h6_notice_lists_the_users_and_the_address_of_the_schedule(
    schedule: Schedule, bob: User, now: datetime
) -> None:
    AnnouncementFactory(schedule=schedule)

    tell_channels(now=now)

    notice = Notification.objects.get()
    assert notice.details["on_call"] == [{"id": bob.pk, "name": "Bob", "email": bob.email}]
    assert notice.details["schedule"]["url"].endswith(f"/schedules/{schedule.pk}/")


# I2, times of day


def daily(schedule: Schedule, at: time, destination: Destination, now: datetime) -> None:
    AnnouncementFactory(
        schedule=schedule, destination=destination, when="times", time=at, looked_at=now
    )


def test_i2_one_message_per_channel_when_the_engine_skipped_a_day(schedule: Schedule) -> None:
    one, other = DestinationFactory(), DestinationFactory()
    for destination in (one, other):
        daily(schedule, time(0), destination, WEDNESDAY)
        daily(schedule, time(1), destination, WEDNESDAY)

    tell_channels(now=WEDNESDAY + DAY)
    tell_channels(now=WEDNESDAY + DAY + timedelta(minutes=1))

    assert messages_to(one) == messages_to(other) == ["On call in Primary: Bob"]


def test_time_of_day_is_that_of_the_schedule_and_told_every_day(schedule: Schedule) -> None:
    Schedule.objects.update(time_zone="Europe/Vienna")
    channel = DestinationFactory()
    daily(schedule, time(12, 30), channel, WEDNESDAY)

    told = [tell_channels(now=WEDNESDAY + timedelta(minutes=m)) for m in (0, 29, 30, 31)]
    told.append(tell_channels(now=WEDNESDAY + DAY + HOUR))

    assert told == [0, 0, 1, 0, 1]


def test_changes_are_not_told_where_only_times_are_wanted(
    schedule: Schedule, eve: User, now: datetime
) -> None:
    daily(schedule, (now - HOUR).time(), DestinationFactory(), now)

    add(schedule, eve, now, HOUR)

    assert tell_channels(now=now + timedelta(minutes=1)) == 0


# I3, duplicates


def test_i3_two_schedules_with_duplicate_channels_both_notify_after_they_became_one(
    schedule: Schedule, carol: User, alice: User, now: datetime
) -> None:
    second = ScheduleFactory(name="Secondary", members=[carol])
    kept = DestinationFactory(address="https://chat.example/hook")
    duplicate = DestinationFactory(address="https://chat.example/hook")
    AnnouncementFactory(schedule=schedule, destination=kept)
    moved = AnnouncementFactory(schedule=second, destination=duplicate)
    tell_channels(now=now)
    assert messages_to(duplicate) == ["On call in Secondary: Carol"]

    announcements.update_announcement(
        announcement=moved, values={"destination": kept}, actor=None, now=now
    )
    delete_destination(destination=duplicate, actor=alice)
    tell_channels(now=now + timedelta(minutes=1))

    assert messages_to(kept) == ["On call in Primary: Bob", "On call in Secondary: Carol"]


def test_channel_that_is_told_cannot_be_deleted(schedule: Schedule, alice: User) -> None:
    row = AnnouncementFactory(schedule=schedule)

    with pytest.raises(Conflict, match="the announcements of Primary"):
        delete_destination(destination=row.destination, actor=alice)


# Once


def test_channel_that_is_switched_off_is_not_told(schedule: Schedule, now: datetime) -> None:
    AnnouncementFactory(schedule=schedule, destination__enabled=False)

    assert tell_channels(now=now) == 0


def test_schedule_that_cannot_be_calculated_is_not_announced_as_empty(
    schedule: Schedule, now: datetime
) -> None:
    Schedule.objects.update(time_zone="Mars/Olympus")
    AnnouncementFactory(schedule=schedule)

    assert tell_channels(now=now) == 0


@pytest.mark.django_db(transaction=True)
def test_parallel_sweeps_tell_once(schedule: Schedule, now: datetime) -> None:
    channel = AnnouncementFactory(schedule=schedule).destination

    def sweep() -> None:
        try:
            tell_channels(now=now)
        finally:
            connection.close()

    threads = [Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert messages_to(channel) == ["On call in Primary: Bob"]


@pytest.mark.parametrize("number", [1, 10])
def test_telling_costs_the_same_queries_for_one_and_ten_schedules(
    number: int, bob: User, now: datetime, django_assert_num_queries: Any
) -> None:
    for _ in range(number):
        AnnouncementFactory(schedule=ScheduleFactory(members=[bob]))

    # in a savepoint: rows, 6 of the rotas, causes, channels, outbox, what was told in another one
    with django_assert_num_queries(14):
        tell_channels(now=now)


# The rows


@pytest.mark.parametrize(
    "values",
    [
        {"when": "times"},
        {"when": "on_change", "time": time(9)},
        {"when": "never"},
        {"when": "times", "time": time(9), "weekdays": 128},
    ],
)
def test_announcement_that_makes_no_sense_is_refused(
    schedule: Schedule, bob: User, now: datetime, values: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        announcements.create_announcement(
            schedule=schedule,
            values={"destination": DestinationFactory(), **values},  # type: ignore[typeddict-item]
            actor=bob,
            now=now,
        )


@pytest.fixture
def row(schedule: Schedule, bob: User, now: datetime) -> OnCallAnnouncement:
    """Made by the service."""
    return announcements.create_announcement(
        schedule=schedule, values={"destination": DestinationFactory()}, actor=bob, now=now
    )


def test_announcements_are_made_changed_and_deleted_with_an_audit(
    row: OnCallAnnouncement, bob: User, now: datetime
) -> None:
    announcements.update_announcement(
        announcement=row, values={"when": "times", "time": time(9)}, actor=bob, now=now
    )
    announcements.delete_announcement(announcement=row, actor=bob)

    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == [f"on_call_announcement.{verb}" for verb in ("created", "updated", "deleted")]
    assert not OnCallAnnouncement.objects.exists()


def test_same_announcement_twice_is_refused(
    row: OnCallAnnouncement, bob: User, now: datetime
) -> None:
    with pytest.raises(InvalidInput):
        announcements.create_announcement(
            schedule=row.schedule, values={"destination": row.destination}, actor=bob, now=now
        )
