"""The editor of a layer: what is posted, previewed, saved, moved and deleted."""

import re
from datetime import UTC, datetime, time
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from escalations.models import Schedule, ScheduleLayer
from escalations.models.schedule import weekdays_in
from opsknight.models import User
from tests.escalations.pages import get, page, post
from tests.factories import ScheduleFactory, ScheduleLayerFactory

pytestmark = pytest.mark.django_db
VIENNA = "Europe/Vienna"


@pytest.fixture
def schedule(bob: User, carol: User) -> Schedule:
    """Bob is on call this week, Carol the next."""
    return ScheduleFactory(name="Primary", members=[bob, carol], time_zone=VIENNA)


def fields(*turns: tuple[User, ...], **changes: Any) -> dict[str, Any]:
    """What the form of a weekly layer posts."""
    posted: dict[str, Any] = {
        "name": "Nights",
        "place": "0",
        "source": "rotation",
        "rotation": "weekly",
        "rotation_length": "1",
        "handoff_weekday": "0",
        "handoff_day": "1",
        "handoff_time": "09:00",
        "first_on": f"{timezone.now():%Y-%m-%d}",
        "turns": [str(place) for place in range(len(turns))],
    }
    posted |= {f"turn-{n}": [str(user.pk) for user in turn] for n, turn in enumerate(turns)}
    return posted | changes


# Saving


def test_new_layer_is_saved_with_everything_in_it(
    schedule: Schedule, bob: User, carol: User, eve: User
) -> None:
    data = fields(
        (eve,),
        (bob, carol),
        (eve,),
        place="1",
        rotation="daily",
        rotation_length="2",
        first_on="2026-11-23",
        handoff_time="18:30",
        shift_hours="12",
        begins_at="2026-12-01T00:00",
        ends_at="2027-03-01T00:00",
        skips_inactive="on",
        is_together="on",
        active=["0"],
    )
    data |= {"active-0-days": ["4", "5"], "active-0-starts": "22:00", "active-0-ends": "06:00"}

    answer = post(bob, "layer_new", schedule.pk, data=data)

    assert answer["Location"] == reverse("escalations:schedule", args=[schedule.pk])
    layer = schedule.layers.get(name="Nights")
    assert (layer.position, layer.rotation, layer.rotation_length) == (2, "daily", 2)
    assert layer.starts_at == datetime(2026, 11, 23, 17, 30, tzinfo=UTC)
    assert layer.begins_at == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert (layer.shift_hours, layer.skips_inactive, layer.is_together) == (12, True, True)
    turns = list(layer.members.order_by("turn", "id").values_list("turn", "user__name"))
    assert turns == [(1, "Eve"), (2, "Bob"), (2, "Carol"), (3, "Eve")]
    restriction = layer.restrictions.get()
    assert weekdays_in(restriction.weekdays) == {4, 5}
    assert (restriction.starts, restriction.ends) == (time(22), time(6))


def test_form_of_a_layer_saves_what_it_showed(schedule: Schedule, bob: User, carol: User) -> None:
    layer = schedule.layers.get()
    ScheduleLayer.objects.filter(pk=layer.pk).update(
        starts_at=datetime(2026, 11, 18, 8, tzinfo=UTC)
    )
    text = page(bob, "layer", schedule.pk, layer.pk)
    shown = dict(re.findall(r'name="(\w+)" value="([^"]*)"', text))
    chosen = dict(re.findall(r'<select name="(\w+)".*?value="(\w+)" selected', text, re.DOTALL))
    data = fields((bob,), (carol,), **{k: v for k, v in (shown | chosen).items() if k != "turns"})

    post(bob, "layer", schedule.pk, layer.pk, data=data)

    layer.refresh_from_db()
    assert layer.starts_at == datetime(2026, 11, 18, 8, tzinfo=UTC)
    assert chosen["handoff_weekday"] == "2"


def test_layer_of_a_calendar_needs_its_address(schedule: Schedule, bob: User) -> None:
    refused = post(bob, "layer_new", schedule.pk, data=fields(source="calendar"))
    saved = post(
        bob,
        "layer_new",
        schedule.pk,
        data=fields(source="calendar", calendar_url="https://example.com/team.ics"),
    )

    assert refused.status_code == 422
    assert "Give the address" in refused.content.decode()
    assert saved.status_code == 302
    text = page(bob, "layer", schedule.pk, schedule.layers.get(name="Nights").pk)
    assert "team.ics" not in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "Give the layer a name"),
        ({"rotation_length": "0"}, "greater than or equal to 1"),
        ({"rotation_length": "-3"}, "greater than or equal to 1"),
        ({"rotation_length": "99999999999"}, "less than or equal to 10000"),
        ({"rotation": "yearly"}, "not one of the available choices"),
        ({"handoff_time": "25:00"}, "Write a time of day"),
        ({"first_on": "31.2.2026"}, "Write a date"),
        ({"first_on": "0001-01-01"}, "from 1970 to 2190"),
        ({"shift_hours": "0"}, "greater than or equal to 1"),
        ({"shift_hours": "200"}, "lasts 1 to 168 hours"),
        ({"ends_at": "2020-01-01T00:00"}, "later than the start"),
        ({"ends_at": "soon"}, "Write date and time"),
        ({"turns": []}, "people who take turns"),
        ({"turns": ["0"], "turn-0": ["999999"]}, "There is no user"),
        ({"place": "7"}, "not one of the available choices"),
        (
            {"active": ["0"], "active-0-starts": "09:00", "active-0-ends": "17:00"},
            "at least one day",
        ),
        ({"active": ["0"], "active-0-days": ["1"], "active-0-starts": "x"}, "two times of day"),
    ],
)
def test_wrong_layers_are_refused_at_their_fields(
    changes: dict[str, Any], words: str, schedule: Schedule, bob: User
) -> None:
    answer = post(bob, "layer_new", schedule.pk, data=fields((bob,)) | changes)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert schedule.layers.count() == 1


def test_what_was_entered_comes_back_with_the_errors(
    schedule: Schedule, bob: User, eve: User
) -> None:
    answer = post(
        bob, "layer_new", schedule.pk, data=fields((eve,), (bob,), name="", shift_hours="7")
    )

    text = answer.content.decode()
    assert 'name="shift_hours" value="7"' in text
    assert text.index("Remove Eve from turn 1") < text.index("Remove Bob from turn 2")


def test_second_editor_is_told_and_keeps_the_input(
    schedule: Schedule, alice: User, bob: User, carol: User
) -> None:
    layer = schedule.layers.get()
    base = {"version": str(schedule.version)}
    post(alice, "layer", schedule.pk, layer.pk, data=fields((carol,), (bob,), name="A") | base)

    answer = post(bob, "layer", schedule.pk, layer.pk, data=fields((bob,), name="B") | base)

    text = answer.content.decode()
    assert answer.status_code == 422
    assert "Alice saved" in text
    assert 'value="B"' in text
    assert schedule.layers.get().name == "A"


def test_layer_that_was_deleted_meanwhile_can_be_saved_anew(schedule: Schedule, bob: User) -> None:
    layer = schedule.layers.get()
    gone = layer.pk
    layer.delete()

    told = post(bob, "layer", schedule.pk, gone, data=fields((bob,)))
    saved = post(bob, "layer", schedule.pk, gone, data=fields((bob,)) | {"is_gone": "1"})

    assert told.status_code == 422
    assert "Somebody deleted this layer" in told.content.decode()
    assert saved.status_code == 302
    assert schedule.layers.get().name == "Nights"


def test_emptying_a_layer_names_the_gaps_and_asks(schedule: Schedule, bob: User) -> None:
    layer = schedule.layers.get()

    asked = post(bob, "layer", schedule.pk, layer.pk, data=fields())
    confirmed = post(bob, "layer", schedule.pk, layer.pk, data=fields() | {"confirm": "1"})

    assert asked.status_code == 422
    assert "Primary: nobody is on call from" in asked.content.decode()
    assert confirmed.status_code == 302
    assert layer.members.count() == 0


# The lists in the form


def test_rearranging_stores_nothing_and_complains_of_nothing(
    schedule: Schedule, bob: User, eve: User
) -> None:
    answer = post(
        bob,
        "layer_new",
        schedule.pk,
        data=fields((bob,), name="") | {"do": "add", "person": str(eve.pk)},
    )

    text = answer.content.decode()
    assert answer.status_code == 200
    assert "Remove Eve from turn 2" in text
    assert "Give the layer a name" not in text[: text.index("layer-preview")]
    assert schedule.layers.count() == 1


def test_active_times_are_added_and_removed(schedule: Schedule, bob: User) -> None:
    added = post(bob, "layer_new", schedule.pk, data=fields((bob,)) | {"do": "restrict"})
    removed = post(
        bob,
        "layer_new",
        schedule.pk,
        data=fields((bob,), active=["0"]) | {"active-0-days": ["1"], "do": "unrestrict-0"},
    )

    assert 'name="active-0-starts" value="09:00"' in added.content.decode()
    assert "active-0-starts" not in removed.content.decode()


# The preview


def test_preview_shows_the_layer_and_who_would_be_on_call(
    schedule: Schedule, bob: User, eve: User
) -> None:
    answer = post(bob, "layer_new_preview", schedule.pk, data=fields((eve,), name="Eve first"))

    text = answer.content.decode()
    assert answer.status_code == 200
    assert 'aria-label="This layer"' in text
    assert "Eve: " in text
    assert "Always somebody on call" in text
    assert schedule.layers.count() == 1


def test_preview_of_a_change_keeps_whoever_is_on_call(
    schedule: Schedule, bob: User, carol: User, eve: User
) -> None:
    layer = schedule.layers.get()
    data = fields((eve,), (bob,), (carol,), first_on=f"{timezone.now():%Y-%m-%d}")

    text = post(bob, "layer_preview", schedule.pk, layer.pk, data=data).content.decode()

    final = text[text.index('aria-label="On call"') :]
    # Eve, whose turn would be before Bob's, may have had the first hours of today.
    assert final.index("Bob: ") < final.index("Carol: ")
    assert layer.members.count() == 2


def test_preview_names_what_is_wrong_with_links_to_the_fields(
    schedule: Schedule, bob: User
) -> None:
    data = fields((bob,), rotation_length="0", ends_at="2020-01-01T00:00")

    text = post(bob, "layer_new_preview", schedule.pk, data=data).content.decode()

    assert 'href="#id_rotation_length"' in text
    assert "This layer" not in text


def test_preview_of_something_that_the_service_refuses(schedule: Schedule, bob: User) -> None:
    data = fields((bob,), shift_hours="500")

    text = post(bob, "layer_new_preview", schedule.pk, data=data).content.decode()

    assert 'href="#id_shift_hours"' in text


def test_preview_without_people_shows_the_schedule_as_it_is(schedule: Schedule, bob: User) -> None:
    text = post(bob, "layer_new_preview", schedule.pk, data=fields(name="")).content.decode()

    assert "Add the first person" in text
    assert "Bob: " in text


@pytest.mark.parametrize(("days", "ticks"), [("7", 7), ("14", 14), ("31", 31), ("999", 14)])
def test_preview_is_as_long_as_wanted(days: str, ticks: int, schedule: Schedule, bob: User) -> None:
    data = fields((bob,)) | {"preview_days": days}

    text = post(bob, "layer_new_preview", schedule.pk, data=data).content.decode()

    axis = text[text.index("chart__axis") : text.index("</svg>")]
    assert axis.count("<text") == ticks


# Moving and deleting


def test_layers_change_places(schedule: Schedule, bob: User, eve: User) -> None:
    second = ScheduleLayerFactory(schedule=schedule, name="Second", members=[eve])

    answer = post(bob, "layer_move", schedule.pk, second.pk, data={"to": "up"})

    assert answer.status_code == 302
    assert list(schedule.layers.values_list("name", flat=True)) == ["Second", "Primary layer"]


def test_deleting_a_layer_names_the_gaps_and_asks(schedule: Schedule, bob: User) -> None:
    layer = schedule.layers.get()

    shown = page(bob, "layer_delete", schedule.pk, layer.pk)
    refused = post(bob, "layer_delete", schedule.pk, layer.pk)
    deleted = post(bob, "layer_delete", schedule.pk, layer.pk, data={"confirm": "1"})

    assert "Primary: nobody is on call from" in shown
    assert refused.status_code == 409
    assert deleted.status_code == 302
    assert schedule.layers.count() == 0


def test_layer_that_others_cover_is_deleted_without_a_question(
    schedule: Schedule, bob: User, eve: User
) -> None:
    second = ScheduleLayerFactory(schedule=schedule, name="Second", members=[eve])

    assert "The other layers cover" in page(bob, "layer_delete", schedule.pk, second.pk)
    assert post(bob, "layer_delete", schedule.pk, second.pk).status_code == 302


# Who may


@pytest.mark.parametrize(
    "name",
    ["layer", "layer_preview", "layer_move", "layer_delete", "layer_new", "layer_new_preview"],
)
def test_readers_may_not_change_layers(name: str, schedule: Schedule, eve: User) -> None:
    args = [schedule.pk] if "new" in name else [schedule.pk, schedule.layers.get().pk]

    assert post(eve, name, *args, data=fields((eve,)) | {"confirm": "1"}).status_code == 403
    assert schedule.layers.get().members.count() == 2


@pytest.mark.parametrize("name", ["layer", "layer_delete"])
def test_layers_of_another_schedule_are_404(name: str, schedule: Schedule, bob: User) -> None:
    other = ScheduleFactory(members=[bob])

    assert get(bob, name, other.pk, schedule.layers.get().pk).status_code == 404


def test_whoever_is_no_more_active_is_sent_to_the_login(schedule: Schedule, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)

    answer = post(bob, "layer_new", schedule.pk, data=fields((bob,)))

    assert answer.status_code in (302, 404)
    assert schedule.layers.count() == 1
