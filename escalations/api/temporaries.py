"""Temporary schedules of a schedule."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from escalations.models import TemporarySchedule
from escalations.selectors import (
    get_schedule_for,
    get_schedule_to_change_for,
    get_temporary_of,
    temporaries_of,
)
from escalations.services import temporaries
from escalations.services.temporaries import MAX_SHIFTS, ShiftInput
from opsknight.api.fields import Instant, Part, Text
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey


class TemporaryShiftSerializer(Part):
    """Somebody's time on call."""

    user = serializers.IntegerField(source="user_id", min_value=1)
    starts_at = Instant()
    ends_at = Instant()


class TemporarySerializer(serializers.Serializer[Any]):
    """In its span only its own shifts are on call; without shifts, nobody."""

    id = serializers.IntegerField(read_only=True)
    name = Text(max_length=200, default="", allow_blank=True)
    starts_at = Instant(help_text="In the past: from now on.")
    ends_at = Instant()
    shifts = TemporaryShiftSerializer(  # type: ignore[call-arg]  # many=True passes it on
        many=True, max_length=MAX_SHIFTS, help_text="Cut at the span."
    )
    created_at = Instant(read_only=True)


class SpanSerializer(serializers.Serializer[Any]):
    """A time ahead."""

    starts_at = Instant(help_text="In the past: from now on.")
    ends_at = Instant()


@extend_schema_view(
    list=extend_schema(summary="List temporary schedules"),
    retrieve=extend_schema(summary="Get a temporary schedule"),
)
class TemporaryViewSet(ApiViewSet):
    """Temporary schedules. Everybody sees them, responders change them."""

    read_scope = ApiKey.Scope.SCHEDULES_READ
    write_scope = ApiKey.Scope.SCHEDULES_WRITE
    queryset = TemporarySchedule.objects.none()
    serializer_class = TemporarySerializer
    pagination_class = OldestFirst

    def list(self, request: Request, schedule_pk: str) -> Response:
        """The temporary schedules of a schedule, also those that are over."""
        return self.page_of(temporaries_of(get_schedule_for(self.actor, int(schedule_pk))))

    def retrieve(self, request: Request, schedule_pk: str, pk: str) -> Response:
        """One temporary schedule with its shifts."""
        schedule = get_schedule_for(self.actor, int(schedule_pk))
        return self.answer(get_temporary_of(schedule, int(pk)))

    @extend_schema(summary="Set a temporary schedule")
    def create(self, request: Request, schedule_pk: str) -> Response:
        """Let only these shifts be on call in a span.

        What temporary schedules had there before is replaced; those that overlap or touch the span
        become one with it, which is the answer.
        """
        schedule = get_schedule_to_change_for(self.actor, int(schedule_pk))
        values = self.parsed()
        shifts = [ShiftInput(**shift) for shift in values.pop("shifts")]
        temporary = temporaries.set_temporary(
            schedule=schedule,
            shifts=shifts,
            actor=self.actor,
            now=timezone.now(),
            ip=self.ip,
            **values,
        )
        return self.answer(get_temporary_of(schedule, temporary.pk), 201)

    @extend_schema(summary="End a temporary schedule")
    def destroy(self, request: Request, schedule_pk: str, pk: str) -> Response:
        """Let the schedule hold again from now on; what was stays. 409 for one that is over."""
        schedule = get_schedule_to_change_for(self.actor, int(schedule_pk))
        temporary = get_temporary_of(schedule, int(pk))
        temporaries.end_temporary(
            temporary=temporary, actor=self.actor, now=timezone.now(), ip=self.ip
        )
        return Response(status=204)

    @extend_schema(
        summary="Cut temporary schedules",
        request=SpanSerializer,
        responses=TemporarySerializer(many=True),
    )
    @action(detail=False, methods=["post"])
    def cut(self, request: Request, schedule_pk: str) -> Response:
        """Let layers and overrides hold again in a span; one with that in its middle is two."""
        schedule = get_schedule_to_change_for(self.actor, int(schedule_pk))
        temporaries.cut_temporaries(
            schedule=schedule,
            actor=self.actor,
            now=timezone.now(),
            ip=self.ip,
            **self.parsed(SpanSerializer),
        )
        return self.page_of(temporaries_of(schedule))
