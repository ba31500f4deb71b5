"""Many changes, many pages, slow pages."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from opsknight.models import User
from realtime.streams import PENDING
from realtime.topics import BULK
from tests.factories import UserFactory
from tests.realtime.server import LiveServer, eventually, session_cookie

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bob() -> User:
    return UserFactory(name="Bob", role=User.Role.RESPONDER)


def test_hundred_changes_of_one_thing_become_few_events(live: LiveServer, bob: User) -> None:
    page = live.open_page(bob)

    for _ in range(100):
        live.publish("user", bob.pk)
    live.publish("mark", 1)
    page.wait_for("mark")

    assert 1 <= len(page.named("user")) <= 3


def test_many_changed_incidents_become_one_hint(live: LiveServer, bob: User) -> None:
    page = live.open_page(bob)

    live.publish("incident", *range(1, BULK + 2))

    assert len(page.wait_for("incidents")) == 1


def test_page_that_gets_too_much_at_once_fetches_itself_again(live: LiveServer, bob: User) -> None:
    page = live.open_page(bob)

    live.publish("bulk", PENDING + 1)

    page.wait_for("stream-reset")
    assert page.named("bulk") == []


def test_render_runs_once_however_many_pages_are_open(live: LiveServer, bob: User) -> None:
    pages = [live.open_page(bob) for _ in range(20)]
    before = len(live.inside()["renders"])

    live.publish("user", bob.pk)
    for page in pages:
        page.wait_for("user")

    assert len(live.inside()["renders"]) == before + 1


def test_hundred_streams_hold_neither_threads_nor_connections(live: LiveServer, bob: User) -> None:
    cookie = session_cookie(bob)
    before = live.inside()["threads"]
    pages = [live.start_page(bob, cookie=cookie) for _ in range(100)]
    for page in pages:
        page.wait_for("stream-open")

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: live.get("/api/nowhere", cookie), range(30)))

    assert live.inside()["streams"] == 100
    assert {answer.status_code for answer in answers} == {404}
    assert eventually(lambda: live.inside()["threads"] < before + 20)


def test_one_stream_too_many_is_told_when_to_come_back(live: LiveServer, bob: User) -> None:
    cookie = session_cookie(bob)
    pages = [live.start_page(bob, cookie=cookie) for _ in range(101)]
    for page in pages:
        page.wait_for("stream-open")

    response = live.get("/api/realtime/stream", cookie)

    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert response.json()["error"]["code"] == "too_many_streams"


def test_page_that_goes_away_frees_its_stream(live: LiveServer, bob: User) -> None:
    page = live.open_page(bob)
    assert live.inside()["streams"] == 1

    page.close()

    assert eventually(lambda: live.inside()["streams"] == 0, within=2)


def test_stream_of_a_page_that_does_not_read_ends(live: LiveServer, bob: User) -> None:
    connection = live.open_socket(bob)
    assert eventually(lambda: live.inside()["streams"] == 1)

    def is_ended() -> bool:
        live.publish("bulk", PENDING)
        return live.inside()["streams"] == 0

    assert eventually(is_ended)
    connection.close()
