"""Channels come from the person, never from the request."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from opsknight.models import User
from realtime.access import ChannelManager, Viewer, outdated_viewers, viewer_of
from tests.factories import TeamFactory, UserFactory

pytestmark = pytest.mark.django_db


def request_of(user: User | None, query: str = "") -> HttpRequest:
    """A request as the middleware would hand it on."""
    request = RequestFactory().get(f"/api/realtime/stream{query}")
    request.session = import_module(settings.SESSION_ENGINE).SessionStore()
    request.user = AnonymousUser()
    if user is not None:
        login(request, user)
        request.session.save()
    return request


def signed_in(user: User) -> Viewer:
    """The viewer of a signed-in user."""
    viewer = viewer_of(request_of(user))
    assert viewer is not None
    return viewer


@pytest.mark.parametrize(
    ("role", "hears_responders"),
    [(User.Role.ADMIN, True), (User.Role.RESPONDER, True), (User.Role.USER, False)],
)
def test_only_responders_and_administrators_hear_responders(
    role: User.Role, hears_responders: bool
) -> None:
    viewer = signed_in(UserFactory(role=role))

    assert ("responders" in viewer.channels) is hears_responders


def test_a_member_hears_the_own_teams_and_the_own_notices() -> None:
    carol, other = UserFactory(), UserFactory()
    team = TeamFactory(members=[carol])
    TeamFactory(members=[other])

    viewer = signed_in(carol)

    assert viewer.channels == {"everybody", f"user-{carol.pk}", f"team-{team.pk}"}


def test_nobody_hears_nothing() -> None:
    assert viewer_of(request_of(None)) is None
    assert ChannelManager().get_channels_for_request(request_of(None), {}) == set()
    assert not ChannelManager().can_read_channel(None, "everybody")


def test_the_library_is_denied_what_is_not_the_persons_own() -> None:
    eve, team = UserFactory(), TeamFactory()
    request = request_of(eve, f"?channel=team-{team.pk}")

    channels = ChannelManager().get_channels_for_request(request, {"channel": f"team-{team.pk}"})

    assert channels == {"everybody", f"user-{eve.pk}"}
    assert ChannelManager().can_read_channel(eve, f"user-{eve.pk}")
    assert not ChannelManager().can_read_channel(eve, f"team-{team.pk}")
    assert not ChannelManager().can_read_channel(eve, "responders")
    assert not ChannelManager().can_read_channel(eve, "anything")


def test_nobody_is_outdated_while_nothing_changes(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    people = UserFactory.create_batch(10)
    TeamFactory(members=people[:5])
    TeamFactory(members=people[:2])
    viewers = [signed_in(user) for user in people]

    with django_assert_num_queries(2):  # users with their teams; sessions
        outdated = outdated_viewers(viewers, now=timezone.now())

    assert outdated == set()


def test_the_one_with_a_new_password_is_outdated() -> None:
    bob, carol = UserFactory(), UserFactory()
    viewers = [signed_in(bob), signed_in(carol)]
    bob.set_password("another one, much longer")
    bob.save(update_fields=["password"])

    assert outdated_viewers(viewers, now=timezone.now()) == {viewers[0]}


def test_the_one_who_joined_a_team_is_outdated() -> None:
    bob = UserFactory()
    viewer = signed_in(bob)
    TeamFactory(members=[bob])

    assert outdated_viewers([viewer], now=timezone.now()) == {viewer}


def test_the_one_whose_session_expired_is_outdated() -> None:
    viewer = signed_in(UserFactory())
    later = timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE + 1)

    assert Session.objects.exists()
    assert outdated_viewers([viewer], now=later) == {viewer}


def test_the_one_who_was_deleted_is_outdated() -> None:
    bob = UserFactory()
    viewer = signed_in(bob)
    bob.delete()

    assert outdated_viewers([viewer], now=timezone.now()) == {viewer}
