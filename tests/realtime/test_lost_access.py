"""Streams of people who may not listen any more end by themselves."""

import pytest
from django.contrib.sessions.models import Session
from django.db.models import F

from opsknight.models import TeamMember, User
from tests.factories import TeamFactory, UserFactory
from tests.realtime.server import LiveServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bob() -> User:
    return UserFactory(name="Bob", role=User.Role.RESPONDER)


def test_stream_of_a_disabled_user_ends(live: LiveServer, bob: User) -> None:
    page = live.open_page(bob)

    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)

    assert page.wait_until_closed()


def test_stream_ends_with_the_session(live: LiveServer, bob: User) -> None:
    page = live.open_page(bob)

    Session.objects.all().delete()

    assert page.wait_until_closed()


def test_stream_ends_when_its_user_signs_out_everywhere(live: LiveServer, bob: User) -> None:
    page = live.open_page(bob)

    User.objects.filter(pk=bob.pk).update(session_epoch=F("session_epoch") + 1)

    assert page.wait_until_closed()


def test_stream_ends_with_the_role_it_was_opened_for(live: LiveServer, bob: User) -> None:
    page = live.open_page(bob)

    User.objects.filter(pk=bob.pk).update(role=User.Role.USER)

    assert page.wait_until_closed()


def test_stream_ends_with_the_membership_of_a_team(live: LiveServer, bob: User) -> None:
    team = TeamFactory(members=[bob])
    page = live.open_page(bob)

    TeamMember.objects.filter(team=team, user=bob).delete()

    assert page.wait_until_closed()


def test_streams_of_others_stay_open(live: LiveServer, bob: User) -> None:
    carol = UserFactory(name="Carol")
    TeamFactory(members=[carol])
    page, other = live.open_page(bob), live.open_page(carol)

    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)
    page.wait_until_closed()
    live.publish("mark", 1)

    assert other.wait_for("mark") == [{"id": 1}]
