"""Schedules with their layers, and who is on call."""

from __future__ import annotations

from typing import Any, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from escalations.api.oncall import OnCallQueries
from escalations.api.overrides import OverrideActions
from escalations.api.parts import LayerSerializer, PersonSerializer
from escalations.models import Schedule
from escalations.selectors import (
    get_schedule_for,
    get_schedule_to_change_for,
    layers_of,
    schedules_with_layers,
)
from escalations.services import rotations, schedules
from escalations.services.layers import MAX_LAYERS, LayerInput, RestrictionInput
from opsknight.api.fields import Instant, ModelSerializer
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ConfirmSerializer
from opsknight.errors import NotFound
from opsknight.models import ApiKey
from opsknight.permissions import require_responder


class ScheduleSerializer(ModelSerializer):
    """Layers in one time zone. `layers`, where given, replaces all of them."""

    layers = LayerSerializer(many=True, max_length=MAX_LAYERS)  # type: ignore[call-arg]
    version = serializers.IntegerField(
        required=False,
        min_value=1,
        help_text="Counts the saves. Send back the one that you edited: 409 when somebody else "
        "saved since. Left out: whatever was saved is overwritten.",
    )
    saved_at = Instant(read_only=True)
    saved_by = PersonSerializer(read_only=True, allow_null=True)

    class Meta:
        model = Schedule
        fields = (
            "id",
            "name",
            "description",
            "time_zone",
            "team",
            "layers",
            "created_at",
            "version",
            "saved_at",
            "saved_by",
        )


class PutOnCallSerializer(serializers.Serializer[Any]):
    """Who gets the turn."""

    user = serializers.IntegerField(min_value=1)


@extend_schema_view(
    list=extend_schema(summary="List schedules"),
    retrieve=extend_schema(summary="Get a schedule"),
)
class ScheduleViewSet(OverrideActions, OnCallQueries):
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
        values.pop("version", None)
        schedule = schedules.create_schedule(
            values=cast(schedules.ScheduleValues, values),
            layers=layers,
            actor=self.actor,
            ip=self.ip,
        )
        return self._answer(schedule.pk, status=201)

    @extend_schema(summary="Replace a schedule", parameters=[ConfirmSerializer])
    def update(self, request: Request, pk: str) -> Response:
        """Replace the schedule and all its layers; who is on call changes at once.

        409 `saved_meanwhile` when somebody else saved since `version`; 409 `needs_confirmation`,
        with the times, when a layer loses its people and nobody would be on call any more.
        """
        return self._save(int(pk), partial=False)

    @extend_schema(summary="Change a schedule", parameters=[ConfirmSerializer])
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is given; `layers`, where given, replaces all of them. 409 as for PUT."""
        return self._save(int(pk), partial=True)

    @extend_schema(summary="Delete a schedule")
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete it; 409 while policies page it."""
        schedule = get_schedule_to_change_for(self.actor, int(pk))
        schedules.delete_schedule(schedule=schedule, actor=self.actor, ip=self.ip)
        return Response(status=204)

    @extend_schema(
        summary="Put somebody on call in a layer",
        request=PutOnCallSerializer,
        responses=ScheduleSerializer,
    )
    @action(detail=True, methods=["post"], url_path="layers/(?P<layer_id>[0-9]{1,19})/put-on-call")
    def put_on_call(self, request: Request, pk: str, layer_id: str) -> Response:
        """Give the present turn of a layer to one of its people; the order goes on from there."""
        schedule = get_schedule_to_change_for(self.actor, int(pk))
        layer = layers_of([schedule.pk]).filter(pk=int(layer_id)).first()
        if layer is None:
            raise NotFound(f"There is no layer {layer_id} of {schedule}.")
        user_id = self.parsed(PutOnCallSerializer)["user"]
        rotations.put_on_call(
            layer=layer, user_id=user_id, actor=self.actor, now=timezone.now(), ip=self.ip
        )
        return self._answer(schedule.pk)

    def _save(self, pk: int, *, partial: bool) -> Response:
        schedule = get_schedule_to_change_for(self.actor, pk)
        values = self.parsed(partial=partial)
        layers, version = _layers_in(values), values.pop("version", None)
        schedules.update_schedule(
            schedule=schedule,
            values=cast(schedules.ScheduleValues, values),
            layers=layers,
            actor=self.actor,
            ip=self.ip,
            version=version,
            is_confirmed=self.is_confirmed,
        )
        return self._answer(pk)

    def _answer(self, pk: int, status: int = 200) -> Response:
        get_schedule_for(self.actor, pk)
        return self.answer(schedules_with_layers(self.actor).get(pk=pk), status)


def _layers_in(values: dict[str, Any]) -> list[LayerInput] | None:
    """Take the layers out of the values; None where none were given."""
    layers = values.pop("layers", None)
    return None if layers is None else [_layer_in(layer) for layer in layers]


def _layer_in(values: dict[str, Any]) -> LayerInput:
    restrictions = tuple(
        RestrictionInput(frozenset(each["weekdays"]), each["starts"], each["ends"])
        for each in values.pop("restrictions", [])
    )
    turns = values.pop("members")
    return LayerInput(**values, turns=turns, restrictions=restrictions)
