"""GET /api/health: liveness and readiness."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from config.health import examine
from escalations.models import EnginePass
from opsknight import __version__

READINESS = "/api/health?mode=readiness"


def ask(path: str, method: str = "GET", **options: Any) -> httpx.Response:
    """A request to the whole ASGI application, as Daphne passes it on."""
    from config.asgi import application  # not before a fixture has made the static folder

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=application)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **options)

    return async_to_sync(send)()


@pytest.fixture
def passed(transactional_db: None) -> EnginePass:
    """The engine has just passed."""
    return EnginePass.objects.create(at=timezone.now())


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def failing(response: httpx.Response) -> dict[str, str]:
    """The reasons by component; the status says that there are some."""
    assert response.status_code == 503
    assert response.json()["status"] == "unavailable"
    checks = response.json()["checks"]
    return {name: check["reason"] for name, check in checks.items() if not check["ok"]}


@pytest.fixture
def point_at(passed: EnginePass, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Change where the database is said to be; connections that are open stay so."""

    def change(**options: str) -> None:
        for name, value in options.items():
            monkeypatch.setitem(settings.DATABASES["default"], name, value)

    return change


# No `db` in these: pytest-django fails whatever touches the database.


@pytest.mark.parametrize("path", ["/api/health", "/api/health/", "/api/health?mode=liveness"])
def test_liveness_answers_without_database(path: str) -> None:
    response = ask(path)

    assert (response.status_code, response.json()) == (
        200,
        {"status": "ok", "version": __version__},
    )


def test_liveness_answers_a_signed_in_browser_without_database() -> None:
    response = ask("/api/health", headers={"Cookie": "sessionid=abc"})

    assert response.status_code == 200


def test_liveness_answers_by_way_of_django_too(client: Client) -> None:
    assert client.get("/api/health").json()["status"] == "ok"


def test_head_has_no_body() -> None:
    response = ask("/api/health", "HEAD")

    assert (response.status_code, response.content) == (200, b"")


def test_other_methods_are_405() -> None:
    response = ask("/api/health", "POST")

    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert response.json()["error"]["code"] == "method_not_allowed"


def test_ready_when_everything_answers(passed: EnginePass) -> None:
    response = ask(READINESS)

    body = response.json()
    assert (response.status_code, body["status"]) == (200, "ready")
    assert {name: check["ok"] for name, check in body["checks"].items()} == {
        "database": True,
        "redis": True,
        "engine": True,
        "spool": True,
    }
    assert 0 <= body["checks"]["engine"]["age_seconds"] < 10


@pytest.mark.usefixtures("transactional_db")
def test_not_ready_when_the_engine_never_passed() -> None:
    assert "never ran" in failing(ask(READINESS))["engine"]


def test_not_ready_when_the_last_pass_is_old(passed: EnginePass) -> None:
    EnginePass.objects.update(at=timezone.now() - timedelta(seconds=61))

    assert "queue escalations" in failing(ask(READINESS))["engine"]


def test_not_ready_when_the_database_refuses(point_at: Callable[..., None]) -> None:
    point_at(HOST="/nowhere")

    reasons = failing(ask(READINESS))

    assert set(reasons) == {"database", "engine"}
    assert "No connection" in reasons["database"]


def test_silent_database_is_reported_within_three_seconds(
    point_at: Callable[..., None], silent_port: int
) -> None:
    point_at(HOST="127.0.0.1", PORT=str(silent_port))
    started = time.monotonic()

    reasons = failing(ask(READINESS))

    assert "database" in reasons
    assert time.monotonic() - started < 3


class FrozenPostgres:
    """Lets everybody in and then answers no query, as a server whose disk hangs."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._clients: list[socket.socket] = []
        self.port = str(self._server.getsockname()[1])
        threading.Thread(target=self._welcome, daemon=True).start()

    def end(self) -> None:
        """Hang up on everybody."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for client in self._clients:
            client.close()

    def _welcome(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._clients.append(client)
                if len(client.recv(1024)) == 8:  # asks for encryption first
                    client.sendall(b"N")
                    client.recv(1024)
                client.sendall(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")


def test_frozen_database_is_reported_within_three_seconds(point_at: Callable[..., None]) -> None:
    frozen = FrozenPostgres()
    point_at(HOST="127.0.0.1", PORT=frozen.port)

    with asyncio.Runner() as runner:
        started = time.monotonic()
        status, body = runner.run(examine("GET", "readiness"))
        took = time.monotonic() - started
        frozen.end()

    assert (status, body["checks"]["database"]["reason"]) == (503, "No answer within 2 s.")
    assert took < 3


def test_locked_engine_row_is_reported_within_three_seconds(passed: EnginePass) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE escalations_enginepass IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        reasons = failing(ask(READINESS))

    assert "No answer" in reasons["database"]
    assert time.monotonic() - started < 3


def test_not_ready_when_redis_refuses(passed: EnginePass, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", "unix:///nowhere/redis.sock?db=0")

    assert set(failing(ask(READINESS))) == {"redis"}


def test_silent_redis_is_reported_within_three_seconds(
    passed: EnginePass, monkeypatch: pytest.MonkeyPatch, silent_port: int
) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", f"redis://127.0.0.1:{silent_port}/0")
    started = time.monotonic()

    reasons = failing(ask(READINESS))

    assert set(reasons) == {"redis"}
    assert time.monotonic() - started < 3


def test_reasons_tell_strangers_no_addresses(point_at: Callable[..., None]) -> None:
    point_at(HOST="/nowhere", PASSWORD="hunter2", USER="ops")

    text = ask(READINESS).text

    assert "nowhere" not in text
    assert "hunter2" not in text


def test_a_crowd_that_asks_at_once_takes_one_connection(
    passed: EnginePass, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    connect = psycopg.AsyncConnection.connect

    async def counted(**options: Any) -> Any:
        opened.append(options)
        return await connect(**options)

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", counted)

    async def crowd() -> list[tuple[int, dict[str, Any]]]:
        return await asyncio.gather(*(examine("GET", "readiness") for _ in range(50)))

    answers = async_to_sync(crowd)()

    assert {status for status, _ in answers} == {200}
    assert len(opened) == 1
