"""The pace at which a telephone is told of further pages. Pure, but for what is kept in Redis."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from redis.exceptions import RedisError

from notifications.bundling import BundleKey
from opsknight.prompt_redis import prompt_redis

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rate:
    """At most `count` messages in `seconds`.

    `is_smooth`: those beyond the count of the rate before it are spread evenly.
    """

    count: int
    seconds: float
    is_smooth: bool = False


def earliest_at(sent_at: Iterable[float], rates: Sequence[Rate], *, now: float) -> float:
    """When the next message may go, given when earlier ones went.

    Never starves: no rate looks back further than it reaches.
    """
    ordered, at = sorted(sent_at), now
    before: Rate | None = None
    for rate in rates:
        recent = [sent for sent in ordered if sent > at - rate.seconds]
        if len(recent) >= rate.count:
            at = max(at, recent[-rate.count] + rate.seconds)
        if rate.is_smooth and before is not None and len(recent) > before.count:
            pause = (rate.seconds - before.seconds) / (rate.count - before.count)
            at = max(at, recent[-1] + pause)
        before = rate
    return at


def paced_until(key: BundleKey, *, now: float) -> float | None:
    """Until when the telephone is left in peace about the service; None: not at all."""
    rates = _rates()
    if not rates:
        return None
    try:
        kept = prompt_redis().lrange(_name(key), 0, -1)
    except RedisError as error:
        logger.warning("No pace is kept while Redis is away: %s", error)
        return None
    until = earliest_at([float(at) for at in kept], rates, now=now)
    return until if until > now else None


def keep_sent(key: BundleKey, *, now: float) -> None:
    """Remember that the telephone is told now."""
    rates = _rates()
    if not rates:
        return
    try:
        with prompt_redis().pipeline() as pipeline:
            pipeline.lpush(_name(key), str(now))
            pipeline.ltrim(_name(key), 0, max(rate.count for rate in rates))
            pipeline.expire(_name(key), int(max(rate.seconds for rate in rates)) + 1)
            pipeline.execute()
    except RedisError as error:
        logger.warning("No pace is kept while Redis is away: %s", error)


def _rates() -> list[Rate]:
    """All but the first are smooth."""
    return [
        Rate(count, minutes * 60, is_smooth=place > 0)
        for place, (count, minutes) in enumerate(settings.PHONE_PACE)
    ]


def _name(key: BundleKey) -> str:
    return f"{settings.REDIS_PREFIX}pace:{key}"
