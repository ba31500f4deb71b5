"""Users and teams."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from opsknight.api.fields import ModelSerializer, Part, Text
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet, ConfirmSerializer
from opsknight.models import ApiKey, Team, TeamMember, User, UserToken
from opsknight.permissions import require_admin, require_responder, visible_users
from opsknight.selectors import get_team_for, get_user_for, teams_with_members
from opsknight.services import accounts, people, provisioning, rosters
from opsknight.services.teams import require_editor
from opsknight.web.links import address_of

MAX_MEMBERS = 1000


class UserSerializer(ModelSerializer):
    """A person."""

    class Meta:
        model = User
        fields = ("id", "email", "name", "role", "status", "time_zone", "created_at")


class NewUserSerializer(UserSerializer):
    """A person to be. With a password the account is active at once, otherwise invited."""

    password = Text(write_only=True, required=False, max_length=128, trim_whitespace=False)
    invitation_url = serializers.URLField(read_only=True, allow_null=True)

    class Meta:
        model = User
        fields = (*UserSerializer.Meta.fields, "password", "invitation_url")
        read_only_fields = ("status",)


@extend_schema_view(
    list=extend_schema(summary="List users"),
    retrieve=extend_schema(summary="Get a user"),
)
class UserViewSet(ApiViewSet):
    """People. Everybody sees everybody; administrators make and change accounts."""

    read_scope = ApiKey.Scope.USERS_READ
    write_scope = ApiKey.Scope.USERS_WRITE
    queryset = User.objects.none()
    serializer_class = UserSerializer
    pagination_class = OldestFirst

    def list(self, request: Request) -> Response:
        """Everybody, in the order in which they joined."""
        return self.page_of(visible_users(self.actor))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One person."""
        return self.answer(get_user_for(self.actor, int(pk)))

    @extend_schema(
        summary="Create a user", request=NewUserSerializer, responses={201: NewUserSerializer}
    )
    def create(self, request: Request) -> Response:
        """Make an account. `invitation_url` is answered once: hand it to the person."""
        require_admin(self.actor)
        values = self.parsed(NewUserSerializer)
        if "password" in values:
            user, url = provisioning.create_user(actor=self.actor, ip=self.ip, **values), None
        else:
            user, token = accounts.invite_user(actor=self.actor, ip=self.ip, **values)
            url = address_of(UserToken.Purpose.INVITE, token)
        body = {**UserSerializer(user).data, "invitation_url": url}
        return Response(body, status=201)

    @extend_schema(summary="Change a user", parameters=[ConfirmSerializer])
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change name, e-mail, role, status or time zone. A disabled user is signed out at once.

        To disable somebody without whom nobody would be on call answers 409 with the times, unless
        `confirm` is true.
        """
        user = get_user_for(self.actor, int(pk))
        require_admin(self.actor)
        values = self.parsed(partial=True)
        people.update_user(
            actor=self.actor,
            user=user,
            values=values,
            ip=self.ip,
            is_confirmed=self.is_confirmed,
        )
        return self.answer(get_user_for(self.actor, user.pk))


class MemberSerializer(Part):
    """One person's place in a team."""

    user = serializers.IntegerField(source="user_id", min_value=1)
    name = serializers.CharField(source="user.name", read_only=True)
    role = serializers.ChoiceField(choices=TeamMember.Role.choices, default=TeamMember.Role.MEMBER)
    receives_pages = serializers.BooleanField(default=True)


class TeamSerializer(ModelSerializer):
    """People who own services together. `members`, where given, replaces the whole list."""

    members = MemberSerializer(  # type: ignore[call-arg]  # many=True passes it to the list
        source="memberships", many=True, required=False, max_length=MAX_MEMBERS
    )

    class Meta:
        model = Team
        fields = ("id", "name", "description", "lead", "members", "created_at")


@extend_schema_view(
    list=extend_schema(summary="List teams"),
    retrieve=extend_schema(summary="Get a team"),
)
class TeamViewSet(ApiViewSet):
    """Teams. Everybody sees them; responders and the owners of a team change it."""

    read_scope = ApiKey.Scope.USERS_READ
    write_scope = ApiKey.Scope.USERS_WRITE
    queryset = Team.objects.none()
    serializer_class = TeamSerializer
    pagination_class = OldestFirst

    def list(self, request: Request) -> Response:
        """Every team with its members."""
        return self.page_of(teams_with_members(self.actor))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One team with its members."""
        return self._answer(int(pk))

    @extend_schema(summary="Create a team")
    def create(self, request: Request) -> Response:
        """Make a team; whoever makes it owns it, unless `members` names another owner."""
        require_responder(self.actor)
        values = self.parsed()
        team = rosters.create_team(
            actor=self.actor, members=_members_in(values), values=values, ip=self.ip
        )
        return self._answer(team.pk, status=201)

    @extend_schema(summary="Change a team")
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change the team; `members`, where given, replaces the whole list."""
        team = get_team_for(self.actor, int(pk))
        require_editor(self.actor, team)
        values = self.parsed(partial=True)
        rosters.update_team(
            actor=self.actor, team=team, members=_members_in(values), values=values, ip=self.ip
        )
        return self._answer(team.pk)

    def _answer(self, pk: int, status: int = 200) -> Response:
        get_team_for(self.actor, pk)
        return self.answer(teams_with_members(self.actor).get(pk=pk), status)


def _members_in(values: dict[str, Any]) -> list[rosters.MemberInput] | None:
    """Take the members out of the values; None where none were given."""
    members = values.pop("memberships", None)
    return None if members is None else [rosters.MemberInput(**member) for member in members]
