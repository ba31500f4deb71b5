"""The stream as a browser sees it."""

import time

import pytest

from opsknight.models import User
from tests.factories import TeamFactory, UserFactory
from tests.realtime.server import LiveServer, eventually, session_cookie

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bob() -> User:
    return UserFactory(name="Bob", role=User.Role.RESPONDER)


@pytest.fixture
def eve() -> User:
    return UserFactory(name="Eve")


def test_change_from_another_process_arrives_within_a_second(live: LiveServer, bob: User) -> None:
    page = live.open_page(bob)

    started = time.monotonic()
    live.publish("user", bob.pk)
    events = page.wait_for("user", within=1)

    assert events == [{"id": bob.pk, "name": "Bob"}]
    assert time.monotonic() - started < 0.5


def test_stream_is_not_cached_nor_buffered(live: LiveServer, bob: User) -> None:
    page = live.open_page(bob)

    assert page.headers["content-type"] == "text/event-stream"
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["x-accel-buffering"] == "no"


@pytest.mark.parametrize("cookie", ["", "0123456789abcdefghijklmnopqrstuv"])
def test_without_a_session_the_answer_is_401_as_json(live: LiveServer, cookie: str) -> None:
    response = live.get("/api/realtime/stream", cookie)

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "not_authenticated"


def test_disabled_user_is_refused(live: LiveServer, bob: User) -> None:
    cookie = session_cookie(bob)
    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)

    response = live.get("/api/realtime/stream", cookie)

    assert response.status_code == 401


def test_wrong_method_is_refused_as_json(live: LiveServer, bob: User) -> None:
    response = live.get("/api/realtime/stream", session_cookie(bob), method="OPTIONS")

    assert response.status_code == 405
    assert response.headers["allow"] == "GET"
    assert response.json()["error"]["code"] == "method_not_allowed"


def test_team_change_reaches_members_only(live: LiveServer, bob: User, eve: User) -> None:
    carol = UserFactory(name="Carol")
    team = TeamFactory(members=[carol])
    pages = {user: live.open_page(user) for user in (bob, carol, eve)}

    live.publish("team", team.pk)
    live.publish("mark", 1)
    for page in pages.values():
        page.wait_for("mark")

    assert {user.name for user, page in pages.items() if page.named("secret")} == {"Carol"}


def test_address_cannot_ask_for_channels(live: LiveServer, eve: User) -> None:
    team = TeamFactory()
    page = live.open_page(eve, f"?channel=team-{team.pk}&channels=responders&es-meta=x")

    live.publish("team", team.pk)
    live.publish("mark", 1)
    page.wait_for("mark")

    assert page.named("secret") == []


def test_page_that_listens_to_several_channels_gets_an_event_once(
    live: LiveServer, bob: User
) -> None:
    page = live.open_page(bob)

    live.publish("mark", 1)
    live.publish("user", bob.pk)
    page.wait_for("user")

    assert page.named("mark") == [{"id": 1}]


def test_page_hears_what_changed_between_its_reading_and_its_stream(
    live: LiveServer, bob: User
) -> None:
    first = live.open_page(bob)
    # A younger server does not know what there was five seconds ago.
    assert eventually(lambda: live.inside()["age_seconds"] > 7)
    live.publish("mark", 7)
    first.wait_for("mark")

    second = live.open_page(bob, "?age=5000")

    assert {"id": 7} in second.wait_for("mark")


def test_page_read_after_a_change_does_not_hear_it(live: LiveServer, bob: User) -> None:
    first = live.open_page(bob)
    live.publish("mark", 7)
    first.wait_for("mark")

    second = live.open_page(bob)
    live.publish("user", bob.pk)
    second.wait_for("user")

    assert second.named("mark") == []


def test_page_that_was_read_too_long_ago_fetches_itself_again(live: LiveServer, bob: User) -> None:
    page = live.open_page(bob, "?age=9999999")

    page.wait_for("stream-reset")


@pytest.mark.parametrize("age", ["-1", "x", "1e9", "", "9" * 30, "%00", "²"])
def test_age_that_is_no_number_is_ignored(live: LiveServer, bob: User, age: str) -> None:
    page = live.open_page(bob, f"?age={age}")

    assert page.named("stream-open")


def test_broken_renderer_makes_pages_fetch_themselves_again(live: LiveServer, bob: User) -> None:
    page = live.open_page(bob)

    live.publish("trouble", 1)
    page.wait_for("stream-reset")
    live.publish("mark", 1)

    assert page.wait_for("mark") == [{"id": 1}]


def test_topic_that_nobody_registered_is_ignored(live: LiveServer, bob: User) -> None:
    page = live.open_page(bob)

    live.publish("weather", 1)
    live.publish("mark", 1)

    assert page.wait_for("mark") == [{"id": 1}]
