"""Which queues have a worker, and whether the sweeps come: each worker says so every few seconds.

In Redis, where workers get their tasks from: one that cannot say it gets none either.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from redis.exceptions import RedisError

from opsknight.prompt_redis import prompt_redis

logger = logging.getLogger(__name__)

TELL_SECONDS = 5.0
# Who has not said it for this long is gone.
FORGOTTEN_SECONDS = 20
# Sweeps come every two seconds.
SWEEPS_LATE = timedelta(seconds=30)


@dataclass(frozen=True)
class Presence:
    """Who is at work."""

    unserved: list[str]  # queues without a worker
    swept_at: datetime | None  # None: not within the last day

    def sweeps_are_late(self, now: datetime) -> bool:
        """Nobody sends the sweeps, or nobody takes them."""
        return self.swept_at is None or now - self.swept_at > SWEEPS_LATE


def tell_presence(queues: Iterable[str]) -> None:
    """Say that somebody serves these queues now."""
    _tell({f"worker:{queue}": FORGOTTEN_SECONDS for queue in queues})


def tell_swept() -> None:
    """Say that a sweep has come."""
    _tell({"swept": 24 * 3600})


def presence(queues: Iterable[str]) -> Presence | None:
    """Who is at work; None: Redis is away. One question to it."""
    names = list(queues)
    try:
        swept, *told = prompt_redis().mget([_key("swept"), *(_key(f"worker:{n}") for n in names)])
    except RedisError as error:
        logger.warning("Who is at work is unknown: %s", error)
        return None
    return Presence(
        unserved=[name for name, at in zip(names, told, strict=True) if at is None],
        swept_at=datetime.fromtimestamp(float(swept), UTC) if swept is not None else None,
    )


def _tell(kept: dict[str, int]) -> None:
    try:
        with prompt_redis().pipeline(transaction=False) as pipe:
            for name, seconds in kept.items():
                pipe.set(_key(name), datetime.now(UTC).timestamp(), ex=seconds)
            pipe.execute()
    except RedisError as error:
        logger.debug("Nobody hears that this worker is at work: %s", error)


def _key(name: str) -> str:
    return f"{settings.REDIS_PREFIX}{name}"
