"""Say that something changed; every open page that may see it follows within a second."""

import json
import logging
from collections.abc import Iterable

import redis
from django.conf import settings
from django.db import transaction

from opsknight.prompt_redis import prompt_redis

logger = logging.getLogger(__name__)

# Where web processes listen. Prefixed: Redis pub/sub ignores database numbers.
BUS = settings.REDIS_PREFIX + "live"


def incidents_changed(incident_ids: Iterable[int]) -> None:
    """After commit: these incidents look different now."""
    ids = sorted(set(incident_ids))
    if ids:
        publish("incident", ids)


def notices_changed(user_ids: Iterable[int]) -> None:
    """After commit: these people have new notices in the app, or read some."""
    ids = sorted(set(user_ids))
    if ids:
        publish("notification", ids)


def on_call_changed(schedule_ids: Iterable[int]) -> None:
    """After commit: who is on call in these schedules, now or later, may be others."""
    ids = sorted(set(schedule_ids))
    if ids:
        publish("oncall", ids)


def publish(topic: str, ids: list[int]) -> None:
    """Send on commit, or now without a transaction. Lost when Redis is down: pages poll then.

    `topic` is one that an app has registered (`realtime.topics`).
    """
    transaction.on_commit(lambda: publish_now(topic, ids), robust=True)


def publish_now(topic: str, ids: list[int]) -> None:
    """Send without waiting for a commit; needs no database connection."""
    try:
        prompt_redis().publish(BUS, json.dumps({"topic": topic, "ids": ids}))
    except redis.RedisError as error:
        logger.warning("Live change of %s not published (%s).", topic, error)


def read_change(raw: bytes) -> tuple[str, list[int]] | None:
    """What `publish` wrote: topic and ids; None when this is something else."""
    try:
        match json.loads(raw):
            case {"topic": str(topic), "ids": [*ids]} if all(type(id_) is int for id_ in ids):
                return topic, ids
    except ValueError:
        return None
    return None
