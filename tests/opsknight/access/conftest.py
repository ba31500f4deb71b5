"""The cast, and limits that start anew with each test."""

import pytest
from django.core.cache import cache
from pytest_django import Settings

from opsknight.models import User
from tests.factories import UserFactory

PASSWORD = "Correct-Horse-7"


@pytest.fixture(autouse=True)
def _fresh_limits(settings: Settings) -> None:
    """Requests counted in Redis by one test must not limit the next; hashing is quick."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()


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
    """A user, usually member of a team."""
    return UserFactory(name="Carol")


@pytest.fixture
def eve(db: None) -> User:
    """A user in no team."""
    return UserFactory(name="Eve")


def with_password(user: User, password: str = PASSWORD) -> User:
    """Give a person a password."""
    user.set_password(password)
    user.save(update_fields=["password"])
    return user
