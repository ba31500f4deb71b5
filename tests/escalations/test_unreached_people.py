"""When somebody who is to be paged leaves meanwhile, the others do not wait for the delay."""

from datetime import timedelta

import pytest
from django.utils import timezone

from escalations.services import engine
from incidents.models import Incident, Service
from notifications.models import Notification
from notifications.services.delivery import deliver_due
from notifications.services.settling import cancel_settled_pages
from opsknight.models import User
from opsknight.services.people import delete_user, disable_user
from tests.escalations.walk import escalating, paged, policy_of, timer
from tests.factories import ServiceFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def incident(service: Service, bob: User, carol: User) -> Incident:
    """Bob has been paged and nothing has been sent yet; carol is next in half an hour."""
    incident = escalating(service, timezone.now(), policy_of((0, [bob]), (30, [carol])))
    engine.run_due_steps()
    return incident


@pytest.fixture
def service() -> Service:
    return ServiceFactory()


def leave_unnoticed(user: User) -> None:
    """By a door that tells nobody, such as a directory that was imported."""
    User.objects.filter(pk=user.pk).update(status=User.Status.DISABLED)


def test_when_a_person_is_disabled_the_next_step_follows_at_once(
    incident: Incident, alice: User, bob: User
):
    disable_user(actor=alice, user=bob, is_confirmed=True)

    engine.run_due_steps()

    assert paged(incident)[-1] == "Carol"


def test_when_a_person_is_deleted_the_next_step_follows_at_once(
    incident: Incident, alice: User, bob: User
):
    delete_user(actor=alice, user=bob, is_confirmed=True)

    engine.run_due_steps()

    assert paged(incident)[-1] == "Carol"


@pytest.mark.parametrize("way", ["claim", "sweep"])
def test_whoever_finds_the_account_disabled_goes_on(incident: Incident, bob: User, way: str):
    leave_unnoticed(bob)

    if way == "claim":
        deliver_due(channel="email")
    else:
        cancel_settled_pages()
    engine.run_due_steps()

    assert paged(incident)[-1] == "Carol"


def test_nothing_is_hurried_while_somebody_else_of_the_step_may_answer(
    service: Service, alice: User, bob: User, carol: User
):
    dan = UserFactory(name="Dan")
    incident = escalating(service, timezone.now(), policy_of((0, [bob, dan]), (30, [carol])))
    engine.run_due_steps()

    disable_user(actor=alice, user=bob, is_confirmed=True)
    engine.run_due_steps()

    assert "Carol" not in paged(incident)
    assert timer(incident) > timezone.now() + timedelta(minutes=29)


def test_who_was_told_before_leaving_hurries_nobody(incident: Incident, alice: User, bob: User):
    Notification.objects.filter(channel="email").update(
        state=Notification.State.SENT, finished_at=timezone.now()
    )

    disable_user(actor=alice, user=bob, is_confirmed=True)

    assert timer(incident) > timezone.now() + timedelta(minutes=29)
