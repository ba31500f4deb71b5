"""Temporary schedules and swap requests on the pages of a schedule."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse

from escalations.models import Schedule, SwapRequest, TemporarySchedule
from escalations.oncall import on_call_at
from escalations.selectors import rotas_of
from opsknight.models import User
from opsknight.wall_clock import wall_time
from tests.escalations.pages import page, post
from tests.factories import (
    ScheduleFactory,
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


def said(answer: HttpResponse) -> str:
    return " ".join(str(m) for m in get_messages(answer.wsgi_request))  # type: ignore[attr-defined]


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
