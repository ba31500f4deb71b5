"""Overrides, temporary schedules and swap requests on the pages of a schedule."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.urls import reverse

from escalations.models import Override, Schedule
from escalations.web.override_forms import read_instant
from opsknight.models import User
from opsknight.wall_clock import wall_time
from tests.escalations.pages import get, page, post
from tests.factories import (
    OverrideFactory,
    ScheduleFactory,
    ScheduleLayerFactory,
    TemporaryScheduleFactory,
)

pytestmark = pytest.mark.django_db
VIENNA = "Europe/Vienna"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def schedule(bob: User, carol: User) -> Schedule:
    """Bob is on call this week, Carol the next."""
    return ScheduleFactory(name="Primary", members=[bob, carol], time_zone=VIENNA)


def wall(moment: datetime) -> str:
    """As a field of a date and a time sends it, in Vienna."""
    return f"{wall_time(moment, VIENNA):%Y-%m-%dT%H:%M}"


def override_fields(now: datetime, user: User | None, **changes: Any) -> dict[str, Any]:
    """What the form posts: instead of everybody, for an hour tomorrow."""
    return {
        "what": "everybody",
        "user": str(user.pk) if user else "",
        "replaces": "",
        "starts_at": wall(now + DAY),
        "ends_at": wall(now + DAY + HOUR),
        "note": "",
    } | changes


def said(answer: HttpResponse) -> str:
    return " ".join(str(m) for m in get_messages(answer.wsgi_request))  # type: ignore[attr-defined]


# Making overrides


def test_override_is_made_on_the_clock_of_the_schedule(
    schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    answer = post(bob, "override_new", schedule.pk, data=override_fields(now, eve, note="Dentist"))

    made = schedule.overrides.get()
    assert answer["Location"] == reverse("escalations:overrides", args=[schedule.pk])
    assert (made.kind, made.user, made.replaces, made.note) == ("replace", eve, None, "Dentist")
    assert made.starts_at == (now + DAY).replace(second=0, microsecond=0)
    assert made.created_by == bob


@pytest.mark.parametrize(
    ("what", "kind", "has_user", "has_replaces"),
    [
        ("cover", "replace", True, True),
        ("everybody", "replace", True, False),
        ("add", "add", True, False),
        ("remove", "remove", False, True),
    ],
)
def test_each_kind_of_override_can_be_made(
    what: str,
    kind: str,
    has_user: bool,
    has_replaces: bool,
    schedule: Schedule,
    bob: User,
    eve: User,
    now: datetime,
) -> None:
    # What the choice hides is posted all the same, and must not count.
    post(
        bob,
        "override_new",
        schedule.pk,
        data=override_fields(now, eve, what=what, replaces=str(bob.pk)),
    )

    made = schedule.overrides.get()
    assert made.kind == kind
    assert (made.user_id is not None, made.replaces_id is not None) == (has_user, has_replaces)


def test_form_opens_with_the_span_and_person_of_a_shift(
    schedule: Schedule, bob: User, carol: User, now: datetime
) -> None:
    start, end = now + DAY, now + 2 * DAY
    query = f"?from={start:%Y-%m-%dT%H:%MZ}&until={end:%Y-%m-%dT%H:%MZ}&instead={carol.pk}"

    text = page(bob, "override_new", schedule.pk, query=query)

    assert f'name="starts_at" value="{wall(start)}"' in text
    assert f'name="ends_at" value="{wall(end)}"' in text
    assert '<option value="cover" selected>' in text
    assert f'<option value="{carol.pk}" selected>' in text


def test_form_comes_as_a_fragment_for_the_dialog(schedule: Schedule, bob: User) -> None:
    answer = get(bob, "override_new", schedule.pk)
    fragment = post(
        bob, "override_new", schedule.pk, data={}, HX_Request="true", HX_Target="override-form"
    )

    assert "<html" in answer.content.decode()
    assert fragment.status_code == 422
    assert "<html" not in fragment.content.decode()
    assert 'hx-target="#override-form"' in fragment.content.decode()


def test_saved_in_the_dialog_the_page_is_loaded_anew(
    schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    answer = post(
        bob,
        "override_new",
        schedule.pk,
        data=override_fields(now, eve),
        HX_Request="true",
        HX_Target="override-form",
    )

    assert answer["HX-Refresh"] == "true"
    assert "The override is saved" in said(answer)


def test_all_shifts_of_a_person_can_be_covered_in_all_schedules(
    schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    second = ScheduleFactory(name="Second", members=[bob])
    data = override_fields(now, eve, what="cover", replaces=str(bob.pk), everywhere="on")

    answer = post(bob, "override_new", schedule.pk, data=data)

    assert second.overrides.get().user == eve
    assert "1 more schedule." in said(answer)


def test_times_can_be_entered_in_the_viewers_zone(
    schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    User.objects.filter(pk=bob.pk).update(time_zone="Asia/Tokyo")
    start = now + DAY
    data = override_fields(
        now,
        eve,
        zone="mine",
        starts_at=f"{wall_time(start, 'Asia/Tokyo'):%Y-%m-%dT%H:%M}",
        ends_at=f"{wall_time(start + HOUR, 'Asia/Tokyo'):%Y-%m-%dT%H:%M}",
    )

    post(bob, "override_new", schedule.pk, data=data)

    assert schedule.overrides.get().starts_at == start.replace(second=0, microsecond=0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"user": ""}, "Choose who is on call instead"),
        ({"user": "x"}, "Select a valid choice"),
        ({"what": "cover"}, "Choose whose shifts"),
        ({"what": "remove"}, "Choose whose shifts"),
        ({"starts_at": "soon"}, "Write date and time"),
        ({"starts_at": "2020-01-01T00:00", "ends_at": "2020-01-02T00:00"}, "This is over"),
        ({"ends_at": "2020-01-02T00:00"}, "later than the start"),
    ],
)
def test_wrong_overrides_are_refused_at_their_fields(
    changes: dict[str, str], words: str, schedule: Schedule, bob: User, now: datetime
) -> None:
    answer = post(bob, "override_new", schedule.pk, data=override_fields(now, bob) | changes)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not schedule.overrides.exists()


def test_conflict_is_an_error_of_the_field_and_names_the_other(
    schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    post(bob, "override_new", schedule.pk, data=override_fields(now, eve))

    answer = post(bob, "override_new", schedule.pk, data=override_fields(now, bob))

    assert answer.status_code == 422
    assert "There is another override at this time: Eve instead of everybody" in (
        answer.content.decode()
    )
    assert schedule.overrides.count() == 1


def test_override_is_changed(schedule: Schedule, bob: User, eve: User, now: datetime) -> None:
    made = OverrideFactory(
        schedule=schedule, kind="add", user=eve, starts_at=now + DAY, ends_at=now + 2 * DAY
    )
    assert f'<option value="{eve.pk}" selected>' in page(bob, "override", schedule.pk, made.pk)

    answer = post(bob, "override", schedule.pk, made.pk, data=override_fields(now, bob, what="add"))

    made.refresh_from_db()
    assert answer.status_code == 302
    assert made.user == bob


def test_list_has_what_comes_and_what_is_past(
    schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    OverrideFactory(schedule=schedule, user=eve, note="Comes")
    past = {"starts_at": now - 3 * DAY, "ends_at": now - 2 * DAY}
    OverrideFactory(schedule=schedule, user=eve, note="Was", **past)

    text = page(bob, "overrides", schedule.pk)

    assert text.index("Comes") < text.index("Past") < text.index("Was")
    assert text.count("End now") == 1


def test_running_override_is_ended_and_a_coming_one_deleted(
    schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    running = OverrideFactory(schedule=schedule, user=eve)
    coming = OverrideFactory(
        schedule=schedule, user=eve, starts_at=now + DAY, ends_at=now + 2 * DAY
    )

    for each in (running, coming):
        assert post(bob, "override_end", schedule.pk, each.pk).status_code == 302

    running.refresh_from_db()
    assert running.ends_at <= now + timedelta(minutes=2)
    assert not Override.objects.filter(pk=coming.pk).exists()


def test_override_that_is_over_stays_and_says_why(
    schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    past = OverrideFactory(schedule=schedule, user=eve, starts_at=now - 2 * DAY, ends_at=now - DAY)

    answer = post(bob, "override_end", schedule.pk, past.pk)

    assert "is over" in said(answer)
    assert Override.objects.filter(pk=past.pk).exists()


def test_responder_takes_over_until_the_handoff(schedule: Schedule, alice: User) -> None:
    answer = post(alice, "take_over", schedule.pk)

    assert "You are on call now" in said(answer)
    assert schedule.overrides.get().user == alice


def test_whoever_is_on_call_already_is_told_so(schedule: Schedule, bob: User) -> None:
    assert "already" in said(post(bob, "take_over", schedule.pk))


@pytest.mark.parametrize("text", ["", "now", "2026-11-23", "2026-11-23T09:00", "9999-01-01T00:00Z"])
def test_instants_that_cannot_be_read_are_left_out(text: str) -> None:
    assert read_instant(text) is None


# Who may


@pytest.mark.parametrize(
    "name",
    [
        "override_new",
        "override",
        "override_end",
        "take_over",
        "temporary_new",
        "temporary",
        "temporary_end",
    ],
)
def test_readers_may_not_change_who_is_on_call(
    name: str, schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    args = {
        "override": [OverrideFactory(schedule=schedule, user=bob).pk],
        "override_end": [OverrideFactory(schedule=schedule, user=eve).pk],
        "temporary": [TemporaryScheduleFactory(schedule=schedule).pk],
    }
    args["temporary_end"] = args["temporary"]
    before = (schedule.overrides.count(), schedule.temporaries.count())

    answer = post(eve, name, schedule.pk, *args.get(name, []), data=override_fields(now, eve))

    assert answer.status_code == 403
    assert (schedule.overrides.count(), schedule.temporaries.count()) == before


@pytest.mark.parametrize(
    "name", ["override", "override_end", "temporary", "temporary_end", "swap_take", "swap_cancel"]
)
def test_what_does_not_exist_is_404(name: str, schedule: Schedule, bob: User) -> None:
    assert post(bob, name, schedule.pk, 12345).status_code == 404


def test_what_belongs_to_another_schedule_is_404(schedule: Schedule, bob: User, eve: User) -> None:
    other = ScheduleFactory()
    ScheduleLayerFactory(schedule=other, members=[eve])
    override = OverrideFactory(schedule=other, user=eve)

    assert post(bob, "override_end", schedule.pk, override.pk).status_code == 404
