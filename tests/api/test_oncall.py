"""Questions about who is on call: at an instant, in a range, gaps, hours, one's own shifts."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from escalations.models import Schedule
from tests.api.asking import Asker, fields_of
from tests.factories import OverrideFactory, ScheduleFactory, TemporaryScheduleFactory, UserFactory

MONDAY = "2190-03-01T00:00:00Z"
WEEK = {"from": MONDAY, "to": "2190-03-08T00:00:00Z"}


@pytest.fixture
def pk(bob: Asker, carol: Asker) -> int:
    """Bob and Carol take days in turn, Monday to Friday from 8 to 20."""
    layer = {
        "name": "Days",
        "rotation": "daily",
        "starts_at": MONDAY,
        "members": [bob.user.pk, carol.user.pk],
        "restrictions": [{"weekdays": [0, 1, 2, 3, 4], "starts": "08:00", "ends": "20:00"}],
    }
    answer = bob.post("schedules", {"name": "Primary", "layers": [layer]})
    assert answer.status_code == 201, answer.content
    key: int = answer.json()["id"]
    return key


def rows(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def test_shifts_of_a_week(eve: Asker, pk: int) -> None:
    found = rows(eve.get(f"schedules/{pk}/shifts", **WEEK))

    assert [row["user"]["name"] for row in found] == ["Bob", "Carol", "Bob", "Carol", "Bob"]
    assert found[0] == {
        "starts_at": "2190-03-01T08:00:00Z",
        "ends_at": "2190-03-01T20:00:00Z",
        "user": found[0]["user"],
        "source": "Days",
        "kind": "layer",
    }


def test_shifts_of_one_person(eve: Asker, carol: Asker, pk: int) -> None:
    found = rows(eve.get(f"schedules/{pk}/shifts", user=carol.user.pk, **WEEK))

    assert [row["starts_at"][8:10] for row in found] == ["02", "04"]


def test_gaps_of_a_week(eve: Asker, pk: int) -> None:
    found = rows(eve.get(f"schedules/{pk}/gaps", **WEEK))

    assert found[0] == {"starts_at": MONDAY, "ends_at": "2190-03-01T08:00:00Z"}
    assert found[-1] == {"starts_at": "2190-03-05T20:00:00Z", "ends_at": WEEK["to"]}


def test_hours_of_a_week(eve: Asker, pk: int) -> None:
    found = rows(eve.get(f"schedules/{pk}/hours", **WEEK))

    assert [(row["user"]["name"], row["hours"]) for row in found] == [("Bob", 36), ("Carol", 24)]


def test_final_schedule_covers_the_whole_range(eve: Asker, pk: int) -> None:
    dan = UserFactory(name="Dan")
    OverrideFactory(
        schedule_id=pk,
        user=dan,
        starts_at="2190-03-01T18:00:00Z",
        ends_at="2190-03-01T22:00:00Z",
    )
    day = {"from": MONDAY, "to": "2190-03-02T00:00:00Z"}

    found = rows(eve.get(f"schedules/{pk}/final", **day))

    names = [[user["name"] for user in row["users"]] for row in found]
    assert names == [[], ["Bob"], ["Bob", "Dan"], ["Dan"], []]
    assert (found[0]["starts_at"], found[-1]["ends_at"]) == (day["from"], day["to"])


def test_override_and_temporary_schedule_are_named_as_such(eve: Asker, pk: int) -> None:
    span = {"starts_at": "2190-03-01T09:00:00Z", "ends_at": "2190-03-01T10:00:00Z"}
    OverrideFactory(schedule_id=pk, user=UserFactory(), **span)
    TemporaryScheduleFactory(
        schedule_id=pk,
        starts_at="2190-03-02T09:00:00Z",
        ends_at="2190-03-02T10:00:00Z",
        shifts=[UserFactory()],
    )

    found = rows(eve.get(f"schedules/{pk}/shifts", **WEEK))

    assert {row["kind"] for row in found} == {"layer", "override", "temporary"}


@pytest.mark.parametrize("question", ["shifts", "final", "gaps", "hours"])
@pytest.mark.parametrize(
    ("span", "field"),
    [
        ({"from": "now"}, "from"),
        ({"from": MONDAY, "to": MONDAY}, "to"),
        ({"from": MONDAY, "to": "2191-06-01T00:00:00Z"}, "to"),
    ],
)
def test_impossible_ranges_are_refused(
    eve: Asker, pk: int, question: str, span: dict[str, str], field: str
) -> None:
    assert list(fields_of(eve.get(f"schedules/{pk}/{question}", **span))) == [field]


def test_absurd_years_are_refused(eve: Asker, pk: int) -> None:
    answer = eve.get(f"schedules/{pk}/shifts", **{"from": "0001-01-01T00:00:00Z"})

    assert fields_of(answer)


def test_everybody_on_call_together_is_named(eve: Asker, pk: int) -> None:
    dan = UserFactory(name="Dan")
    OverrideFactory(
        schedule_id=pk,
        user=dan,
        starts_at="2190-03-01T08:00:00Z",
        ends_at="2190-03-01T09:00:00Z",
    )

    answer = eve.get(f"schedules/{pk}/on-call", at="2190-03-01T08:30:00Z").json()

    assert [user["name"] for user in answer["users"]] == ["Bob", "Dan"]
    assert [user["name"] for user in answer["next_users"]] == ["Bob"]
    assert answer["until"] == "2190-03-01T09:00:00Z"


def test_on_call_everywhere_names_each_schedule(eve: Asker, pk: int) -> None:
    other = ScheduleFactory(members=[UserFactory(name="Dan")])

    found = rows(eve.get("on-call", at="2190-03-01T08:30:00Z"))

    names = {row["schedule"]: [user["name"] for user in row["users"]] for row in found}
    assert names == {pk: ["Bob"], other.pk: ["Dan"]}


def test_own_shifts_of_all_schedules_come_in_order(carol: Asker, pk: int) -> None:
    other = ScheduleFactory(name="Other")
    OverrideFactory(
        schedule=other,
        user=carol.user,
        starts_at="2190-03-01T00:00:00Z",
        ends_at="2190-03-01T01:00:00Z",
    )

    found = rows(carol.get("me/shifts", **WEEK))

    assert [row["schedule"]["name"] for row in found] == ["Other", "Primary", "Primary"]


def test_own_shifts_of_the_past_are_those_that_were(carol: Asker, bob: Asker, pk: int) -> None:
    schedule = Schedule.objects.get(pk=pk)
    now = timezone.now().replace(second=0, microsecond=0)
    month = {"from": (now - timedelta(days=30)).isoformat(), "to": now.isoformat()}
    before = rows(carol.get("me/shifts", **month))

    bob.patch(f"schedules/{schedule.pk}?confirm=true", {"layers": []})

    assert before
    assert rows(carol.get("me/shifts", **month)) == before


@pytest.mark.parametrize("path", ["on-call", "me/shifts"])
def test_many_schedules_cost_as_many_queries_as_one(carol: Asker, path: str) -> None:
    carol.get(path)  # the key notes its use once
    counts = []
    for number in (1, 9):
        for schedule in ScheduleFactory.create_batch(number, members=[carol.user, UserFactory()]):
            OverrideFactory(schedule=schedule, user=carol.user)
            TemporaryScheduleFactory(schedule=schedule, shifts=[carol.user])
        with CaptureQueriesContext(connection) as queries:
            assert carol.get(path).status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 14
