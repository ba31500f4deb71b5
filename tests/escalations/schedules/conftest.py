"""Ann, Ben and Cid take a day each; Ben has his now, for another hour."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from escalations.models import Schedule, ScheduleLayer
from opsknight.models import User
from tests.factories import ScheduleFactory, ScheduleLayerFactory, UserFactory


@pytest.fixture
def now() -> datetime:
    """A whole minute, so that hours are whole as well."""
    return timezone.now().replace(second=0, microsecond=0)


@pytest.fixture
def ann(db: None) -> User:
    return UserFactory(name="Ann")


@pytest.fixture
def ben(db: None) -> User:
    return UserFactory(name="Ben")


@pytest.fixture
def cid(db: None) -> User:
    return UserFactory(name="Cid")


@pytest.fixture
def dan(db: None) -> User:
    """In no schedule."""
    return UserFactory(name="Dan")


@pytest.fixture
def schedule(db: None, now: datetime) -> Schedule:
    """Without layers."""
    return ScheduleFactory(name="Primary", created_at=now - timedelta(days=90))


@pytest.fixture
def layer(schedule: Schedule, ann: User, ben: User, cid: User, now: datetime) -> ScheduleLayer:
    """The days of the three."""
    return ScheduleLayerFactory(
        schedule=schedule,
        name="Days",
        position=1,
        members=[ann, ben, cid],
        rotation="daily",
        starts_at=now - timedelta(hours=47),
    )
