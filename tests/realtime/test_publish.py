"""What goes over the bus."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from escalations.services.history import record_versions
from escalations.services.overrides import OverrideInput, add_override
from realtime.publish import BUS, incidents_changed, notices_changed, read_change
from tests.factories import ScheduleFactory, UserFactory


class Bus:
    """Reads what is published."""

    def __init__(self, pubsub: redis.client.PubSub) -> None:
        self._pubsub = pubsub

    def next(self, within: float = 2) -> tuple[str, list[int]] | None:
        """The next change, or None when none came."""
        message = self._pubsub.get_message(timeout=within)
        return read_change(message["data"]) if message else None


@pytest.fixture
def bus() -> Iterator[Bus]:
    with redis.Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as pubsub:
        pubsub.subscribe(BUS)
        pubsub.get_message(timeout=2)
        yield Bus(pubsub)


@pytest.mark.django_db(transaction=True)
def test_change_is_published_on_commit_once_per_incident(bus: Bus) -> None:
    with transaction.atomic():
        incidents_changed([3, 1, 3])
        assert bus.next(within=0.05) is None

    assert bus.next() == ("incident", [1, 3])
    assert bus.next(within=0.05) is None


@pytest.mark.django_db(transaction=True)
def test_change_that_is_rolled_back_is_not_published(bus: Bus) -> None:
    with transaction.atomic():
        notices_changed([1])
        transaction.set_rollback(True)

    assert bus.next(within=0.05) is None


@pytest.mark.django_db(transaction=True)
def test_override_is_published_because_somebody_else_is_on_call(bus: Bus) -> None:
    bob, now = UserFactory(name="Bob"), timezone.now()
    schedule = ScheduleFactory()
    record_versions([schedule.pk], now=now)
    assert bus.next() == ("oncall", [schedule.pk])

    add_override(
        schedule=schedule,
        wanted=OverrideInput(
            kind="add", starts_at=now, ends_at=now + timedelta(hours=1), user_id=bob.pk
        ),
        actor=bob,
        now=now,
    )

    assert bus.next() == ("oncall", [schedule.pk])


@pytest.mark.django_db(transaction=True)
def test_schedule_that_stays_as_it_was_is_not_published(bus: Bus) -> None:
    schedule = ScheduleFactory()
    record_versions([schedule.pk], now=timezone.now())
    bus.next()

    record_versions([schedule.pk], now=timezone.now())

    assert bus.next(within=0.05) is None


@pytest.mark.django_db(transaction=True)
def test_no_change_is_not_published(bus: Bus) -> None:
    incidents_changed([])

    assert bus.next(within=0.05) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"7",
        b"{}",
        b'{"topic": "incident"}',
        b'{"topic": 1, "ids": [1]}',
        b'{"topic": "incident", "ids": "1"}',
        b'{"topic": "incident", "ids": ["1"]}',
        b'{"topic": "incident", "ids": [true]}',
    ],
)
def test_message_of_somebody_else_is_recognised(raw: bytes) -> None:
    assert read_change(raw) is None


def test_message_of_ours_is_read() -> None:
    assert read_change(json.dumps({"topic": "incident", "ids": [1, 2]}).encode()) == (
        "incident",
        [1, 2],
    )
