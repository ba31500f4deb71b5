"""The database stops, hangs and comes back; what was answered 202 is in it, once."""

import http.client
import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

import psutil
import psycopg
import pytest

from bench.stack import DoorStack
from tests.flows.conftest import is_drained
from tests.processes import wait_until

AWAY_SECONDS = 12.0  # longer than anything in the product waits for a connection
SENDERS = 8
PAUSE_SECONDS = 0.02  # of each between two events, so that the rest of the machine goes on
MAKE_KEY = """
from incidents.models import Integration, Service
service = Service.objects.create(name="Checkout", storm_threshold=0)
print(Integration.objects.create(service=service, name="Load", kind="events", rate_limit=0).key)
"""


@pytest.fixture(scope="module")
def key(door: DoorStack) -> str:
    """The key of an integration without limits."""
    return door.manage("shell", "-v0", "-c", MAKE_KEY)


class Senders:
    """Several senders that post one new event after another until they are stopped."""

    def __init__(self, stack: DoorStack, key: str, name: str) -> None:
        self._stack, self._key, self._name = stack, key, name
        self._numbers = count()
        self._stop = threading.Event()
        self.answers: list[tuple[int, str, str]] = []  # status, dedup key, action

    def __enter__(self) -> "Senders":
        self._pool = ThreadPoolExecutor(SENDERS)
        self._jobs = [self._pool.submit(self._send) for _ in range(SENDERS)]
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for job in self._jobs:
            job.result()
        self._pool.shutdown()

    def _send(self) -> None:
        while not self._stop.is_set():
            number = f"{self._name}-{next(self._numbers)}"
            status, body = send(self._stack, self._key, number)
            self.answers.append((status, number, body["result"]["action"] if status < 300 else ""))
            self._stop.wait(PAUSE_SECONDS)

    def count(self, action: str) -> int:
        """How many were answered so."""
        return sum(1 for answer in list(self.answers) if answer[2] == action)


def send(stack: DoorStack, key: str, dedup_key: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Post one trigger; its status and body."""
    event = {
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "payload": {"summary": f"{dedup_key} is broken", "source": "test", "severity": "critical"},
    }
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)
    try:
        headers = {"Authorization": f"Token token={key}"}
        connection.request("POST", "/api/events", json.dumps(event), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def stored(stack: DoorStack, name: str) -> Counter[str]:
    """How often each dedup key of that name is in the database, as alert and as delivery."""
    with psycopg.connect(stack.postgres.url) as connection:
        rows = connection.execute(
            "SELECT dedup_key, count(*), count(DISTINCT delivery_id) FROM incidents_alert a"
            " JOIN incidents_delivery d ON d.id = a.delivery_id"
            " WHERE dedup_key LIKE %s GROUP BY 1",
            [f"{name}-%"],
        ).fetchall()
    assert all(alerts == deliveries for _, alerts, deliveries in rows)
    return Counter({key: alerts for key, alerts, _ in rows})


def freeze(stack: DoorStack, signum: signal.Signals) -> None:
    """Stop or continue every process of PostgreSQL."""
    pidfile = stack.postgres.folder / "postmaster.pid"
    postmaster = psutil.Process(int(pidfile.read_text().splitlines()[0]))
    for process in (postmaster, *postmaster.children(recursive=True)):
        process.send_signal(signum)


def test_every_202_is_in_the_database_once_after_it_was_stopped_under_load(
    door: DoorStack, key: str
):
    with Senders(door, key, "stopped") as senders:
        wait_until(lambda: senders.count("triggered") > 100, 30, "the load runs")
        door.postgres.stop()
        threading.Event().wait(AWAY_SECONDS)  # the outage itself, not a wait for something
        wait_until(lambda: senders.count("queued") > 500, 60, "much was kept on disk")
        door.postgres.start()
        wait_until(lambda: is_drained(door.home), 60, "the spool is empty")
        before = senders.count("triggered")
        wait_until(lambda: senders.count("triggered") > before, 30, "events are stored directly")
    wait_until(lambda: is_drained(door.home), 30, "the spool is empty")

    assert {status for status, _, _ in senders.answers} == {202}
    assert stored(door, "stopped") == Counter(key for _, key, _ in senders.answers)


def test_a_frozen_database_makes_nobody_wait_and_doubles_nothing(door: DoorStack, key: str):
    with Senders(door, key, "frozen") as senders:
        wait_until(lambda: senders.count("triggered") > 50, 30, "the load runs")
        freeze(door, signal.SIGSTOP)
        try:
            wait_until(lambda: senders.count("queued") > 50, 15, "events are kept on disk")
        finally:
            freeze(door, signal.SIGCONT)
        wait_until(lambda: is_drained(door.home), 60, "the spool is empty")
    wait_until(lambda: is_drained(door.home), 30, "the spool is empty")

    assert {status for status, _, _ in senders.answers} == {202}
    assert stored(door, "frozen") == Counter(key for _, key, _ in senders.answers)


def test_web_processes_killed_and_started_during_the_outage_lose_nothing(door: DoorStack, key: str):
    assert send(door, key, "killed-before")[0] == 202
    wait_until(lambda: (door.home / "spool" / "keys").exists(), 15, "the key is remembered")
    door.postgres.stop()
    try:
        assert send(door, key, "killed-1")[1]["result"]["action"] == "queued"
        door.stop_webs(signal.SIGKILL)
        door.start_webs()
        known, unknown = send(door, key, "killed-2"), send(door, "f" * 32, "killed-3")
    finally:
        door.postgres.start()

    wait_until(lambda: is_drained(door.home), 60, "the spool is empty")
    assert known[0] == 202
    assert unknown[0] == 503  # nobody can say whether it is a key
    assert stored(door, "killed") == Counter(["killed-before", "killed-1", "killed-2"])


def test_a_full_disk_is_a_503_with_retry_after_and_keeps_what_was_answered(
    door: DoorStack, key: str
):
    with without_room(door) as small:
        assert send(small, key, "full-1")[0] == 202
        small.postgres.stop()
        try:
            status, body = send(small, key, "full-2")
        finally:
            small.postgres.start()

        assert status == 503
        assert body["error"]["code"] == "unavailable"
        assert stored(small, "full") == Counter(["full-1"])


@contextmanager
def without_room(door: DoorStack) -> Iterator[DoorStack]:
    """The same door, whose web processes may keep nothing on disk."""
    small = replace(door, env=door.env | {"OPSKNIGHT_SPOOL_MAX_MB": "0"})
    door.stop_webs()
    small.start_webs()
    try:
        yield small
    finally:
        small.stop_webs()
        door.start_webs()
