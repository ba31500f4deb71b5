"""The people of the page tests, each with a signed-in browser, and what they look at.

Checkout belongs to Payments, of which carol is a member. The wiki belongs to no team: everybody
sees its incidents. eve is in no team.
"""

import pytest
from django.test import Client

from incidents.models import Incident, Service
from opsknight.models import Team, User
from tests.factories import IncidentFactory, ServiceFactory, TeamFactory, UserFactory


@pytest.fixture
def alice(db: None) -> User:
    """The administrator, in no team."""
    return UserFactory(name="Alice Novak", role=User.Role.ADMIN)


@pytest.fixture
def bob(db: None) -> User:
    """A responder, in no team."""
    return UserFactory(name="Bob Ray", role=User.Role.RESPONDER)


@pytest.fixture
def carol(db: None) -> User:
    """A plain user, member of Payments."""
    return UserFactory(name="Carol Diaz")


@pytest.fixture
def eve(db: None) -> User:
    """A plain user in no team."""
    return UserFactory(name="Eve Adams")


@pytest.fixture
def payments(carol: User) -> Team:
    return TeamFactory(name="Payments", members=[carol])


@pytest.fixture
def checkout(payments: Team) -> Service:
    return ServiceFactory(name="Checkout", team=payments)


@pytest.fixture
def wiki(db: None) -> Service:
    return ServiceFactory(name="Wiki")


@pytest.fixture
def outage(checkout: Service) -> Incident:
    """An incident of Checkout: seen by responders and Payments."""
    return IncidentFactory(service=checkout, title="Checkout is down")


@pytest.fixture
def secret(checkout: Service) -> Incident:
    """A private incident of Checkout: seen by Payments alone."""
    return IncidentFactory(service=checkout, title="Card data leaked", visibility="private")


@pytest.fixture
def typo(wiki: Service) -> Incident:
    """An incident that everybody sees."""
    return IncidentFactory(service=wiki, title="Wiki has a typo")


def browser(user: User, *, enforces_csrf: bool = False) -> Client:
    """A browser in which the person is signed in."""
    client = Client(enforce_csrf_checks=enforces_csrf)
    client.force_login(user)
    return client


HTMX = {"HX-Request": "true"}
__all__ = [
    "HTMX",
    "alice",
    "bob",
    "browser",
    "carol",
    "checkout",
    "eve",
    "outage",
    "payments",
    "secret",
    "typo",
    "wiki",
]
