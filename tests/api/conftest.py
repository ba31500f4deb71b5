"""The cast with their keys, and limits that start anew with each test."""

import pytest
from django.core.cache import cache

from incidents.models import Service
from opsknight.models import Team, User
from tests.api.asking import Asker
from tests.factories import ServiceFactory, TeamFactory, UserFactory


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """Requests counted in Redis by one test must not limit the next."""
    cache.clear()


@pytest.fixture
def alice(db: None) -> Asker:
    """The administrator."""
    return Asker(UserFactory(name="Alice", role=User.Role.ADMIN))


@pytest.fixture
def bob(db: None) -> Asker:
    """A responder."""
    return Asker(UserFactory(name="Bob", role=User.Role.RESPONDER))


@pytest.fixture
def carol(db: None) -> Asker:
    """A user, member of the service's team."""
    return Asker(UserFactory(name="Carol"))


@pytest.fixture
def eve(db: None) -> Asker:
    """A user in no team."""
    return Asker(UserFactory(name="Eve"))


@pytest.fixture
def team(carol: Asker) -> Team:
    """Owns the service."""
    return TeamFactory(name="Payments", members=[carol.user])


@pytest.fixture
def service(team: Team) -> Service:
    """Of the team, without a policy."""
    return ServiceFactory(name="Checkout", team=team)
