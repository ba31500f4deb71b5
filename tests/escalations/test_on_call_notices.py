"""People hear of their shifts, of edits, and of times without anybody on call."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection

from escalations.models import (
    KnownGap,
    OnCallPreference,
    Schedule,
    ScheduleLayer,
    ScheduleVersion,
    ScheduleWatch,
)
from escalations.services import telling
from escalations.services.change_notices import tell_changed_shifts
from escalations.services.gap_notices import tell_empty, tell_gaps
from escalations.services.history import record_versions
from escalations.services.overrides import OverrideInput, add_override
from escalations.services.shift_notices import set_preference, tell_shifts
from notifications.models import Notification
from opsknight.errors import InvalidInput
from opsknight.models import Team, User
from tests.factories import (
    LayerRestrictionFactory,
    OverrideFactory,
    PolicyFactory,
    ScheduleFactory,
    ScheduleLayerFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 25, 11, tzinfo=UTC)  # a Wednesday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def subjects_to(user: User, start: str = "") -> list[str]:
    """What somebody was told in the app, oldest first."""
    rows = Notification.objects.filter(user=user, channel="in_app", subject__startswith=start)
    return list(rows.order_by("pk").values_list("subject", flat=True))


def sweep(tell: Callable[..., int], *minutes: int) -> list[int]:
    """How many were told in each of several looks."""
    return [tell(now=NOW + m * MINUTE) for m in minutes]


# Shifts that start and end


@pytest.fixture
def shift(bob: User) -> Schedule:
    """Bob is on call from 13:00 to 15:00."""
    schedule = ScheduleFactory(name="Primary", created_at=NOW - 90 * DAY)
    OverrideFactory(
        schedule=schedule, kind="add", user=bob, starts_at=NOW + 2 * HOUR, ends_at=NOW + 4 * HOUR
    )
    return schedule


def test_shift_is_told_an_hour_before_its_start_and_its_end(shift: Schedule, bob: User) -> None:
    told = sweep(tell_shifts, 0, 59, 60, 61, 120, 179, 180, 181, 240, 300)

    assert told == [0, 0, 1, 0, 0, 0, 1, 0, 0, 0]
    assert subjects_to(bob) == [
        "Your shift in Primary starts Wed 25 Nov 13:00",
        "Your shift in Primary ends Wed 25 Nov 15:00",
    ]


def test_notice_goes_to_the_app_and_by_mail_in_the_persons_zone(shift: Schedule, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(time_zone="Asia/Tokyo")

    sweep(tell_shifts, 60)

    rows = Notification.objects.filter(user=bob)
    assert sorted(rows.values_list("channel", flat=True)) == ["email", "in_app"]
    assert "Wed 25 Nov 22:00 (Asia/Tokyo)" in rows[0].text
    assert rows[0].link == f"/schedules/{shift.pk}/"


@pytest.mark.parametrize(
    ("minutes_before", "tells_start", "tells_end", "expected"),
    [
        (30, True, True, [90, 210]),
        (0, True, True, [120, 240]),
        (60, False, True, [180]),
        (60, True, False, [60]),
        (60, False, False, []),
    ],
)
def test_everybody_chooses_what_to_hear_and_how_early(
    shift: Schedule, bob: User, minutes_before: int, tells_start: bool, tells_end: bool,
    expected: list[int],
) -> None:  # fmt: skip
    set_preference(
        user=bob, minutes_before=minutes_before, tells_start=tells_start, tells_end=tells_end
    )

    assert [m for m in range(0, 300, 30) if sweep(tell_shifts, m) == [1]] == expected


@pytest.mark.parametrize("minutes", [-1, 7 * 24 * 60 + 1])
def test_absurd_preference_is_refused(bob: User, minutes: int) -> None:
    with pytest.raises(InvalidInput):
        set_preference(user=bob, minutes_before=minutes, tells_start=True, tells_end=True)

    assert not OnCallPreference.objects.exists()


def test_seams_between_two_reasons_are_no_start_and_no_end(shift: Schedule, bob: User) -> None:
    OverrideFactory(
        schedule=shift, kind="add", user=bob, starts_at=NOW + 4 * HOUR, ends_at=NOW + 5 * HOUR
    )

    sweep(tell_shifts, *range(0, 360, 10))

    assert [s.split()[4] for s in subjects_to(bob)] == ["starts", "ends"]


def test_shift_of_a_late_edit_is_told_at_once(bob: User) -> None:
    schedule = ScheduleFactory(name="Primary")
    OverrideFactory(
        schedule=schedule, kind="add", user=bob, starts_at=NOW - 10 * MINUTE, ends_at=NOW + DAY
    )

    sweep(tell_shifts, 0)

    assert subjects_to(bob) == ["Your shift in Primary started Wed 25 Nov 10:50"]


def test_what_was_missed_for_long_is_not_told(shift: Schedule) -> None:
    assert sweep(tell_shifts, 24 * 60) == [0]


def test_rotation_of_one_has_no_starts(bob: User) -> None:
    schedule = ScheduleFactory(members=[bob])
    schedule.layers.update(rotation="hourly", starts_at=NOW)

    assert sweep(tell_shifts, 0, 60, 120) == [0, 0, 0]


def test_zone_that_nobody_knows_keeps_no_notice_back(shift: Schedule, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(time_zone="Mars/Phobos")

    assert sum(sweep(tell_shifts, *range(-120, 300, 30))) == 2


def test_people_without_an_active_account_are_not_told(shift: Schedule, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)

    assert sweep(tell_shifts, 60) == [0]


@pytest.mark.parametrize("number", [1, 8])
def test_shifts_cost_the_same_queries_for_one_and_eight_schedules(
    number: int, bob: User, django_assert_num_queries: Any
) -> None:
    for _ in range(number):
        OverrideFactory(
            schedule=ScheduleFactory(), kind="add", user=bob,
            starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR,
        )  # fmt: skip

    # in a savepoint: ids and 5 of the rotas, preferences, causes, people, outbox
    with django_assert_num_queries(11):
        assert sweep(tell_shifts, 30) == [number]


# Edits


@pytest.fixture
def edited(bob: User, carol: User) -> Schedule:
    """Bob and Carol by the week; everybody knows."""
    schedule = ScheduleFactory(name="Primary", members=[bob, carol], created_at=NOW - 90 * DAY)
    schedule.layers.update(starts_at=NOW - 2 * DAY)
    record_versions([schedule.pk], now=NOW - DAY)
    tell_changed_shifts(now=NOW - HOUR)
    return schedule


def cover(schedule: Schedule, who: User, whom: User, actor: User, minute: int) -> None:
    """`who` instead of `whom`, for three hours of tomorrow."""
    start = NOW + DAY + minute * HOUR
    wanted = OverrideInput(
        kind="replace", starts_at=start, ends_at=start + HOUR, user_id=who.pk, replaces_id=whom.pk
    )
    add_override(schedule=schedule, wanted=wanted, actor=actor, now=NOW + minute * MINUTE)


def test_everybody_affected_by_an_edit_is_told_but_the_editor(
    edited: Schedule, bob: User, carol: User, eve: User
) -> None:
    cover(edited, eve, bob, actor=bob, minute=0)

    sweep(tell_changed_shifts, 1, 4, 5, 60)

    assert subjects_to(eve) == ["Your shifts in Primary changed"]
    assert subjects_to(bob) == subjects_to(carol) == []


def test_notice_of_an_edit_lists_what_is_new_and_what_is_gone(
    edited: Schedule, bob: User, eve: User, alice: User
) -> None:
    cover(edited, eve, bob, actor=alice, minute=0)

    sweep(tell_changed_shifts, 4)

    text = Notification.objects.filter(user=eve, channel="in_app").get().text
    assert "New: Thu 26 Nov 11:00 to Thu 26 Nov 12:00" in text
    assert "Gone" not in text
    assert "Gone:" in Notification.objects.filter(user=bob, channel="in_app").get().text


def test_edits_within_a_few_minutes_are_told_as_one(
    edited: Schedule, bob: User, eve: User, alice: User
) -> None:
    for minute in (0, 1, 2, 3):
        cover(edited, eve, bob, actor=alice, minute=minute)

    told = sweep(tell_changed_shifts, 1, 2, 3, 4, 5, 6, 7, 8)

    assert [count for count in told if count] == [2]  # Bob and Eve
    assert len(subjects_to(eve)) == 1


def test_endless_editing_is_told_after_a_while(edited: Schedule, eve: User, alice: User) -> None:
    bob = User.objects.get(name="Bob")
    for minute in range(0, 17, 2):
        cover(edited, eve, bob, actor=alice, minute=minute)

    assert sweep(tell_changed_shifts, 16) == [2]


def test_edit_that_is_taken_back_is_not_told(
    edited: Schedule, bob: User, eve: User, alice: User
) -> None:
    cover(edited, eve, bob, actor=alice, minute=0)
    edited.overrides.all().delete()
    record_versions([edited.pk], now=NOW + MINUTE, actor=alice)

    assert sweep(tell_changed_shifts, 5, 6) == [0, 0]


def test_every_editor_is_told_where_there_were_several(
    edited: Schedule, bob: User, carol: User, eve: User
) -> None:
    cover(edited, eve, bob, actor=bob, minute=0)
    cover(edited, eve, bob, actor=carol, minute=1)

    sweep(tell_changed_shifts, 5)

    assert len(subjects_to(bob)) == 1


def test_version_that_cannot_be_read_keeps_no_other_schedule_from_being_told(
    edited: Schedule, bob: User, eve: User
) -> None:
    broken = ScheduleFactory(members=[bob], created_at=NOW - 90 * DAY)
    record_versions([broken.pk], now=NOW - DAY)
    tell_changed_shifts(now=NOW - HOUR)
    ScheduleVersion.objects.filter(schedule=broken).update(spec={})
    record_versions([broken.pk], now=NOW)
    cover(edited, eve, bob, actor=bob, minute=0)

    assert sweep(tell_changed_shifts, 5, 6) == [1, 0]


def test_schedule_that_was_there_before_is_not_told(bob: User) -> None:
    schedule = ScheduleFactory(members=[bob], created_at=NOW - 90 * DAY)
    record_versions([schedule.pk], now=NOW)

    assert sweep(tell_changed_shifts, 0, 5, 10) == [0, 0, 0]


def test_people_of_a_new_schedule_are_told(bob: User, alice: User) -> None:
    schedule = ScheduleFactory(name="New", members=[bob], created_at=NOW)
    record_versions([schedule.pk], now=NOW, actor=alice)

    assert sweep(tell_changed_shifts, 1, 5, 6) == [0, 1, 0]
    assert subjects_to(bob) == ["Your shifts in New changed"]


def test_new_name_of_a_layer_changes_nobodys_shifts(edited: Schedule, alice: User) -> None:
    ScheduleLayer.objects.update(name="Renamed")
    record_versions([edited.pk], now=NOW, actor=alice)
    assert ScheduleVersion.objects.count() == 2

    assert sweep(tell_changed_shifts, 5) == [0]


# Gaps of the next days


@pytest.fixture
def lacking(bob: User, carol: User, team: Team) -> Schedule:
    """Of Carol's team; nobody is on call from Friday 11:00 to Saturday 11:00."""
    schedule = ScheduleFactory(name="Primary", members=[bob], team=team, created_at=NOW - 90 * DAY)
    schedule.layers.update(ends_at=NOW + 2 * DAY, starts_at=NOW - 90 * DAY)
    ScheduleLayerFactory(
        schedule=schedule, members=[bob], begins_at=NOW + 3 * DAY, starts_at=NOW - DAY
    )
    record_versions([schedule.pk], now=NOW)
    return schedule


def test_gap_of_the_next_days_is_told_to_the_team_once(lacking: Schedule, carol: User) -> None:
    told = [tell_gaps(now=NOW + hours * HOUR) for hours in (0, 1, 23, 24, 48, 60)]

    assert told == [1, 0, 0, 0, 0, 0]
    assert subjects_to(carol) == ["Nobody is on call in Primary at times of the next 7 days"]
    text = Notification.objects.filter(user=carol)[0].text
    assert "from Fri 27 Nov 11:00 until Sat 28 Nov 11:00" in text


def test_gap_is_told_again_when_it_changes(lacking: Schedule, carol: User) -> None:
    tell_gaps(now=NOW)
    lacking.layers.filter(ends_at=None).update(begins_at=NOW + 4 * DAY)
    record_versions([lacking.pk], now=NOW + HOUR)

    told = [tell_gaps(now=NOW + days * DAY) for days in (1, 2)]

    assert told == [1, 0]


def test_gap_beyond_a_week_is_told_when_it_comes_near(lacking: Schedule) -> None:
    lacking.layers.filter(ends_at=None).update(begins_at=None)
    OverrideFactory(
        schedule=lacking, kind="remove", user=None, replaces=User.objects.get(name="Bob"),
        starts_at=NOW + 10 * DAY, ends_at=NOW + 11 * DAY,
    )  # fmt: skip
    record_versions([lacking.pk], now=NOW)

    assert [tell_gaps(now=NOW + days * DAY) for days in range(6)] == [0, 0, 0, 0, 1, 0]


def test_hours_that_repeat_every_week_are_told_once(bob: User, team: Team) -> None:
    schedule = ScheduleFactory(team=team, members=[bob], created_at=NOW - 90 * DAY)
    LayerRestrictionFactory(
        layer=schedule.layers.get(), weekdays=0b1_1111, starts=time(8), ends=time(18)
    )
    record_versions([schedule.pk], now=NOW)

    told = [tell_gaps(now=NOW + days * DAY) for days in range(21)]

    assert told == [1, *[0] * 20]
    assert KnownGap.objects.filter(is_repetition=True).exists()


def test_schedule_without_a_team_is_the_admins_business_where_it_is_paged(
    bob: User, alice: User
) -> None:
    schedule = ScheduleFactory(created_at=NOW - DAY)
    record_versions([schedule.pk], now=NOW)
    assert tell_gaps(now=NOW) == 0
    ScheduleWatch.objects.update(gaps_looked_at=None)
    KnownGap.objects.all().delete()
    PolicyFactory(steps=[(0, [schedule])])

    assert tell_gaps(now=NOW) == 1
    assert len(subjects_to(alice)) == 1


def test_empty_schedule_is_told_once_and_not_every_day(lacking: Schedule) -> None:
    lacking.layers.all().delete()
    record_versions([lacking.pk], now=NOW)

    assert [tell_gaps(now=NOW + days * DAY) for days in range(20)] == [1, *[0] * 19]


def test_schedule_that_was_just_made_is_given_time(team: Team) -> None:
    schedule = ScheduleFactory(team=team, created_at=NOW)
    record_versions([schedule.pk], now=NOW)

    assert sweep(tell_gaps, 0, 30, 60) == [0, 0, 1]


# Nobody at this moment


def test_team_is_told_at_the_moment_at_which_nobody_is_on_call(
    lacking: Schedule, carol: User
) -> None:
    PolicyFactory(steps=[(0, [lacking])])

    told = [tell_empty(now=NOW + 2 * DAY + m * MINUTE) for m in (-1, 0, 1, 60)]

    assert told == [0, 1, 0, 0]
    assert subjects_to(carol) == ["Nobody is on call in Primary"]


def test_it_is_told_again_when_it_happens_again(lacking: Schedule, carol: User) -> None:
    PolicyFactory(steps=[(0, [lacking])])
    lacking.layers.filter(ends_at=None).update(ends_at=NOW + 4 * DAY)

    told = [tell_empty(now=NOW + d * DAY) for d in (1, 2, 3, 4)]

    assert told == [0, 1, 0, 1]


def test_schedule_that_no_policy_pages_may_be_empty(lacking: Schedule) -> None:
    assert tell_empty(now=NOW + 2 * DAY) == 0


def test_disabled_account_that_leaves_nobody_is_told(bob: User, carol: User, team: Team) -> None:
    schedule = ScheduleFactory(name="Primary", members=[bob], team=team)
    PolicyFactory(steps=[(0, [schedule])])
    assert tell_empty(now=NOW) == 0
    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)

    assert tell_empty(now=NOW + MINUTE) == 1


def test_nights_of_a_schedule_for_office_hours_are_not_told_every_night(
    bob: User, team: Team
) -> None:
    schedule = ScheduleFactory(team=team, members=[bob], created_at=NOW - 90 * DAY)
    layer = schedule.layers.get()
    LayerRestrictionFactory(layer=layer, weekdays=0b111_1111, starts=time(8), ends=time(18))
    PolicyFactory(steps=[(0, [schedule])])
    record_versions([schedule.pk], now=NOW)

    nights = []
    for day in range(10):
        for hours in (0, 8):  # 11:00 and 19:00
            now = NOW + day * DAY + hours * HOUR
            nights.append(tell_empty(now=now))
            tell_gaps(now=now)

    assert nights[0::2] == [0] * 10
    assert nights[1::2] == [1] * 7 + [0] * 3


# All together


def test_notice_that_fails_does_not_stop_the_others(
    shift: Schedule, bob: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*, now: datetime) -> int:
        raise RuntimeError("broken")

    monkeypatch.setattr(telling, "tell_channels", broken)

    assert telling.tell_on_call(now=NOW + HOUR) == 1
    assert "broken failed" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_parallel_looks_tell_once(shift: Schedule, bob: User) -> None:
    def look() -> None:
        try:
            telling.tell_on_call(now=NOW + HOUR)
        finally:
            connection.close()

    threads = [Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert subjects_to(bob) == ["Your shift in Primary starts Wed 25 Nov 13:00"]


def test_hundred_schedules_are_looked_at_within_seconds() -> None:
    people = [UserFactory() for _ in range(5)]
    for _ in range(100):
        ScheduleFactory(members=people)

    began = datetime.now(UTC)
    telling.tell_on_call(now=NOW)

    assert datetime.now(UTC) - began < timedelta(seconds=10)
