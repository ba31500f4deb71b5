"""Circuit breakers: whoever failed several times in a row is left alone for a while.

One for each account at a provider and for each host of webhooks, kept in Redis, so that all workers
share them (pybreaker). A send never runs inside the breaker's own lock: it asks before, and reports
after. While Redis is away every breaker is closed.
"""

import contextlib
import json
import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

import pybreaker
from django.conf import settings
from redis.exceptions import RedisError

from opsknight.prompt_redis import prompt_redis

logger = logging.getLogger(__name__)

# One message tries whether the other side is back; nobody else does meanwhile.
PROBE_SECONDS = 20
LOOK_AGAIN_SECONDS = 2.0
# How long a breaker that closed is still listed.
LISTED_SECONDS = 24 * 3600

# A breaker that was closed and without failures is believed to be so for this long; it is asked
# before and after every call otherwise.
CLEAN_SECONDS = 1.0

_lock = threading.Lock()
_clean_until: dict[str, float] = {}  # by the name in Redis
_breakers: dict[tuple[str, int, int], pybreaker.CircuitBreaker] = {}
MAX_KEPT = 1000


@dataclass(frozen=True)
class Guard:
    """Whom a breaker is about."""

    key: str  # Provider.key, or "host:<host>" of webhooks
    name: str  # as people know it
    channel: str  # on which it failed


@dataclass(frozen=True)
class BreakerState:
    """One breaker that has counted a failure lately."""

    guard: Guard
    state: str  # closed, open, half-open
    failures: int  # in a row
    opened_at: datetime | None
    last_error: str


class _Failed(Exception):
    """Tells pybreaker that a call failed."""


def free_at(guard: Guard, *, now: float) -> float | None:
    """None: send. Otherwise nobody should before that time, in seconds of the epoch.

    When a breaker has been open for long enough, the first who asks is told to send.
    """
    if not settings.BREAKER_FAILURES:
        return None
    if _is_clean(guard):
        return None
    try:
        until = _open_until(guard)
        if until is None or now < until:
            return until
        if prompt_redis().set(_name(f"probe:{guard.key}"), "1", nx=True, ex=PROBE_SECONDS):
            return None
        return now + LOOK_AGAIN_SECONDS
    except RedisError as error:
        logger.warning("Breakers are not asked while Redis is away: %s", error)
        return None


def give_back(guard: Guard) -> None:
    """Let somebody else try: who was told to send does not, for another reason."""
    if not settings.BREAKER_FAILURES or _is_clean(guard):
        return
    try:
        prompt_redis().delete(_name(f"probe:{guard.key}"))
    except RedisError as error:
        logger.warning("Breakers are not told while Redis is away: %s", error)


def shut_until(guard: Guard, *, now: float) -> float | None:
    """The same, asked by somebody who will not send: whose turn it is to try stays open."""
    if not settings.BREAKER_FAILURES or _is_clean(guard):
        return None
    try:
        until = _open_until(guard)
        if until is None or now < until:
            return until
        is_tried = prompt_redis().exists(_name(f"probe:{guard.key}"))
        return now + LOOK_AGAIN_SECONDS if is_tried else None
    except RedisError as error:
        logger.warning("Breakers are not asked while Redis is away: %s", error)
        return None


def _open_until(guard: Guard) -> float | None:
    """When an open breaker lets somebody try; None: it is closed. Raises RedisError."""
    breaker = _breaker_of(guard)
    if breaker.current_state == pybreaker.STATE_CLOSED:
        if breaker.fail_counter == 0:
            _clean_until[_name(guard.key)] = time.monotonic() + CLEAN_SECONDS
        return None
    opened_at: datetime | None = breaker._state_storage.opened_at
    since = opened_at.timestamp() if opened_at else 0.0
    return since + float(settings.BREAKER_SECONDS)


def report(guard: Guard, *, error: str = "") -> None:
    """Count a call: it worked, unless `error` says why not (shown to administrators)."""
    if not settings.BREAKER_FAILURES:
        return
    if not error and _is_clean(guard):
        return
    try:
        breaker = _breaker_of(guard)
        if error:
            _clean_until.pop(_name(guard.key), None)
            _remember(guard, error)
        with contextlib.suppress(_Failed, pybreaker.CircuitBreakerError):
            breaker.call(_fail if error else _work)
        if breaker.current_state == pybreaker.STATE_CLOSED or error:
            prompt_redis().delete(_name(f"probe:{guard.key}"))
    except RedisError as away:
        logger.warning("Breakers are not told while Redis is away: %s", away)


def close(guard: Guard) -> None:
    """Forget its failures: there is reason to believe that it works."""
    try:
        breaker = _breaker_of(guard)
        breaker.close()
        breaker._state_storage.reset_counter()
        prompt_redis().delete(_name(f"probe:{guard.key}"))
    except RedisError as error:
        logger.warning("Breakers are not told while Redis is away: %s", error)


def breaker_states() -> list[BreakerState] | None:
    """Those that failed in the last day, open ones first; None: Redis is away."""
    try:
        known = prompt_redis().hgetall(_name("known"))
        states = [state for text in known.values() if (state := _state_of(text)) is not None]
    except RedisError as error:
        logger.warning("Breakers cannot be read: %s", error)
        return None
    return sorted(states, key=lambda s: (s.state == pybreaker.STATE_CLOSED, s.guard.name))


def breaker_state(key: str) -> BreakerState | None:
    """That of one guard, if it failed in the last day; None also while Redis is away."""
    try:
        text = prompt_redis().hget(_name("known"), key)
        return _state_of(text) if text is not None else None
    except RedisError as error:
        logger.warning("A breaker cannot be read: %s", error)
        return None


def _state_of(text: bytes | str) -> BreakerState | None:
    found = json.loads(text)
    guard = Guard(found["key"], found["name"], found["channel"])
    storage = _breaker_of(guard)._state_storage
    state, opened_at = storage.state, storage.opened_at
    if state == pybreaker.STATE_CLOSED:
        if time.time() - found["at"] > LISTED_SECONDS:
            prompt_redis().hdel(_name("known"), guard.key)
            return None
        opened_at = None
    elif opened_at and time.time() >= opened_at.timestamp() + settings.BREAKER_SECONDS:
        state = pybreaker.STATE_HALF_OPEN
    return BreakerState(guard, state, storage.counter, opened_at, found["error"])


def _remember(guard: Guard, error: str) -> None:
    found = {
        "key": guard.key,
        "name": guard.name,
        "channel": guard.channel,
        "error": error,
        "at": datetime.now(UTC).timestamp(),
    }
    prompt_redis().hset(_name("known"), guard.key, json.dumps(found))


def _breaker_of(guard: Guard) -> pybreaker.CircuitBreaker:
    """Raises RedisError."""
    wanted = (guard.key, settings.BREAKER_FAILURES, settings.BREAKER_SECONDS)
    with _lock:
        found = _breakers.get(wanted)
        if found is None:
            if len(_breakers) >= MAX_KEPT:
                _breakers.clear()
                _clean_until.clear()
            storage = pybreaker.CircuitRedisStorage(
                pybreaker.STATE_CLOSED, prompt_redis(), namespace=_name(guard.key)
            )
            found = _breakers[wanted] = pybreaker.CircuitBreaker(
                fail_max=settings.BREAKER_FAILURES,
                reset_timeout=settings.BREAKER_SECONDS,
                state_storage=storage,
                throw_new_error_on_trip=False,
            )
        return found


def _is_clean(guard: Guard) -> bool:
    return time.monotonic() < _clean_until.get(_name(guard.key), 0.0)


def _name(text: str) -> str:
    return f"{settings.REDIS_PREFIX}breaker:{text}"


def _work() -> None:
    """A call that worked."""


def _fail() -> NoReturn:
    raise _Failed
