"""Destinations: channels of teams and outgoing webhooks."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from notifications.models import Destination, Notification
from notifications.selectors import (
    get_destination_for,
    get_destination_to_change_for,
    may_change_destination,
    may_create_destinations,
    teams_run_by,
    visible_destinations,
)
from notifications.services import destinations
from notifications.services.destinations import DestinationValues
from notifications.services.slack_rooms import slack_rooms
from opsknight.api.fields import ModelSerializer
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.errors import NotAllowed
from opsknight.models import ApiKey


class DestinationSerializer(ModelSerializer):
    """An address that steps of policies page and that belongs to nobody.

    `address`: in full for those who may change the destination; others see of a webhook only where
    it leads. `broken_reason`: why the system switched it off.
    """

    class Meta:
        model = Destination
        fields = (
            "id",
            "name",
            "team",
            "channel",
            "address",
            "enabled",
            "broken_reason",
            "created_at",
        )
        read_only_fields = ("broken_reason",)

    def to_representation(self, destination: Destination) -> dict[str, Any]:
        """Without tokens for those who only read."""
        shown = super().to_representation(destination)
        if not self._may_change(destination):
            shown["address"] = destination.masked_address
        return shown

    def _may_change(self, destination: Destination) -> bool:
        run = self.context.get("team_ids")
        if run is None:
            return may_change_destination(self.context["request"].user, destination)
        return self.context["request"].user.is_admin or destination.team_id in run


class NewDestinationSerializer(DestinationSerializer):
    """A destination that was just made. `secret`: signs a webhook's bodies; shown only now."""

    class Meta(DestinationSerializer.Meta):
        fields = (*DestinationSerializer.Meta.fields, "secret")  # type: ignore[assignment]
        read_only_fields = ("broken_reason", "secret")  # type: ignore[assignment]


class TestSerializer(ModelSerializer):
    """A test message on its way."""

    class Meta:
        model = Notification
        fields = ("id", "destination", "state", "created_at")
        read_only_fields: ClassVar[Any] = fields


class SlackRoomSerializer(serializers.Serializer[Any]):
    """A channel in Slack. `id`: what the address of a destination is."""

    id = serializers.CharField()
    name = serializers.CharField()
    is_private = serializers.BooleanField()


@extend_schema_view(
    list=extend_schema(summary="List destinations"),
    retrieve=extend_schema(summary="Get a destination"),
)
class DestinationViewSet(ApiViewSet):
    """Destinations. Responders see all, others those of their teams.

    Administrators change all, who leads a team those of that team.
    """

    read_scope = ApiKey.Scope.SCHEDULES_READ
    write_scope = ApiKey.Scope.SCHEDULES_WRITE
    queryset = Destination.objects.none()
    serializer_class = DestinationSerializer
    pagination_class = OldestFirst

    def get_serializer_context(self) -> dict[str, Any]:
        """With the teams whose destinations are shown in full: one query, however many."""
        context = super().get_serializer_context()
        user = self.request.user
        if user.is_authenticated:
            context["team_ids"] = set(teams_run_by(self.actor).values_list("pk", flat=True))
        return context

    def list(self, request: Request) -> Response:
        """Every destination that this person may see."""
        return self.page_of(visible_destinations(self.actor))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One destination."""
        return self.answer(get_destination_for(self.actor, int(pk)))

    @extend_schema(
        summary="Create a destination",
        request=DestinationSerializer,
        responses={201: NewDestinationSerializer},
    )
    def create(self, request: Request) -> Response:
        """Make a destination. The answer alone holds the secret that signs a webhook's bodies."""
        if not may_create_destinations(self.actor):
            raise NotAllowed("Only administrators and who leads a team may make destinations.")
        values = cast(DestinationValues, self.parsed())
        place = destinations.create_destination(values=values, actor=self.actor, ip=self.ip)
        shown = NewDestinationSerializer(place, context=self.get_serializer_context())
        return Response(shown.data, status=201)

    @extend_schema(summary="Replace a destination")
    def update(self, request: Request, pk: str) -> Response:
        """Replace all that can be set; the channel stays."""
        return self._save(int(pk), partial=False)

    @extend_schema(summary="Change a destination")
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is given. A new address, or `enabled`, takes a broken one into use again."""
        return self._save(int(pk), partial=True)

    @extend_schema(summary="Delete a destination")
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete it; 409 while a step of a policy names it."""
        place = get_destination_to_change_for(self.actor, int(pk))
        destinations.delete_destination(destination=place, actor=self.actor, ip=self.ip)
        return Response(status=204)

    @extend_schema(
        summary="Send a test to a destination", request=None, responses={202: TestSerializer}
    )
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Queue a test message, which goes the way of pages; 409 while it is switched off."""
        place = get_destination_to_change_for(self.actor, int(pk))
        row = destinations.send_test(
            destination=place, actor=self.actor, now=timezone.now(), ip=self.ip
        )
        return Response(TestSerializer(row).data, status=202)

    @extend_schema(
        summary="List channels in Slack", responses={200: SlackRoomSerializer(many=True)}
    )
    @action(detail=False, methods=["get"], url_path="slack-channels", pagination_class=None)
    def slack_channels(self, request: Request) -> Response:
        """Exactly the channels that the bot is in; 409 where there is none, or Slack is away."""
        if not may_create_destinations(self.actor):
            raise NotAllowed("Only administrators and who leads a team may make destinations.")
        return Response(SlackRoomSerializer(slack_rooms(), many=True).data)

    def _save(self, pk: int, *, partial: bool) -> Response:
        place = get_destination_to_change_for(self.actor, pk)
        values = cast(DestinationValues, self.parsed(partial=partial))
        destinations.update_destination(
            destination=place, values=values, actor=self.actor, ip=self.ip
        )
        return self.answer(get_destination_for(self.actor, pk))
