"""Messages of which their provider has reported nothing are asked about."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins import resend
from bench.stand_ins.server import Reply
from incidents.models import Incident
from notifications.models import Notification
from notifications.services.asking import ask_stuck
from opsknight.models import User
from tests.factories import NotificationFactory

pytestmark = pytest.mark.django_db
State = Notification.State


@pytest.fixture
def service(settings: Settings) -> Iterator[resend.Resend]:
    """Resend, which knows of one mail, m1."""
    stand_in = resend.Resend()
    stand_in.mails["m1"] = {}
    with stand_in.running():
        values = {"api_key": resend.API_KEY, "api_url": stand_in.url}
        settings.PROVIDERS_FROM_ENV = {"resend": values}
        yield stand_in


def sent_page(incident: Incident, user: User, minutes: float, **values: object) -> Notification:
    """A page that was sent so many minutes ago."""
    given = {"provider": "env:resend", "provider_message_id": "m1", "state": State.SENT}
    finished_at = timezone.now() - timedelta(minutes=minutes)
    return NotificationFactory(
        incident=incident, user=user, finished_at=finished_at, **(given | values)
    )


def state_of(page: Notification) -> str:
    page.refresh_from_db()
    return page.state


@pytest.mark.parametrize(
    ("event", "expected"),
    [("delivered", State.DELIVERED), ("bounced", State.FAILED), ("sent", State.SENT)],
)
def test_a_page_that_nothing_was_heard_of_is_asked_about(
    service: resend.Resend, incident: Incident, bob: User, event: str, expected: State
):
    page = sent_page(incident, bob, minutes=11)
    service.last_events["m1"] = event

    ask_stuck(now=timezone.now())

    assert state_of(page) == expected
    assert page.asked_at is not None


@pytest.mark.parametrize(
    ("minutes", "values"),
    [
        (9, {}),  # a report may still come
        (24 * 60 + 1, {}),  # nobody cares any more
        (11, {"provider_message_id": ""}),
        (11, {"provider": "env:smtp"}),  # cannot be asked
        (11, {"provider": "99"}),  # an account that was removed
        (11, {"state": State.FAILED}),
        (11, {"state": State.DELIVERED}),
    ],
)
def test_nobody_is_asked_in_vain(
    service: resend.Resend,
    incident: Incident,
    bob: User,
    minutes: float,
    values: dict[str, object],
):
    sent_page(incident, bob, minutes=minutes, **values)

    ask_stuck(now=timezone.now())

    assert service.requests == []


def test_the_same_page_is_asked_about_once_an_hour(
    service: resend.Resend, incident: Incident, bob: User
):
    sent_page(incident, bob, minutes=11)

    for minutes in (0, 1, 59, 61):
        ask_stuck(now=timezone.now() + timedelta(minutes=minutes))

    assert len(service.requests) == 2


def test_a_provider_that_does_not_answer_is_left_alone_for_some_minutes(
    service: resend.Resend, incident: Incident, bob: User
):
    pages = [
        sent_page(incident, bob, minutes=11, cause=f"step:0:0:{n}", provider_message_id=f"m{n}")
        for n in range(3)
    ]
    service.mails |= {f"m{n}": {} for n in range(3)}
    service.faults.append(Reply(503))

    ask_stuck(now=timezone.now())

    assert len(service.requests) == 1
    assert {state_of(page) for page in pages} == {State.SENT}
    for minutes in (1, 6):
        ask_stuck(now=timezone.now() + timedelta(minutes=minutes))
    assert len(service.requests) == 4


def test_a_message_of_several_pages_is_asked_about_once(
    service: resend.Resend, incident: Incident, bob: User
):
    pages = [sent_page(incident, bob, minutes=11, cause=f"step:0:0:{n}") for n in range(3)]
    service.last_events["m1"] = "delivered"

    ask_stuck(now=timezone.now())

    assert len(service.requests) == 1
    assert {state_of(page) for page in pages} == {State.DELIVERED}


def test_without_accounts_that_can_be_asked_nothing_is_looked_up(
    settings: Settings, incident: Incident, bob: User
):
    settings.PROVIDERS_FROM_ENV = {}
    page = sent_page(incident, bob, minutes=11)

    assert ask_stuck(now=timezone.now()) == 0

    assert state_of(page) == State.SENT
    assert page.asked_at is None
