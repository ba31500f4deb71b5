"""The cast, and a service whose team is there to fall back on."""

from datetime import datetime

import pytest
from django.utils import timezone

from incidents.models import Service
from opsknight.models import Team, User
from tests.factories import ServiceFactory, TeamFactory, UserFactory


@pytest.fixture
def now() -> datetime:
    """The instant at which the first pass looks."""
    return timezone.now()


@pytest.fixture
def alice(db: None) -> User:
    """The administrator."""
    return UserFactory(name="Alice", role=User.Role.ADMIN)


@pytest.fixture
def bob(db: None) -> User:
    """A responder."""
    return UserFactory(name="Bob", role=User.Role.RESPONDER)


@pytest.fixture
def carol(db: None) -> User:
    """A user, member of the service's team."""
    return UserFactory(name="Carol")


@pytest.fixture
def eve(db: None) -> User:
    """A user in no team."""
    return UserFactory(name="Eve")


@pytest.fixture
def team(carol: User) -> Team:
    """Owns the service."""
    return TeamFactory(name="Payments", members=[carol])


@pytest.fixture
def service(team: Team) -> Service:
    """Without a policy; tests give it one."""
    return ServiceFactory(name="Checkout", team=team)
