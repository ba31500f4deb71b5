"""The cast, and providers that listen on this machine."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from bench.stand_ins.slack import Member, SlackStandIn
from bench.stand_ins.twilio import Twilio
from incidents.models import Incident
from notifications.holds import forget_holds
from notifications.models import Destination
from notifications.providers import PROVIDERS
from notifications.providers.http import close_connections
from notifications.providers.smtp import SmtpProvider
from notifications.services.accounts import forget_accounts
from opsknight.models import User
from tests.factories import (
    DestinationFactory,
    IncidentFactory,
    ServiceFactory,
    TeamFactory,
    UserFactory,
)
from tests.notifications.providers import Endpoint, Mailbox, running_endpoint, running_mailbox
from tests.notifications.slack import ROOM, running_slack
from tests.notifications.slack import account_of as slack_account_of
from tests.notifications.telephones import PUBLIC_URL, account_of, running_twilio


@pytest.fixture(autouse=True)
def fresh_accounts() -> Iterator[None]:
    """Accounts at providers are remembered for seconds, connections to them and patience kept."""
    forget_accounts()
    yield
    close_connections()
    forget_holds()


@pytest.fixture
def alice(db: None) -> User:
    return UserFactory(name="Alice", role=User.Role.ADMIN)


@pytest.fixture
def bob(db: None) -> User:
    return UserFactory(name="Bob", role=User.Role.RESPONDER)


@pytest.fixture
def carol(db: None) -> User:
    return UserFactory(name="Carol")


@pytest.fixture
def eve(db: None) -> User:
    return UserFactory(name="Eve")


@pytest.fixture
def incident(carol: User) -> Incident:
    """A triggered incident of a service whose team carol is in."""
    service = ServiceFactory(name="Checkout", team=TeamFactory(members=[carol]))
    return IncidentFactory(service=service, title="Error rate above 5 %")


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[Mailbox]:
    """A mail server, and EMAIL_URL set to it."""
    with running_mailbox() as mailbox:
        settings.EMAIL_URL = mailbox.url
        yield mailbox
        provider = PROVIDERS["smtp"]
        assert isinstance(provider, SmtpProvider)
        provider.connections.close_all()


@pytest.fixture
def endpoint(settings: Settings) -> Iterator[Endpoint]:
    """A receiver of webhooks; private addresses are allowed."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    with running_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def twilio(settings: Settings) -> Iterator[Twilio]:
    """Twilio, and an account there in the environment; it calls us at the public address."""
    settings.PUBLIC_URL = PUBLIC_URL
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "ops.example.com"]
    with running_twilio() as twilio:
        settings.PROVIDERS_FROM_ENV = settings.PROVIDERS_FROM_ENV | {"twilio": account_of(twilio)}
        yield twilio
        close_connections()


@pytest.fixture
def slack(settings: Settings) -> Iterator[SlackStandIn]:
    """A Slack workspace, and the account of its bot in the environment."""
    with running_slack() as slack:
        settings.PROVIDERS_FROM_ENV = {"slack": slack_account_of(slack)}
        yield slack


@pytest.fixture
def room(slack: SlackStandIn) -> Destination:
    """A channel that can be paged."""
    return DestinationFactory(name="#checkout", channel="slack", address=ROOM)


@pytest.fixture
def bob_in_slack(slack: SlackStandIn) -> Member:
    """Bob's address, confirmed by Slack."""
    return slack.add_member("U0BOB0001", "bob", "bob@example.com")
