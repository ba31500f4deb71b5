"""Swap requests of a schedule."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from escalations.models import SwapRequest
from escalations.selectors import get_schedule_for, get_swap_request_of, swap_requests_of
from escalations.services import swaps
from escalations.services.swaps import MAX_NOTE
from opsknight.api.fields import Instant, Text
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey


class SwapRequestSerializer(serializers.Serializer[Any]):
    """Somebody looks for a person who takes their shifts in a span."""

    id = serializers.IntegerField(read_only=True)
    requester = serializers.IntegerField(source="requester_id", read_only=True)
    starts_at = Instant(help_text="In the past: from now on.")
    ends_at = Instant()
    note = Text(max_length=MAX_NOTE, default="", allow_blank=True)
    state = serializers.ChoiceField(choices=SwapRequest.State.choices, read_only=True)
    taken_by = serializers.IntegerField(source="taken_by_id", read_only=True, allow_null=True)
    override = serializers.IntegerField(source="override_id", read_only=True, allow_null=True)
    created_at = Instant(read_only=True)
    closed_at = Instant(read_only=True, allow_null=True)


@extend_schema_view(
    list=extend_schema(summary="List swap requests"),
    retrieve=extend_schema(summary="Get a swap request"),
)
class SwapRequestViewSet(ApiViewSet):
    """Swap requests. Everybody sees them; people ask about their own shifts."""

    read_scope = ApiKey.Scope.SCHEDULES_READ
    write_scope = ApiKey.Scope.SCHEDULES_WRITE
    queryset = SwapRequest.objects.none()
    serializer_class = SwapRequestSerializer
    pagination_class = OldestFirst

    def list(self, request: Request, schedule_pk: str) -> Response:
        """The swap requests of a schedule, in whatever state."""
        return self.page_of(swap_requests_of(get_schedule_for(self.actor, int(schedule_pk))))

    def retrieve(self, request: Request, schedule_pk: str, pk: str) -> Response:
        """One swap request."""
        return self.answer(self._get(schedule_pk, pk))

    @extend_schema(summary="Ask for a swap")
    def create(self, request: Request, schedule_pk: str) -> Response:
        """Ask the others of the schedule to take one's own shifts in a span; they are told."""
        schedule = get_schedule_for(self.actor, int(schedule_pk))
        asked = swaps.ask_for_swap(
            schedule=schedule,
            requester=self.actor,
            now=timezone.now(),
            ip=self.ip,
            **self.parsed(),
        )
        return self.answer(asked, 201)

    @extend_schema(summary="Take the shifts of a swap request", request=None)
    @action(detail=True, methods=["post"])
    def take(self, request: Request, schedule_pk: str, pk: str) -> Response:
        """Stand in for whoever asked: makes an override, and both are told. 409 unless open.

        For people of the schedule, its team, and responders."""
        asked = self._get(schedule_pk, pk)
        taken = swaps.take_swap(request=asked, taker=self.actor, now=timezone.now(), ip=self.ip)
        return self.answer(taken)

    @extend_schema(summary="Cancel a swap request", request=None)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, schedule_pk: str, pk: str) -> Response:
        """Withdraw one's own open request; responders may withdraw any. 409 unless open."""
        asked = self._get(schedule_pk, pk)
        closed = swaps.cancel_swap(request=asked, actor=self.actor, now=timezone.now(), ip=self.ip)
        return self.answer(closed)

    def _get(self, schedule_pk: str, pk: str) -> SwapRequest:
        schedule = get_schedule_for(self.actor, int(schedule_pk))
        return get_swap_request_of(schedule, int(pk))
