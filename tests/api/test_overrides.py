"""Overrides, temporary schedules, swaps, and the questions before something is lost."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from escalations.models import Override, ScheduleLayer
from opsknight.models import User
from tests.api.asking import Asker, code_of, fields_of
from tests.factories import ScheduleFactory, UserFactory


@pytest.fixture
def now() -> datetime:
    return timezone.now().replace(second=0, microsecond=0)


@pytest.fixture
def pk(carol: Asker) -> int:
    """Carol alone."""
    key: int = ScheduleFactory(name="Primary", members=[carol.user]).pk
    return key


@pytest.fixture
def dan(db: None) -> User:
    return UserFactory(name="Dan")


def span(now: datetime, start: int, end: int) -> dict[str, str]:
    return {
        "starts_at": f"{now + timedelta(hours=start):%Y-%m-%dT%H:%M:%SZ}",
        "ends_at": f"{now + timedelta(hours=end):%Y-%m-%dT%H:%M:%SZ}",
    }


def name_on_call(asker: Asker, pk: int) -> str | None:
    user: dict[str, Any] | None = asker.get(f"schedules/{pk}/on-call").json()["user"]
    return user["name"] if user else None


def test_override_is_made_and_ended(bob: Asker, pk: int, dan: User, now: datetime) -> None:
    body = {"kind": "replace", "user": dan.pk, **span(now, 0, 5), "note": "Holiday"}

    made = bob.post(f"schedules/{pk}/overrides", body).json()
    assert name_on_call(bob, pk) == "Dan"
    refused = bob.delete(f"schedules/{pk}/overrides/{made['id']}")
    bob.post(f"schedules/{pk}/overrides/{made['id']}/end")

    assert (made["note"], made["created_by"]) == ("Holiday", bob.user.pk)
    assert (refused.status_code, code_of(refused)) == (409, "conflict")
    assert name_on_call(bob, pk) == "Carol"


def test_override_ahead_is_changed_and_deleted(
    bob: Asker, pk: int, dan: User, now: datetime
) -> None:
    body = {"kind": "add", "user": dan.pk, **span(now, 5, 6)}
    made = bob.post(f"schedules/{pk}/overrides", body).json()

    changed = bob.put(f"schedules/{pk}/overrides/{made['id']}", body | span(now, 7, 9)).json()
    deleted = bob.delete(f"schedules/{pk}/overrides/{made['id']}")

    assert changed["starts_at"] == span(now, 7, 9)["starts_at"]
    assert deleted.status_code == 204
    assert not Override.objects.exists()


def test_override_of_another_schedule_is_not_found(
    bob: Asker, pk: int, dan: User, now: datetime
) -> None:
    body = {"kind": "add", "user": dan.pk, **span(now, 5, 6)}
    made = bob.post(f"schedules/{pk}/overrides", body).json()
    other = ScheduleFactory()

    assert bob.get(f"schedules/{other.pk}/overrides/{made['id']}").status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "swap"}, "kind"),
        ({"user": 4711}, "user"),
        ({"user": None}, "user"),
        ({"starts_at": "soon"}, "starts_at"),
        ({"ends_at": "2001-01-01T00:00:00Z"}, "ends_at"),
    ],
)
def test_impossible_overrides_are_refused_by_name(
    bob: Asker, pk: int, dan: User, now: datetime, change: dict[str, Any], field: str
) -> None:
    body = {"kind": "add", "user": dan.pk, **span(now, 5, 6)} | change

    assert list(fields_of(bob.post(f"schedules/{pk}/overrides", body))) == [field]


def test_shifts_are_covered(bob: Asker, carol: Asker, pk: int, dan: User, now: datetime) -> None:
    body = {"user": carol.user.pk, "by": dan.pk, **span(now, 0, 5)}

    assert bob.post(f"schedules/{pk}/cover", body).status_code == 201
    assert name_on_call(bob, pk) == "Dan"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"by": 4711}, "by"),
        ({"by": "{carol}"}, "user"),
        ({"user": "{dan}", "by": "{carol}"}, "user"),
        ({"ends_at": "2001-01-01T00:00:00Z"}, "ends_at"),
    ],
)
def test_impossible_cover_is_refused_by_name(
    bob: Asker,
    carol: Asker,
    pk: int,
    dan: User,
    now: datetime,
    change: dict[str, Any],
    field: str,
) -> None:
    ids = {"{carol}": carol.user.pk, "{dan}": dan.pk}
    body = {"user": "{carol}", "by": "{dan}", **span(now, 0, 5)} | change

    answer = bob.post(f"schedules/{pk}/cover", {k: ids.get(v, v) for k, v in body.items()})

    assert list(fields_of(answer)) == [field]


def test_taking_over_until_before_now_is_refused_by_name(bob: Asker, pk: int) -> None:
    answer = bob.post(f"schedules/{pk}/take-over", {"until": "2001-01-01T00:00:00Z"})

    assert list(fields_of(answer)) == ["until"]


def test_responder_takes_over(bob: Asker, pk: int, now: datetime) -> None:
    until = span(now, 0, 2)["ends_at"]

    answer = bob.post(f"schedules/{pk}/take-over", {"until": until})

    assert answer.json()["ends_at"] == until
    assert name_on_call(bob, pk) == "Bob"


def test_temporary_schedule_is_set_cut_and_ended(
    bob: Asker, pk: int, dan: User, now: datetime
) -> None:
    whole = span(now, 0, 9)
    body = {"name": "Fair", **whole, "shifts": [{"user": dan.pk, **whole}]}

    made = bob.post(f"schedules/{pk}/temporary-schedules", body).json()
    assert name_on_call(bob, pk) == "Dan"
    left = bob.post(f"schedules/{pk}/temporary-schedules/cut", span(now, 3, 4)).json()["results"]
    bob.delete(f"schedules/{pk}/temporary-schedules/{left[0]['id']}")

    assert body.items() <= made.items()
    assert [row["ends_at"] for row in left] == [span(now, 0, 3)["ends_at"], whole["ends_at"]]
    assert name_on_call(bob, pk) == "Carol"


def test_swap_is_asked_and_taken(
    carol: Asker, bob: Asker, eve: Asker, pk: int, now: datetime
) -> None:
    asked = carol.post(f"schedules/{pk}/swap-requests", span(now, 0, 5)).json()

    refused = eve.post(f"schedules/{pk}/swap-requests/{asked['id']}/take")
    taken = bob.post(f"schedules/{pk}/swap-requests/{asked['id']}/take").json()

    assert refused.status_code == 403  # nothing connects her to the schedule
    assert (taken["state"], taken["taken_by"]) == ("taken", bob.user.pk)
    assert name_on_call(eve, pk) == "Bob"


def test_second_editor_gets_a_conflict(bob: Asker, alice: Asker, pk: int) -> None:
    version = bob.get(f"schedules/{pk}").json()["version"]
    alice.patch(f"schedules/{pk}", {"description": "Hers", "version": version})

    answer = bob.patch(f"schedules/{pk}", {"description": "His", "version": version})

    assert (answer.status_code, code_of(answer)) == (409, "saved_meanwhile")
    assert answer.json()["error"]["message"].startswith("Alice saved Primary")
    assert bob.get(f"schedules/{pk}").json()["description"] == "Hers"


def test_emptying_a_layer_asks_and_names_the_gap(bob: Asker, pk: int) -> None:
    (layer,) = bob.get(f"schedules/{pk}").json()["layers"]
    body = {"layers": [layer | {"members": []}]}

    asked = bob.patch(f"schedules/{pk}", body)
    done = bob.patch(f"schedules/{pk}?confirm=true", body)

    assert (asked.status_code, code_of(asked)) == (409, "needs_confirmation")
    assert "Primary: nobody is on call from" in fields_of(asked, 409)["confirm"][0]
    assert done.json()["layers"][0]["members"] == []


def test_disabling_a_person_asks_and_names_the_gap(alice: Asker, carol: Asker, pk: int) -> None:
    path = f"users/{carol.user.pk}"

    asked = alice.patch(path, {"status": "disabled"})
    done = alice.patch(f"{path}?confirm=true", {"status": "disabled"})

    assert (asked.status_code, code_of(asked)) == (409, "needs_confirmation")
    assert asked.json()["error"]["message"].startswith("Without Carol: Primary: nobody is on call")
    assert done.json()["status"] == "disabled"


def test_disabling_a_person_whom_others_replace_does_not_ask(
    alice: Asker, carol: Asker, dan: User
) -> None:
    ScheduleFactory(members=[carol.user, dan])

    assert alice.patch(f"users/{carol.user.pk}", {"status": "disabled"}).status_code == 200


def test_layer_with_its_id_stays_the_same_layer(bob: Asker, pk: int, dan: User) -> None:
    (layer,) = bob.get(f"schedules/{pk}").json()["layers"]
    changed = layer | {"name": "Renamed", "members": [dan.pk, *layer["members"]]}

    answered = bob.patch(f"schedules/{pk}", {"layers": [changed]}).json()["layers"]

    assert [(row["id"], row["name"]) for row in answered] == [(layer["id"], "Renamed")]
    assert name_on_call(bob, pk) == "Carol"  # still, though Dan was put before her


def test_everything_of_a_layer_can_be_sent_back(bob: Asker, dan: User, carol: Asker) -> None:
    layer = {
        "name": "Nights",
        "rotation": "weekly",
        "rotation_length": 2,
        "shift_hours": 12,
        "starts_at": "2026-11-02T20:00:00Z",
        "begins_at": "2026-11-02T20:00:00Z",
        "ends_at": "2189-11-02T20:00:00Z",
        "members": [[dan.pk, carol.user.pk], bob.user.pk],
        "restrictions": [{"weekdays": [0, 6], "starts": "20:00", "ends": "08:00"}],
        "skips_inactive": True,
        "is_together": False,
    }

    made = bob.post("schedules", {"name": "New", "layers": [layer]}).json()
    again = bob.put(f"schedules/{made['id']}", made).json()

    assert layer.items() <= made["layers"][0].items()
    assert again == made


def test_address_of_a_calendar_is_never_answered(bob: Asker) -> None:
    layer = {
        "name": "Imported",
        "rotation": "weekly",
        "starts_at": "2026-11-02T20:00:00Z",
        "members": [],
        "source": "calendar",
        "calendar_url": "https://calendar.example.com/secret.ics",
    }

    answer = bob.post("schedules", {"name": "New", "layers": [layer]})

    assert answer.status_code == 201
    assert b"secret.ics" not in answer.content
    assert ScheduleLayer.objects.get().calendar_url.endswith("secret.ics")


def test_person_is_put_on_call_in_a_layer(bob: Asker, carol: Asker, dan: User) -> None:
    schedule = ScheduleFactory(members=[carol.user, dan])
    layer = schedule.layers.get()

    answer = bob.post(f"schedules/{schedule.pk}/layers/{layer.pk}/put-on-call", {"user": dan.pk})

    assert answer.status_code == 200
    assert name_on_call(bob, schedule.pk) == "Dan"
