"""Schedules with their layers, and who is on call."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from escalations.models import LayerMember, Schedule, ScheduleLayer
from escalations.oncall import MAX_LENGTH
from escalations.selectors import (
    get_schedule_for,
    get_schedule_to_change_for,
    on_call_in,
    schedules_with_layers,
)
from escalations.services import schedules
from escalations.services.schedules import MAX_LAYERS, MAX_MEMBERS
from opsknight.api.fields import Instant, ModelSerializer, Part, Text
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey, User
from opsknight.permissions import require_responder
from opsknight.wall_clock import FIRST_YEAR, LAST_YEAR


class MembersField(serializers.ListField):
    """User ids in the order of their turns; the same person may be listed more than once.

    Answers null for a place whose person was deleted: its turns pass to the next one.
    """

    child = serializers.IntegerField(min_value=1)

    def to_representation(self, members: Any) -> list[int | None]:
        """The ids of the people of a layer."""
        places: list[LayerMember] = list(members.all())
        return [place.user_id for place in places]


class LayerSerializer(Part):
    """A rotation of people. The first layer of the list that has somebody on call decides."""

    name = Text(max_length=200)
    rotation = serializers.ChoiceField(choices=ScheduleLayer.Rotation.choices)
    rotation_length = serializers.IntegerField(
        default=1, help_text=f"Hours, days, weeks or months that a turn lasts, 1 to {MAX_LENGTH}."
    )
    starts_at = Instant(
        help_text="The handoff to the first member; every other one is at the same wall-clock "
        "time in the schedule's zone."
    )
    ends_at = Instant(allow_null=True, default=None, help_text="Null: never.")
    members = MembersField(max_length=MAX_MEMBERS)


class ScheduleSerializer(ModelSerializer):
    """Layers in one time zone. `layers`, where given, replaces all of them."""

    layers = LayerSerializer(many=True, max_length=MAX_LAYERS)  # type: ignore[call-arg]

    class Meta:
        model = Schedule
        fields = ("id", "name", "description", "time_zone", "team", "layers", "created_at")


class PersonSerializer(serializers.ModelSerializer[User]):
    """Somebody, in short."""

    class Meta:
        model = User
        fields = ("id", "name", "email")
        read_only_fields = fields


class OnCallSerializer(serializers.Serializer[Any]):
    """Who is on call in one schedule at one moment."""

    schedule = serializers.IntegerField(source="schedule.pk")
    at = Instant()
    user = PersonSerializer(source="person", allow_null=True, help_text="Null: nobody.")
    until = Instant(allow_null=True, help_text="The handoff to somebody else; null: none.")
    next_user = PersonSerializer(
        source="next_person", allow_null=True, help_text="Who takes over then."
    )


class MomentSerializer(serializers.Serializer[Any]):
    """The question of `on-call`."""

    at = Instant(required=False, help_text="ISO 8601; without it, now.")

    def validate_at(self, at: datetime) -> datetime:
        """Refuse years for which no zone has rules."""
        if not FIRST_YEAR < at.year < LAST_YEAR:
            text = f"Use a date between the years {FIRST_YEAR} and {LAST_YEAR}."
            raise serializers.ValidationError(text)
        return at


@extend_schema_view(
    list=extend_schema(summary="List schedules"),
    retrieve=extend_schema(summary="Get a schedule"),
)
class ScheduleViewSet(ApiViewSet):
    """Schedules. Everybody sees them, responders change them."""

    read_scope = ApiKey.Scope.SCHEDULES_READ
    write_scope = ApiKey.Scope.SCHEDULES_WRITE
    queryset = Schedule.objects.none()
    serializer_class = ScheduleSerializer
    pagination_class = OldestFirst

    def list(self, request: Request) -> Response:
        """Every schedule with its layers."""
        return self.page_of(schedules_with_layers(self.actor))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One schedule with its layers."""
        return self._answer(int(pk))

    @extend_schema(summary="Create a schedule")
    def create(self, request: Request) -> Response:
        """Make a schedule with all its layers, or nothing."""
        require_responder(self.actor)
        values = self.parsed()
        layers = _layers_in(values) or []
        schedule = schedules.create_schedule(
            values=cast(schedules.ScheduleValues, values),
            layers=layers,
            actor=self.actor,
            ip=self.ip,
        )
        return self._answer(schedule.pk, status=201)

    @extend_schema(summary="Replace a schedule")
    def update(self, request: Request, pk: str) -> Response:
        """Replace the schedule and all its layers; who is on call changes at once."""
        return self._save(int(pk), partial=False)

    @extend_schema(summary="Change a schedule")
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is given; `layers`, where given, replaces all of them."""
        return self._save(int(pk), partial=True)

    @extend_schema(summary="Delete a schedule")
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete it; 409 while policies page it."""
        schedule = get_schedule_to_change_for(self.actor, int(pk))
        schedules.delete_schedule(schedule=schedule, actor=self.actor, ip=self.ip)
        return Response(status=204)

    @extend_schema(
        summary="Who is on call", parameters=[MomentSerializer], responses=OnCallSerializer
    )
    @action(detail=True, methods=["get"], url_path="on-call")
    def on_call(self, request: Request, pk: str) -> Response:
        """Who is on call now, or `at` another time, until when, and who is next."""
        schedule = get_schedule_for(self.actor, int(pk))
        question = MomentSerializer(data=request.query_params.dict())
        question.is_valid(raise_exception=True)
        at = question.validated_data.get("at") or timezone.now()
        (found,) = on_call_in([schedule], now=at)
        facts = {
            "schedule": found.schedule,
            "at": at,
            "person": found.person,
            "until": found.until,
            "next_person": found.next_person,
        }
        return Response(OnCallSerializer(facts).data)

    def _save(self, pk: int, *, partial: bool) -> Response:
        schedule = get_schedule_to_change_for(self.actor, pk)
        values = self.parsed(partial=partial)
        layers = _layers_in(values)
        schedules.update_schedule(
            schedule=schedule,
            values=cast(schedules.ScheduleValues, values),
            layers=layers,
            actor=self.actor,
            ip=self.ip,
        )
        return self._answer(pk)

    def _answer(self, pk: int, status: int = 200) -> Response:
        get_schedule_for(self.actor, pk)
        return self.answer(schedules_with_layers(self.actor).get(pk=pk), status)


def _layers_in(values: dict[str, Any]) -> list[schedules.LayerInput] | None:
    """Take the layers out of the values; None where none were given."""
    layers = values.pop("layers", None)
    if layers is None:
        return None
    return [
        schedules.LayerInput(**{**layer, "members": tuple(layer["members"])}) for layer in layers
    ]
