"""Pages of schedules: the list, the timeline, calendar, hours, one's own shifts."""

import re
import time
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from escalations.models import Schedule
from escalations.selectors import chronicles_of
from escalations.services.history import record_versions
from escalations.web.shown import View, Window
from escalations.web.timeline import timeline_of
from opsknight.models import User
from tests.escalations.pages import get, page, post, signed_in
from tests.escalations.walk import policy_of
from tests.factories import (
    OverrideFactory,
    ScheduleFactory,
    ScheduleLayerFactory,
    TeamFactory,
    TemporaryScheduleFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def schedule(bob: User, carol: User) -> Schedule:
    """Bob is on call this week, Carol the next."""
    return ScheduleFactory(name="Primary", members=[bob, carol], time_zone="Europe/Vienna")


# The list


def test_list_has_ones_own_schedules_first(bob: User, carol: User) -> None:
    ScheduleFactory(name="Aaa of others", members=[carol])
    ScheduleFactory(name="Yyy of a team", team=TeamFactory(members=[bob]))
    ScheduleFactory(name="Zzz with turns", members=[bob, carol])

    text = page(bob, "schedules")

    assert text.index("Yyy") < text.index("Zzz") < text.index("Aaa")


def test_list_can_show_only_ones_own(bob: User, carol: User) -> None:
    ScheduleFactory(name="Aaa of others", members=[carol])
    ScheduleFactory(name="Zzz with turns", members=[bob])

    text = page(bob, "schedules", query="?show=mine")

    assert "Zzz" in text
    assert "Aaa" not in text


def test_list_is_searched_by_name_and_team(bob: User) -> None:
    ScheduleFactory(name="Databases", team=TeamFactory(name="Storage"))
    ScheduleFactory(name="Networks")

    assert "Networks" not in page(bob, "schedules", query="?q=stor")
    assert "No schedule of this name" in page(bob, "schedules", query="?q=nothing%00like")


def test_list_names_everybody_on_call_now_and_next(bob: User, carol: User, eve: User) -> None:
    schedule = ScheduleFactory(name="Two at once")
    ScheduleLayerFactory(schedule=schedule, members=[bob, eve])
    ScheduleLayerFactory(schedule=schedule, members=[carol], is_together=True)

    text = page(eve, "schedules")

    row = text[text.index("Two at once") :]
    assert row.index("Bob") < row.index("Carol") < row.index("Eve, Carol")


def test_list_warns_of_gaps_within_seven_days(bob: User, now: datetime) -> None:
    soon, later = ScheduleFactory(name="Soon", members=[bob]), ScheduleFactory(members=[bob])
    soon.layers.update(ends_at=now + timedelta(days=3))
    later.layers.update(ends_at=now + timedelta(days=9))

    text = page(bob, "schedules")

    assert text.count("Nobody from") == 1
    assert text.count("Covered") == 1


@pytest.mark.parametrize("number", [1, 10])
def test_list_costs_the_same_queries_for_one_and_ten_schedules(
    number: int, bob: User, carol: User
) -> None:
    for _ in range(number):
        ScheduleFactory(members=[bob, carol])
    client = signed_in(bob)

    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("escalations:schedules"))

    # Session, user; number and page of schedules; schedules, layers, members, restrictions,
    # imported shifts, overrides, temporary schedules (their shifts only where there are any).
    assert len(queries) == 11


# The timeline


def test_timeline_shows_layers_and_the_final_row(schedule: Schedule, eve: User) -> None:
    start = datetime.fromisoformat("2026-11-23T09:00+01:00")
    schedule.layers.update(starts_at=start)

    text = page(eve, "schedule", schedule.pk, query="?view=fortnight&from=2026-11-23")

    assert "Mon 23 Nov to Sun 6 Dec 2026" in text
    assert "Shown in Europe/Vienna" in text
    assert "Bob: Mon 23 Nov 09:00 to Mon 30 Nov 09:00 (Europe/Vienna), Primary layer" in text
    assert "Every week, handoff Monday 09:00" in text
    assert "has the turn" in text


def test_timeline_has_no_styles_and_scripts_of_its_own(schedule: Schedule, bob: User) -> None:
    text = page(bob, "schedule", schedule.pk)

    assert " style=" not in text
    assert re.search(r"<script(?![^>]*src=)", text) is None


def test_timeline_shows_overrides_and_temporary_schedules(
    schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    OverrideFactory(
        schedule=schedule, kind="replace", user=eve, replaces=bob, starts_at=now, ends_at=now + HOUR
    )
    TemporaryScheduleFactory(
        schedule=schedule, name="Audit", starts_at=now + 2 * HOUR, ends_at=now + 3 * HOUR
    )

    text = page(eve, "schedule", schedule.pk)

    assert "instead of Bob" in text
    assert 'aria-label="Overrides"' in text
    assert 'aria-label="Temporary"' in text
    assert "Audit" in text


@pytest.mark.parametrize(
    ("view", "title"),
    [
        ("day", "Wednesday 25 November 2026"),
        ("week", "Mon 23 Nov to Sun 29 Nov 2026"),
        ("fortnight", "Mon 23 Nov to Sun 6 Dec 2026"),
        ("month", "November 2026"),
    ],
)
def test_what_is_shown_stands_in_the_address(
    view: str, title: str, schedule: Schedule, eve: User
) -> None:
    text = page(eve, "schedule", schedule.pk, query=f"?view={view}&from=2026-11-25")

    assert title in text


@pytest.mark.parametrize(
    "query", ["?view=year", "?from=tomorrow", "?from=0001-01-01", "?from=9999-12-31", "?zone=Mars"]
)
def test_what_cannot_be_understood_in_the_address_is_left_out(
    query: str, schedule: Schedule, eve: User
) -> None:
    assert "Shown in Europe/Vienna" in page(eve, "schedule", schedule.pk, query=query)


def test_day_that_a_zone_skips_shows_the_next_one(bob: User, eve: User) -> None:
    # Samoa moved across the date line: 30 December 2011 did not happen there.
    schedule = ScheduleFactory(members=[bob], time_zone="Pacific/Apia")

    text = page(eve, "schedule", schedule.pk, query="?view=day&from=2011-12-30")

    assert "cannot be calculated" not in text


def test_arrows_lead_to_the_neighbouring_days(schedule: Schedule, eve: User) -> None:
    text = page(eve, "schedule", schedule.pk, query="?view=month&from=2026-12-10")

    assert "?view=month&amp;from=2026-11-01" in text
    assert "?view=month&amp;from=2027-01-01" in text


def test_timeline_can_be_read_in_the_viewers_zone(schedule: Schedule, eve: User) -> None:
    User.objects.filter(pk=eve.pk).update(time_zone="Asia/Tokyo")

    assert "show in Asia/Tokyo" in page(eve, "schedule", schedule.pk)
    mine = page(eve, "schedule", schedule.pk, query="?zone=mine")
    assert "Shown in Asia/Tokyo" in mine
    assert "zone=mine" in mine


def test_gaps_are_hatched_and_listed(bob: User, eve: User, now: datetime) -> None:
    schedule = ScheduleFactory(members=[bob])
    schedule.layers.update(ends_at=now + timedelta(days=1))

    text = page(eve, "schedule", schedule.pk, query=f"?from={now:%Y-%m-%d}")

    assert "url(#gap-hatch)" in text
    assert "Hatched: nobody is on call" in text


def test_past_stays_as_it_was_when_people_change(schedule: Schedule, bob: User, eve: User) -> None:
    before = timezone.now() - timedelta(days=3)
    schedule.versions.all().delete()
    Schedule.objects.filter(pk=schedule.pk).update(created_at=before)
    schedule.layers.update(starts_at=before)
    record_versions([schedule.pk], now=before)
    schedule.layers.get().members.filter(user=bob).delete()

    text = page(eve, "month_calendar", schedule.pk, query=f"?from={before:%Y-%m-%d}")

    assert "Bob" in text


@pytest.mark.parametrize("change", [{"time_zone": "Mars/Olympus"}, {}])
def test_broken_and_empty_schedules_are_shown_without_a_crash(
    change: dict[str, str], eve: User
) -> None:
    schedule = ScheduleFactory(**change)
    ScheduleLayerFactory(schedule=schedule, members=[eve] if change else [])

    for name in ("schedule", "month_calendar", "hours"):
        assert ("cannot be calculated" in page(eve, name, schedule.pk)) == bool(change)
    assert page(eve, "schedules")
    assert page(eve, "swaps", schedule.pk)
    assert page(eve, "overrides", schedule.pk)


def test_only_responders_are_led_to_forms(schedule: Schedule, bob: User, eve: User) -> None:
    address = reverse("escalations:override_new", args=[schedule.pk])

    assert address in page(bob, "schedule", schedule.pk)
    assert address not in page(eve, "schedule", schedule.pk)


@pytest.mark.parametrize("number", [1, 5])
def test_schedule_costs_the_same_queries_for_one_and_five_layers(
    number: int, bob: User, carol: User
) -> None:
    schedule = ScheduleFactory()
    for _ in range(number):
        ScheduleLayerFactory(schedule=schedule, members=[bob, carol])
        OverrideFactory(schedule=schedule, user=UserFactory())
    client = signed_in(bob)
    client.get(reverse("escalations:schedule", args=[schedule.pk]))

    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("escalations:schedule", args=[schedule.pk]))

    assert len(queries) <= 24


def test_a_timeline_of_a_month_takes_less_than_50_ms(bob: User, carol: User) -> None:
    schedule = ScheduleFactory(time_zone="Europe/Vienna")
    for rotation in ("daily", "weekly", "daily", "weekly"):
        ScheduleLayerFactory(schedule=schedule, members=[bob, carol], rotation=rotation)
    now = timezone.now()
    window = Window(
        view=View.MONTH,
        first=now.date().replace(day=1),
        zone="Europe/Vienna",
        is_mine=False,
        today=now.date(),
        is_dated=False,
    )
    chronicle = chronicles_of([schedule.pk], now=now)[schedule.pk]
    took = []
    for _ in range(5):
        began = time.process_time()
        timeline_of(chronicle, overrides=[], temporaries=[], window=window, now=now)
        took.append(time.process_time() - began)

    assert min(took) < 0.05


# Creating, editing, deleting


def test_responder_creates_a_schedule_and_goes_on_to_its_first_layer(bob: User) -> None:
    answer = post(
        bob, "schedule_new", data={"name": "Nights", "time_zone": "Asia/Tokyo", "description": ""}
    )

    made = Schedule.objects.get(name="Nights")
    assert answer["Location"] == reverse("escalations:layer_new", args=[made.pk])
    assert made.time_zone == "Asia/Tokyo"


@pytest.mark.parametrize(
    "data", [{"name": ""}, {"name": "Primary"}, {"name": "X", "time_zone": "Mars/Olympus"}]
)
def test_wrong_schedules_are_refused_at_their_fields(
    data: dict[str, str], schedule: Schedule, bob: User
) -> None:
    answer = post(bob, "schedule_new", data={"time_zone": "UTC"} | data)

    assert answer.status_code == 422
    assert "Not saved yet" in answer.content.decode()
    assert Schedule.objects.count() == 1


def test_second_editor_of_a_schedule_is_told_and_keeps_the_input(
    schedule: Schedule, alice: User, bob: User
) -> None:
    opened = schedule.version
    base = {"time_zone": "UTC", "version": opened}
    post(alice, "schedule_edit", schedule.pk, data=base | {"name": "By Alice"})

    answer = post(bob, "schedule_edit", schedule.pk, data=base | {"name": "By Bob"})

    text = answer.content.decode()
    assert answer.status_code == 422
    assert "Alice saved" in text
    assert 'value="By Bob"' in text
    schedule.refresh_from_db()
    assert schedule.name == "By Alice"


def test_second_editor_may_save_once_more(schedule: Schedule, alice: User, bob: User) -> None:
    data = {"time_zone": "UTC", "version": schedule.version}
    post(alice, "schedule_edit", schedule.pk, data=data | {"name": "By Alice"})
    told = post(bob, "schedule_edit", schedule.pk, data=data | {"name": "By Bob"})
    found = re.search(r'name="version" value="(\d+)"', told.content.decode())
    assert found

    answer = post(
        bob, "schedule_edit", schedule.pk, data=data | {"name": "By Bob", "version": found[1]}
    )

    schedule.refresh_from_db()
    assert (answer.status_code, schedule.name) == (302, "By Bob")


def test_schedule_that_a_policy_pages_is_not_deleted(schedule: Schedule, bob: User) -> None:
    policy_of((0, [schedule]), name="Payments first")

    answer = post(bob, "schedule_delete", schedule.pk)

    assert answer.status_code == 409
    assert "Payments first" in answer.content.decode()
    assert Schedule.objects.filter(pk=schedule.pk).exists()


def test_schedule_is_deleted(schedule: Schedule, bob: User) -> None:
    assert "No policy uses it" in page(bob, "schedule_delete", schedule.pk)

    answer = post(bob, "schedule_delete", schedule.pk)

    assert answer["Location"] == reverse("escalations:schedules")
    assert not Schedule.objects.filter(pk=schedule.pk).exists()


# Who may


@pytest.mark.parametrize("name", ["schedule_edit", "schedule_delete"])
def test_readers_may_not_change_schedules(name: str, schedule: Schedule, eve: User) -> None:
    assert get(eve, name, schedule.pk).status_code == 403
    assert post(eve, name, schedule.pk, data={"name": "X", "time_zone": "UTC"}).status_code == 403
    assert Schedule.objects.filter(pk=schedule.pk, name="Primary").exists()


def test_readers_may_not_create_schedules(eve: User) -> None:
    assert post(eve, "schedule_new", data={"name": "X", "time_zone": "UTC"}).status_code == 403


@pytest.mark.parametrize("name", ["schedule_edit", "schedule_delete", "month_calendar", "hours"])
def test_schedules_that_do_not_exist_are_404(name: str, bob: User) -> None:
    assert get(bob, name, 12345).status_code == 404


@pytest.mark.parametrize(
    "name", ["month_calendar", "hours", "overrides", "swaps", "schedule_edit", "override_new"]
)
def test_anonymous_people_are_sent_to_the_login(name: str, schedule: Schedule) -> None:
    answer = Client().get(reverse(f"escalations:{name}", args=[schedule.pk]))

    assert answer.status_code == 302
