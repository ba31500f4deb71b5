"""Who follows services and teams, for programs."""

from __future__ import annotations

from typing import cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from notifications.event_selectors import (
    get_subscription_for,
    get_subscription_to_change_for,
    visible_subscriptions,
)
from notifications.events import LABELS
from notifications.models import EventSubscription
from notifications.selectors import get_destination_to_change_for
from notifications.services import subscriptions
from notifications.services.subscriptions import SubscriptionValues
from opsknight.api.fields import ModelSerializer
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey


class SubscriptionSerializer(ModelSerializer):
    """A destination that hears of the events of a service, or of all services of a team.

    Either `service` or `team` is set. `template`: the body of a webhook, a template that makes
    JSON; empty: our own.
    """

    events = serializers.ListField(
        child=serializers.ChoiceField(choices=list(LABELS.items())),
        required=False,
        max_length=len(LABELS),
        help_text="Names of events; empty: all.",
    )

    class Meta:
        model = EventSubscription
        fields = (
            "id",
            "destination",
            "service",
            "team",
            "events",
            "template",
            "enabled",
            "created_at",
        )
        read_only_fields = ("created_at",)


@extend_schema_view(
    list=extend_schema(summary="List event subscriptions"),
    retrieve=extend_schema(summary="Get an event subscription"),
)
class SubscriptionViewSet(ApiViewSet):
    """Who follows what. Seen with its destination, and changed by who may change that."""

    read_scope = ApiKey.Scope.SCHEDULES_READ
    write_scope = ApiKey.Scope.SCHEDULES_WRITE
    queryset = EventSubscription.objects.none()
    serializer_class = SubscriptionSerializer
    pagination_class = OldestFirst

    def list(self, request: Request) -> Response:
        """Every subscription of a destination that this person may see."""
        return self.page_of(visible_subscriptions(self.actor))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One subscription."""
        return self.answer(get_subscription_for(self.actor, int(pk)))

    @extend_schema(summary="Create an event subscription")
    def create(self, request: Request) -> Response:
        """Let a destination hear of what happens from now on."""
        values = self.parsed()
        place = get_destination_to_change_for(self.actor, values["destination"].pk)
        row = subscriptions.create_subscription(
            values=cast(SubscriptionValues, values | {"destination": place}),
            actor=self.actor,
            now=timezone.now(),
            ip=self.ip,
        )
        return self.answer(row, 201)

    @extend_schema(summary="Change an event subscription")
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change the events, the template, or whether it is used; the rest stays."""
        row = get_subscription_to_change_for(self.actor, int(pk))
        values = self.parsed(partial=True)
        subscriptions.update_subscription(
            subscription=row,
            values=cast(SubscriptionValues, values),
            actor=self.actor,
            ip=self.ip,
        )
        return self.answer(row)

    @extend_schema(summary="Delete an event subscription")
    def destroy(self, request: Request, pk: str) -> Response:
        """Follow no longer; messages that wait still go out."""
        row = get_subscription_to_change_for(self.actor, int(pk))
        subscriptions.delete_subscription(subscription=row, actor=self.actor, ip=self.ip)
        return Response(status=204)
