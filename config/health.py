"""Liveness and readiness, for load balancers and for people at 3 a.m.

Liveness asks nobody. `mode=intake` says whether deliveries are taken, into the database or onto
disk: what a load balancer should ask about the door, which works while PostgreSQL is away.
Readiness asks with connections of its own and short limits: the pool of the pages would wait half a
minute for a database that is gone.
"""

import asyncio
import json
import logging
import shutil
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypedDict
from urllib.parse import parse_qs

import psycopg
import redis.asyncio
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from redis.exceptions import RedisError

from escalations.models import EnginePass
from incidents.intake.spooling import shared_spool
from opsknight import __version__
from opsknight.errors import error_body

logger = logging.getLogger(__name__)

SECONDS = 2  # that each component has to answer
MAX_ENGINE_AGE_SECONDS = 60
INTAKE_ROOM_BYTES = 16 * 1024 * 1024  # less than this is as good as full
METHODS = ("GET", "HEAD")
# Of Django's database settings, as psycopg spells them.
CONNECTION = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host"}

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]


class Check(TypedDict, total=False):
    """How one component is."""

    ok: bool
    reason: str  # why not, and what to look at
    age_seconds: float  # of the engine's last pass
    waiting_bytes: int  # on disk, until the database is back


async def health(request: HttpRequest) -> JsonResponse:
    """The answer by way of Django, as in tests; in production `application` stands before it."""
    status, body = await examine(request.method or "", request.GET.get("mode", ""))
    return JsonResponse(body, status=status)


async def application(
    scope: Scope,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """The answer as plain ASGI: it needs no thread, so it comes when all threads are waiting."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    status, body = await examine(scope["method"], query.get("mode", [""])[-1])
    content = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *([(b"allow", b"GET, HEAD")] if status == 405 else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    is_head = scope["method"] == "HEAD"
    await send({"type": "http.response.body", "body": b"" if is_head else content})


async def examine(method: str, mode: str) -> tuple[int, dict[str, Any]]:
    """The status and body for a mode: "readiness", "intake", or anything else for liveness."""
    if method not in METHODS:
        return 405, error_body("method_not_allowed", "Ask with GET.")
    if mode not in ("readiness", "intake"):
        return 200, {"status": "ok", "version": __version__}
    checks = await _shared_checks()
    if mode == "intake":
        is_ready = checks["database"]["ok"] or checks["spool"]["ok"]
    else:
        is_ready = all(check["ok"] for check in checks.values())
    body = {
        "status": "ready" if is_ready else "unavailable",
        "version": __version__,
        "checks": checks,
    }
    return (200 if is_ready else 503), body


_checking: "asyncio.Task[dict[str, Check]] | None" = None


async def _shared_checks() -> dict[str, Check]:
    """The checks, made once for all who ask meanwhile.

    Everybody may ask, and each check opens connections: a crowd must not take the database's last.
    """
    global _checking  # one per process
    loop = asyncio.get_running_loop()
    if _checking is None or _checking.done() or _checking.get_loop() is not loop:
        _checking = loop.create_task(_checks())
    return await asyncio.shield(_checking)  # who asked first may leave before the others


async def _checks() -> dict[str, Check]:
    (database, engine), cache = await asyncio.gather(_database_and_engine(), _redis())
    return {"database": database, "redis": cache, "engine": engine, "spool": _spool()}


def _spool() -> Check:
    """Whether the disk could take deliveries, and how many bytes of them wait there."""
    try:
        waiting = shared_spool().size()
        room = min(settings.SPOOL_MAX_BYTES - waiting, shutil.disk_usage(settings.SPOOL).free)
    except OSError as error:
        logger.warning("Readiness: the spool cannot be used: %s", error)
        return Check(ok=False, reason="It cannot be written to: see the log of this process.")
    check = Check(ok=room > INTAKE_ROOM_BYTES, waiting_bytes=waiting)
    if not check["ok"]:
        check["reason"] = "There is no room left: is the disk full, or PostgreSQL away for long?"
    return check


async def _database_and_engine() -> tuple[Check, Check]:
    """One connection answers for both: the age of the last pass is a row."""
    asking = asyncio.create_task(_engine_age())
    # Not `asyncio.timeout`: to cancel a query of a frozen server psycopg asks that very server.
    await asyncio.wait({asking}, timeout=SECONDS)
    if not asking.done():
        asking.add_done_callback(_forget)
        asking.cancel()
        reason = f"No answer within {SECONDS} s."
    elif isinstance(error := asking.exception(), psycopg.OperationalError):
        logger.warning("Readiness: the database does not answer: %s", error)
        reason = "No connection: see the log of this process."
    elif isinstance(error, psycopg.Error):
        logger.warning("Readiness: the database refuses: %s", error)
        reason = "The database answers with an error: are its migrations applied?"
    else:
        return Check(ok=True), _engine_check(asking.result())
    return Check(ok=False, reason=reason), Check(ok=False, reason="Unknown without the database.")


def _forget(asking: "asyncio.Task[float | None]") -> None:
    """Take notice of how a late answer ended, so that asyncio does not complain of it."""
    if not asking.cancelled() and (error := asking.exception()) is not None:
        logger.warning("Readiness: the database answered late: %s", error)


async def _engine_age() -> float | None:
    """Seconds since the engine's last pass, by the database's clock; None: it never passed."""
    options = settings.DATABASES["default"]
    given = {ours: options[key] for key, ours in CONNECTION.items() if options.get(key)}
    extra = {k: v for k, v in options.get("OPTIONS", {}).items() if k != "pool"}
    if options.get("PORT"):
        given["port"] = options["PORT"]
    connection = await psycopg.AsyncConnection.connect(
        **{**extra, **given, "connect_timeout": SECONDS, "autocommit": True}
    )
    try:
        found = await connection.execute(
            f"SELECT extract(epoch FROM clock_timestamp() - at) FROM {EnginePass._meta.db_table}"  # noqa: S608 — the name of a table of ours
        )
        row = await found.fetchone()
    finally:
        await connection.close()
    return float(row[0]) if row else None


def _engine_check(age: float | None) -> Check:
    if age is None:
        return Check(ok=False, reason="The engine never ran: are the workers and beat running?")
    check = Check(ok=age <= MAX_ENGINE_AGE_SECONDS, age_seconds=round(age, 1))
    if not check["ok"]:
        check["reason"] = (
            f"The engine passed {age:.0f} s ago: is the worker of the queue escalations running?"
        )
    return check


async def _redis() -> Check:
    client = redis.asyncio.Redis.from_url(
        settings.REDIS_URL, socket_timeout=SECONDS, socket_connect_timeout=SECONDS
    )
    try:
        async with asyncio.timeout(SECONDS):
            await client.ping()
    except TimeoutError:
        return Check(ok=False, reason=f"No answer within {SECONDS} s.")
    except (RedisError, OSError) as error:
        logger.warning("Readiness: Redis does not answer: %s", error)
        return Check(ok=False, reason="No connection: see the log of this process.")
    finally:
        await client.aclose()
    return Check(ok=True)
