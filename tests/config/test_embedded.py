"""The embedded PostgreSQL and Redis, started for real in folders of their own."""

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from config import embedded
from config.embedded import EmbeddedPostgres, EmbeddedRedis
from config.processes import StartError, processes_in
from tests.processes import wait_until
from tests.stack import temporary_home

START_AND_WAIT = """
import sys, time
from pathlib import Path
from config.embedded import EmbeddedPostgres, EmbeddedRedis
home = Path(sys.argv[1])
EmbeddedPostgres(home, durable=False).start()
EmbeddedRedis(home).start()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as folder:
        yield folder


@pytest.fixture
def postgres(home: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(home, durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server_redis(home: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(home)
    server.start()
    yield server
    server.stop()


def test_postgres_is_version_18_with_our_database_and_utf8(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url) as connection:
        row = connection.execute(
            "SELECT current_database(), current_user, current_setting('server_version_num')::int,"
            " current_setting('server_encoding')"
        ).fetchone()

    assert row is not None
    assert row[:2] == ("opsknight", "opsknight")
    assert row[2] // 10000 == 18
    assert row[3] == "UTF8"


def test_postgres_listens_on_its_socket_only(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url) as connection:
        row = connection.execute("SHOW listen_addresses").fetchone()

    assert row == ("",)


def test_postgres_is_durable_unless_told_otherwise(home: Path) -> None:
    assert "--fsync=off" not in EmbeddedPostgres(home).command()


def test_postgres_keeps_its_data_over_a_restart(home: Path) -> None:
    first = EmbeddedPostgres(home, durable=False)
    first.start()
    with psycopg.connect(first.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    first.stop()

    second = EmbeddedPostgres(home, durable=False)
    second.start()
    with psycopg.connect(second.url) as connection:
        row = connection.execute("SELECT answer FROM kept").fetchone()
    second.stop()

    assert row == (42,)


def test_redis_answers_and_keeps_nothing_on_disk(server_redis: EmbeddedRedis) -> None:
    with redis.Redis.from_url(server_redis.url) as client:
        client.set("colour", "green")
        client.shutdown(save=False, nosave=True)

    assert list(server_redis.folder.iterdir()) == []


def test_only_the_servers_user_enters_the_folder_of_the_sockets(postgres: EmbeddedPostgres) -> None:
    assert stat.S_IMODE(postgres.runtime_dir.stat().st_mode) == 0o700


def test_a_long_home_gets_a_short_folder_for_sockets(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)

    folder = embedded.runtime_dir(home)

    assert len(str(folder)) < 50
    assert folder == embedded.runtime_dir(home)


def test_a_second_server_on_the_same_home_is_refused(postgres: EmbeddedPostgres) -> None:
    second = EmbeddedPostgres(postgres.home, durable=False)

    with pytest.raises(StartError, match="in use by another OpsKnight"):
        second.start()


def test_a_foreign_folder_for_sockets_is_refused(home: Path) -> None:
    (home / "run").symlink_to("/tmp")

    with pytest.raises(StartError, match="belongs to somebody else"):
        EmbeddedRedis(home).start()


def test_data_of_another_postgres_version_is_refused(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "PG_VERSION").write_text("15\n")

    with pytest.raises(StartError, match="written by PostgreSQL 15"):
        EmbeddedPostgres(home).start()


def test_an_interrupted_first_start_begins_again(home: Path) -> None:
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "PG_VERSION").write_text("half\n")
    server = EmbeddedPostgres(home, durable=False)

    server.start()

    assert server.is_ready()
    server.stop()


def test_a_read_only_home_is_refused_for_root_too(home: Path) -> None:
    home.chmod(0o555)

    with pytest.raises(StartError, match="OPSKNIGHT_HOME"):
        embedded.ensure_writable(home)


def test_a_home_below_a_file_is_refused(home: Path) -> None:
    (home / "file").touch()

    with pytest.raises(StartError, match="OPSKNIGHT_HOME"):
        embedded.ensure_writable(home / "file" / "data")


def test_servers_end_when_their_starter_is_killed(home: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT, str(home)], stdout=subprocess.PIPE
    ) as starter:
        try:
            assert starter.stdout is not None
            assert starter.stdout.readline() == b"ready\n"
        finally:
            starter.kill()  # otherwise a failure waits for it, for ever

    wait_until(
        lambda: (
            not processes_in(home / "postgres", "postgres")
            and not processes_in(home / "redis", "redis-server")
        ),
        10,
        "the servers end with their starter",
    )


def test_postgres_starts_after_its_server_was_killed(home: Path) -> None:
    server = EmbeddedPostgres(home, durable=False)
    server.start()
    for process in processes_in(server.folder, "postgres"):
        process.kill()
    server.stop()
    assert (server.folder / "postmaster.pid").exists()

    server.start()

    assert server.is_ready()
    server.stop()
