"""Calendar feeds over the API."""

from django.test import Client

from escalations.models import CalendarFeed, OnCallSettings, Schedule
from tests.api.asking import Asker, code_of, fields_of
from tests.factories import CalendarFeedFactory, ScheduleFactory


def schedule_of(carol: Asker) -> Schedule:
    return ScheduleFactory(name="Primary", members=[carol.user])


def test_feed_is_made_and_its_address_works(eve: Asker, carol: Asker) -> None:
    response = eve.post("calendar-feeds", {"name": "Ours", "schedule": schedule_of(carol).pk})

    answered = response.json()
    assert response.status_code == 201, answered
    assert (answered["owner"], answered["is_enabled"]) == (eve.user.pk, True)
    path = answered["address"].partition("/calendars/")[2]
    assert Client().get(f"/calendars/{path}").status_code == 200


def test_feed_without_a_schedule_is_of_ones_own_shifts(carol: Asker) -> None:
    answered = carol.post("calendar-feeds", {"name": "Mine"}).json()

    assert answered["schedule"] is None
    assert CalendarFeed.objects.get(pk=answered["id"]).person == carol.user


def test_name_is_needed_and_the_schedule_must_exist(eve: Asker) -> None:
    assert "name" in fields_of(eve.post("calendar-feeds", {}))
    assert "schedule" in fields_of(eve.post("calendar-feeds", {"name": "x", "schedule": 99999}))


def test_disabled_by_an_administrator_is_said_on_create(eve: Asker) -> None:
    OnCallSettings.objects.create(calendar_feeds_enabled=False)

    response = eve.post("calendar-feeds", {"name": "Mine"})

    assert response.status_code == 403
    assert "disabled by an administrator" in response.json()["error"]["message"]


def test_feed_is_renamed_and_switched_off(carol: Asker) -> None:
    feed = CalendarFeedFactory(owner=carol.user)

    answered = carol.patch(f"calendar-feeds/{feed.pk}", {"name": "New", "is_enabled": False}).json()

    assert (answered["name"], answered["is_enabled"]) == ("New", False)
    assert Client().get(f"/calendars/{feed.token}.ics").status_code == 404


def test_other_fields_are_not_changed(carol: Asker, eve: Asker) -> None:
    feed = CalendarFeedFactory(owner=carol.user)

    carol.patch(f"calendar-feeds/{feed.pk}", {"owner": eve.user.pk, "token": "mine"})

    feed.refresh_from_db()
    assert (feed.owner, feed.token != "mine") == (carol.user, True)


def test_address_is_replaced(carol: Asker) -> None:
    feed = CalendarFeedFactory(owner=carol.user)

    answered = carol.post(f"calendar-feeds/{feed.pk}/rotate").json()

    assert feed.token not in answered["address"]
    assert Client().get(f"/calendars/{feed.token}.ics").status_code == 404


def test_administrators_see_that_there_are_feeds_but_not_their_addresses(
    alice: Asker, carol: Asker
) -> None:
    CalendarFeedFactory(owner=carol.user)
    CalendarFeedFactory(owner=alice.user)

    rows = alice.get("calendar-feeds").json()["results"]

    assert [(row["owner"], bool(row["address"])) for row in rows] == [
        (carol.user.pk, False),
        (alice.user.pk, True),
    ]


def test_list_holds_ones_own_feeds_only(eve: Asker, carol: Asker) -> None:
    CalendarFeedFactory(owner=carol.user)
    mine = CalendarFeedFactory(owner=eve.user)

    assert [row["id"] for row in eve.get("calendar-feeds").json()["results"]] == [mine.pk]


def test_unknown_feed_is_404(eve: Asker) -> None:
    assert code_of(eve.get("calendar-feeds/12345")) == "not_found"
