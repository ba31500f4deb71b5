"""Overrides, temporary schedules and swap requests on the pages of a schedule."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.urls import reverse

from escalations.models import Override, Schedule, SwapRequest, TemporarySchedule
from escalations.oncall import on_call_at
from escalations.selectors import rotas_of
from escalations.web.override_forms import read_instant
from opsknight.models import User
from opsknight.wall_clock import wall_time
from tests.escalations.pages import get, page, post
from tests.factories import (
    OverrideFactory,
    ScheduleFactory,
    ScheduleLayerFactory,
    SwapRequestFactory,
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


# Temporary schedules


def temporary_fields(now: datetime, *users: User, **changes: Any) -> dict[str, Any]:
    posted: dict[str, Any] = {
        "name": "Audit",
        "starts_at": wall(now + DAY),
        "ends_at": wall(now + 3 * DAY),
        "shifts": [str(n) for n in range(len(users))],
    }
    for number, user in enumerate(users):
        posted[f"shift-{number}-user"] = str(user.pk)
        posted[f"shift-{number}-starts"] = wall(now + DAY + number * 6 * HOUR)
        posted[f"shift-{number}-ends"] = wall(now + DAY + (number + 1) * 6 * HOUR)
    return posted | changes


def test_temporary_schedule_takes_the_place_of_everything(
    schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    answer = post(bob, "temporary_new", schedule.pk, data=temporary_fields(now, eve))

    rota = rotas_of([schedule.pk], since=now)[schedule.pk]
    assert answer.status_code == 302
    assert on_call_at(rota.spec, now + DAY + HOUR) == (eve.pk,)
    assert on_call_at(rota.spec, now + 2 * DAY) == ()


def test_temporary_schedule_is_changed_to_other_days(
    schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    post(bob, "temporary_new", schedule.pk, data=temporary_fields(now, eve))
    found = schedule.temporaries.get()
    assert 'value="Audit"' in page(bob, "temporary", schedule.pk, found.pk)

    changed = temporary_fields(now, name="Fair", ends_at=wall(now + 2 * DAY))
    answer = post(bob, "temporary", schedule.pk, found.pk, data=changed)

    found = schedule.temporaries.get()
    assert answer.status_code == 302
    assert (found.name, found.shifts.count()) == ("Fair", 0)
    assert found.ends_at == (now + 2 * DAY).replace(second=0, microsecond=0)


def test_shifts_are_added_and_removed_without_storing(
    schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    added = post(bob, "temporary_new", schedule.pk, data=temporary_fields(now, eve, do="add"))
    removed = post(
        bob, "temporary_new", schedule.pk, data=temporary_fields(now, eve, bob, do="remove-0")
    )

    assert "shift-1-user" in added.content.decode()
    assert f'name="shift-1-starts" value="{wall(now + DAY + 6 * HOUR)}"' in added.content.decode()
    assert "shift-1-user" not in removed.content.decode()
    assert not TemporarySchedule.objects.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ends_at": "2020-01-01T00:00"}, "later than the start"),
        ({"shift-0-user": ""}, "Choose a person"),
        ({"shift-0-ends": "x"}, "Write both times"),
        ({"shift-0-ends": "2020-01-01T00:00"}, "later than the start"),
        (
            {"shift-0-starts": "2100-01-01T00:00", "shift-0-ends": "2100-01-02T00:00"},
            "outside of the temporary schedule",
        ),
    ],
)
def test_wrong_temporary_schedules_are_refused_at_their_fields(
    changes: dict[str, str], words: str, schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    data = temporary_fields(now, eve) | changes

    answer = post(bob, "temporary_new", schedule.pk, data=data)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not TemporarySchedule.objects.exists()


def test_running_temporary_schedule_is_ended(
    schedule: Schedule, bob: User, eve: User, now: datetime
) -> None:
    running = TemporaryScheduleFactory(schedule=schedule, shifts=[eve])

    post(bob, "temporary_end", schedule.pk, running.pk)

    running.refresh_from_db()
    assert running.ends_at <= now + timedelta(minutes=2)


# Swaps


def test_person_without_a_role_asks_for_a_swap(
    schedule: Schedule, carol: User, now: datetime
) -> None:
    layer = schedule.layers.get()
    start = layer.starts_at + timedelta(days=7)
    shown = page(carol, "swaps", schedule.pk)
    assert "Ask for a swap" in shown

    answer = post(
        carol,
        "swap_new",
        schedule.pk,
        data={"starts_at": wall(start), "ends_at": wall(start + DAY), "note": "Concert"},
    )

    assert answer.status_code == 302
    assert SwapRequest.objects.get().requester == carol
    assert "Concert" in page(carol, "swaps", schedule.pk)


def test_who_has_no_shift_cannot_ask(schedule: Schedule, eve: User, now: datetime) -> None:
    data = {"starts_at": wall(now + DAY), "ends_at": wall(now + 2 * DAY), "note": ""}

    answer = post(eve, "swap_new", schedule.pk, data=data)

    assert answer.status_code == 422
    assert "You have no shift in this time" in answer.content.decode()


def test_swap_is_taken(schedule: Schedule, bob: User, carol: User, now: datetime) -> None:
    asked = SwapRequestFactory(schedule=schedule, requester=bob)
    assert "Take it" in page(carol, "swaps", schedule.pk)
    assert "Bob" in page(carol, "my_shifts")

    answer = post(carol, "swap_take", schedule.pk, asked.pk)

    rota = rotas_of([schedule.pk], since=now)[schedule.pk]
    assert "You take the shifts of Bob" in said(answer)
    assert on_call_at(rota.spec, asked.starts_at + HOUR) == (carol.pk,)


def test_swap_that_is_taken_cannot_be_taken_again(
    schedule: Schedule, alice: User, bob: User, carol: User
) -> None:
    asked = SwapRequestFactory(schedule=schedule, requester=bob)
    post(carol, "swap_take", schedule.pk, asked.pk)

    answer = post(alice, "swap_take", schedule.pk, asked.pk)

    assert "already" in said(answer)
    assert schedule.overrides.get().user == carol


def test_swap_is_cancelled_by_who_asked(schedule: Schedule, carol: User) -> None:
    asked = SwapRequestFactory(schedule=schedule, requester=carol)

    post(carol, "swap_cancel", schedule.pk, asked.pk)

    asked.refresh_from_db()
    assert asked.state == SwapRequest.State.CANCELLED


def test_swap_of_somebody_else_is_not_cancelled_by_a_reader(
    schedule: Schedule, carol: User, eve: User
) -> None:
    asked = SwapRequestFactory(schedule=schedule, requester=carol)

    assert post(eve, "swap_cancel", schedule.pk, asked.pk).status_code == 403


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
