"""Destinations that are told who is on call."""

from __future__ import annotations

from typing import Any, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from escalations.models import OnCallAnnouncement
from escalations.selectors import get_schedule_to_change_for
from escalations.selectors.announcements import (
    get_announcement_for,
    visible_announcements,
)
from escalations.services import announcements
from escalations.services.announcements import AnnouncementValues
from notifications.selectors import get_destination_for
from opsknight.api.fields import ModelSerializer
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey


class AnnouncementSerializer(ModelSerializer):
    """A destination hears who is on call: on every change, or at a time of day."""

    weekdays = serializers.IntegerField(
        min_value=0,
        max_value=127,
        default=127,
        help_text="Days of a time, added up: Monday 1, Tuesday 2, Wednesday 4 … Sunday 64.",
    )
    time = serializers.TimeField(
        allow_null=True, default=None, help_text="In the schedule's zone; only with `times`."
    )

    class Meta:
        model = OnCallAnnouncement
        fields = ("id", "schedule", "destination", "when", "weekdays", "time", "created_at")
        read_only_fields = ("created_at",)


@extend_schema_view(
    list=extend_schema(summary="List on-call announcements"),
    retrieve=extend_schema(summary="Get an on-call announcement"),
)
class AnnouncementViewSet(ApiViewSet):
    """Who is told of on call. Everybody sees them, responders change them."""

    read_scope = ApiKey.Scope.SCHEDULES_READ
    write_scope = ApiKey.Scope.SCHEDULES_WRITE
    queryset = OnCallAnnouncement.objects.none()
    serializer_class = AnnouncementSerializer
    pagination_class = OldestFirst

    def list(self, request: Request) -> Response:
        """Every announcement."""
        return self.page_of(visible_announcements(self.actor))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One announcement."""
        return self.answer(get_announcement_for(self.actor, int(pk)))

    @extend_schema(summary="Create an on-call announcement")
    def create(self, request: Request) -> Response:
        """Tell a destination from now on; one that hears of changes is told once at the start."""
        values = self.parsed()
        schedule = get_schedule_to_change_for(self.actor, values.pop("schedule").pk)
        row = announcements.create_announcement(
            schedule=schedule,
            values=self._checked(values),
            actor=self.actor,
            now=timezone.now(),
            ip=self.ip,
        )
        return self.answer(row, 201)

    @extend_schema(summary="Change an on-call announcement")
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is given; the schedule stays."""
        row = self._to_change(int(pk))
        values = self.parsed(partial=True)
        values.pop("schedule", None)
        announcements.update_announcement(
            announcement=row,
            values=self._checked(values),
            actor=self.actor,
            now=timezone.now(),
            ip=self.ip,
        )
        return self.answer(row)

    @extend_schema(summary="Delete an on-call announcement")
    def destroy(self, request: Request, pk: str) -> Response:
        """Tell the destination no more."""
        row = self._to_change(int(pk))
        announcements.delete_announcement(announcement=row, actor=self.actor, ip=self.ip)
        return Response(status=204)

    def _to_change(self, pk: int) -> OnCallAnnouncement:
        row = get_announcement_for(self.actor, pk)
        get_schedule_to_change_for(self.actor, row.schedule_id)
        return row

    def _checked(self, values: dict[str, Any]) -> AnnouncementValues:
        """The values; raises NotFound for a destination that is out of sight."""
        if "destination" in values:
            values["destination"] = get_destination_for(self.actor, values["destination"].pk)
        return cast(AnnouncementValues, values)
