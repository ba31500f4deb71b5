"""Who may listen to what: derived from the signed-in person alone, never from the request."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.http import HttpRequest
from django_eventstream.channelmanager import ChannelManagerBase

from opsknight.models import User
from opsknight.permissions import team_ids_of

EVERYBODY = "everybody"
RESPONDERS = "responders"


def team_channel(team_id: int) -> str:
    """Heard by the members of one team."""
    return f"team-{team_id}"


def user_channel(user_id: int) -> str:
    """Heard by one person."""
    return f"user-{user_id}"


@dataclass(frozen=True)
class Viewer:
    """Whom a stream was opened for. A stream whose viewer would be another one now must end."""

    user_id: int
    session_key: str
    session_hash: str  # changes with the password and by "sign out everywhere"
    channels: frozenset[str]


def channels_of(user: User, team_ids: Iterable[int]) -> frozenset[str]:
    """The channels of an active user in these teams; none for everybody else."""
    if not user.is_active:
        return frozenset()
    channels = {EVERYBODY, user_channel(user.pk), *(team_channel(pk) for pk in team_ids)}
    if user.is_responder:
        channels.add(RESPONDERS)
    return frozenset(channels)


def viewer_of(request: HttpRequest) -> Viewer | None:
    """The viewer of a request, or None when nobody is signed in; one query beyond the user's."""
    user = request.user
    session_key = request.session.session_key
    if not isinstance(user, User) or not user.is_active or session_key is None:
        return None
    return Viewer(
        user_id=user.pk,
        session_key=session_key,
        session_hash=user.get_session_auth_hash(),
        channels=channels_of(user, team_ids_of(user)),
    )


def outdated_viewers(viewers: Collection[Viewer], *, now: datetime) -> set[Viewer]:
    """Those who signed out, were disabled, or changed role or team; two queries for all."""
    users = {user.pk: user for user in _users_with_teams({v.user_id for v in viewers})}
    sessions = set(
        Session.objects.filter(
            session_key__in={v.session_key for v in viewers}, expire_date__gt=now
        ).values_list("session_key", flat=True)
    )
    return {v for v in viewers if v.session_key not in sessions or not _is_current(v, users)}


def _users_with_teams(user_ids: set[int]) -> Iterable[Any]:
    teams = ArrayAgg("memberships__team_id", filter=Q(memberships__isnull=False), default=[])
    return User.objects.filter(pk__in=user_ids).annotate(team_ids=teams)


def _is_current(viewer: Viewer, users: dict[int, Any]) -> bool:
    user = users.get(viewer.user_id)
    if user is None or user.get_session_auth_hash() != viewer.session_hash:
        return False
    return channels_of(user, user.team_ids) == viewer.channels


class ChannelManager(ChannelManagerBase):  # type: ignore[misc]  # the library has no types
    """django-eventstream's questions, denied unless the person's own channels match."""

    def get_channels_for_request(
        self, request: HttpRequest, view_kwargs: dict[str, Any]
    ) -> set[str]:
        """The channels of the signed-in person, whatever the address asks for."""
        viewer = viewer_of(request)
        return set(viewer.channels) if viewer else set()

    def can_read_channel(self, user: User | None, channel: str) -> bool:
        """Whether it is one of the person's own."""
        return isinstance(user, User) and channel in channels_of(user, team_ids_of(user))

    def is_channel_reliable(self, channel: str) -> bool:
        """Nothing is stored: a page that missed something fetches itself again."""
        return False
