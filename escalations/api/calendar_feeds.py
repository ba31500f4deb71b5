"""Secret calendar addresses."""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from escalations.models import CalendarFeed
from escalations.selectors.feeds import addresses_of, get_feed_for, visible_feeds
from escalations.services import feeds
from opsknight.api.fields import ModelSerializer
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey


class FeedSerializer(ModelSerializer):
    """A calendar of a schedule, or, without a schedule, of the owner's own shifts."""

    address = serializers.SerializerMethodField(
        help_text="What calendar programs read. Empty for everybody but the owner."
    )

    class Meta:
        model = CalendarFeed
        fields = (
            "id",
            "name",
            "schedule",
            "owner",
            "is_enabled",
            "address",
            "created_at",
            "last_used_at",
        )
        read_only_fields = ("owner", "is_enabled", "created_at", "last_used_at")

    def get_address(self, feed: CalendarFeed) -> str:
        """The secret address, looked up for all feeds of the answer at once."""
        return str(self.context.get("addresses", {}).get(feed.pk, ""))


class FeedChangeSerializer(ModelSerializer):
    """What can be changed on a feed."""

    class Meta:
        model = CalendarFeed
        fields = ("name", "is_enabled")


@extend_schema_view(
    list=extend_schema(summary="List calendar feeds"),
    retrieve=extend_schema(summary="Get a calendar feed"),
)
class FeedViewSet(ApiViewSet):
    """Calendar feeds: one's own; administrators see, switch off and delete those of others."""

    read_scope = ApiKey.Scope.SCHEDULES_READ
    write_scope = ApiKey.Scope.SCHEDULES_WRITE
    queryset = CalendarFeed.objects.none()
    serializer_class = FeedSerializer
    pagination_class = OldestFirst

    def get_serializer_context(self) -> dict[str, Any]:
        """With the addresses of the feeds of whoever asks; one query."""
        context = super().get_serializer_context()
        if getattr(self, "swagger_fake_view", False) or self.request.method == "DELETE":
            return context
        return {**context, "addresses": addresses_of(self.actor)}

    def list(self, request: Request) -> Response:
        """Every feed that one may see."""
        return self.page_of(visible_feeds(self.actor))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One feed."""
        return self.answer(get_feed_for(self.actor, int(pk)))

    @extend_schema(summary="Create a calendar feed")
    def create(self, request: Request) -> Response:
        """Make a secret address; 403 while administrators have disabled feeds."""
        values = self.parsed()
        feed = feeds.create_feed(
            owner=self.actor,
            name=values["name"],
            schedule=values.get("schedule"),
            actor=self.actor,
            ip=self.ip,
        )
        return self.answer(feed, 201)

    @extend_schema(
        summary="Rename or switch a calendar feed",
        request=FeedChangeSerializer,
        responses=FeedSerializer,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is given."""
        feed = get_feed_for(self.actor, int(pk))
        values = cast(feeds.FeedValues, self.parsed(FeedChangeSerializer, partial=True))
        feeds.update_feed(feed=feed, values=values, actor=self.actor, ip=self.ip)
        return self.answer(feed)

    @extend_schema(
        summary="Replace the address of a calendar feed", request=None, responses=FeedSerializer
    )
    @action(detail=True, methods=["post"], url_path="rotate")
    def rotate(self, request: Request, pk: str) -> Response:
        """Make a new address; the old one is unknown at once. For the owner only."""
        feed = get_feed_for(self.actor, int(pk))
        return self.answer(feeds.rotate_feed(feed=feed, actor=self.actor, ip=self.ip))

    @extend_schema(summary="Delete a calendar feed")
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete it; its address is unknown at once."""
        feeds.delete_feed(feed=get_feed_for(self.actor, int(pk)), actor=self.actor, ip=self.ip)
        return Response(status=204)
