"""Redis goes, Redis comes back, the web process stops: pages follow again."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings

from config.embedded import EmbeddedRedis
from opsknight.models import User
from tests.factories import UserFactory
from tests.realtime.conftest import test_database_url
from tests.realtime.server import LiveServer, eventually, running_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bob() -> User:
    return UserFactory(name="Bob", role=User.Role.RESPONDER)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis that the test may stop."""
    server = EmbeddedRedis(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_live(
    transactional_db: None, own_redis: EmbeddedRedis, log_file: Path
) -> Iterator[LiveServer]:
    """A web process that uses that Redis."""
    with (
        log_file.open("wb") as file,
        running_server(file, DATABASE_URL=test_database_url(), REDIS_URL=own_redis.url) as server,
    ):
        yield server
        if server.web.poll() is None:
            server.close_pages()


def wait_until_subscribed(server: EmbeddedRedis) -> None:
    """A page may be told to reset before the web process listens again."""
    client = redis.Redis.from_url(server.url)
    assert eventually(lambda: bool(client.pubsub_channels()), within=30)
    client.close()


def test_pages_follow_again_after_redis_restarted(
    own_live: LiveServer, own_redis: EmbeddedRedis, bob: User, log_file: Path
) -> None:
    page = own_live.open_page(bob)
    resets = len(page.named("stream-reset"))

    own_redis.stop()
    own_redis.start()
    wait_until_subscribed(own_redis)
    page.wait_for("stream-reset", resets + 1)
    own_live.publish("mark", 1)

    assert page.wait_for("mark") == [{"id": 1}]
    assert log_file.read_text().count("Redis is away") == 1


def test_pages_open_while_redis_is_away_and_follow_once_it_is_there(
    own_live: LiveServer, own_redis: EmbeddedRedis, bob: User
) -> None:
    own_redis.stop()
    own_live.publish("mark", 1)

    page = own_live.open_page(bob)
    own_redis.start()

    def follows() -> bool:
        own_live.publish("mark", 2)
        return {"id": 2} in page.named("mark")

    assert eventually(follows)


def test_pages_are_told_to_poll_while_redis_is_away(
    own_live: LiveServer, own_redis: EmbeddedRedis, bob: User
) -> None:
    page = own_live.open_page(bob)
    resets = len(page.named("stream-reset"))

    own_redis.stop()

    page.wait_for("stream-reset", resets + 1, within=15)


def test_redis_that_hangs_is_noticed(
    own_live: LiveServer, own_redis: EmbeddedRedis, bob: User, log_file: Path
) -> None:
    page = own_live.open_page(bob)
    resets = len(page.named("stream-reset"))
    process = own_redis._process
    assert process is not None

    process.send_signal(signal.SIGSTOP)
    try:
        assert eventually(lambda: "Redis is away" in log_file.read_text(), within=20)
    finally:
        process.send_signal(signal.SIGCONT)
    wait_until_subscribed(own_redis)
    page.wait_for("stream-reset", resets + 1, within=20)
    own_live.publish("mark", 1)

    assert page.wait_for("mark") == [{"id": 1}]


def test_wiped_redis_changes_nothing(live: LiveServer, bob: User) -> None:
    page = live.open_page(bob)

    redis.Redis.from_url(settings.REDIS_URL).flushall()
    live.publish("mark", 1)

    assert page.wait_for("mark") == [{"id": 1}]


def test_web_process_stops_at_once_with_open_pages(
    own_live: LiveServer, bob: User, log_file: Path
) -> None:
    pages = [own_live.open_page(bob) for _ in range(10)]

    started = time.monotonic()
    own_live.web.terminate()
    own_live.web.wait(10)

    assert time.monotonic() - started < 3
    assert all(page.wait_until_closed() for page in pages)
    assert "Traceback" not in log_file.read_text()
