"""Overrides of a schedule, and the short ways to make them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from escalations.models import Override
from escalations.selectors import (
    get_override_of,
    get_schedule_for,
    get_schedule_to_change_for,
    overrides_of,
)
from escalations.services import overrides
from escalations.services.overrides import MAX_NOTE, OverrideInput
from opsknight.api.fields import Instant, Text
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.errors import InvalidInput
from opsknight.models import ApiKey
from opsknight.services.configuration import invalid


class OverrideSerializer(serializers.Serializer[Any]):
    """Somebody comes (`add`), goes (`remove`), or takes somebody's place (`replace`)."""

    id = serializers.IntegerField(read_only=True)
    kind = serializers.ChoiceField(choices=Override.Kind.choices)
    user = serializers.IntegerField(
        source="user_id", min_value=1, default=None, allow_null=True, help_text="Who comes."
    )
    replaces = serializers.IntegerField(
        source="replaces_id",
        min_value=1,
        default=None,
        allow_null=True,
        help_text="Who goes, whenever on call in this time. Null in a replacement: everybody, also "
        "where nobody is on call.",
    )
    starts_at = Instant(help_text="In the past: from now on.")
    ends_at = Instant()
    note = Text(max_length=MAX_NOTE, default="", allow_blank=True)
    created_by = serializers.IntegerField(source="created_by_id", read_only=True, allow_null=True)
    created_at = Instant(read_only=True)


class CoverSerializer(serializers.Serializer[Any]):
    """Whose shifts, by whom, when."""

    user = serializers.IntegerField(min_value=1, help_text="Whose shifts.")
    by = serializers.IntegerField(min_value=1, help_text="Who takes them.")
    starts_at = Instant(help_text="In the past: from now on.")
    ends_at = Instant()
    note = Text(max_length=MAX_NOTE, default="", allow_blank=True)


class TakeOverSerializer(serializers.Serializer[Any]):
    """How long, and instead of whom."""

    until = Instant(required=False, allow_null=True, help_text="Left out: the next handoff.")
    replaces = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        help_text="Whose place, where several are on call.",
    )


@extend_schema_view(
    list=extend_schema(summary="List overrides"),
    retrieve=extend_schema(summary="Get an override"),
)
class OverrideViewSet(ApiViewSet):
    """Overrides. Everybody sees them, responders change them."""

    read_scope = ApiKey.Scope.SCHEDULES_READ
    write_scope = ApiKey.Scope.SCHEDULES_WRITE
    queryset = Override.objects.none()
    serializer_class = OverrideSerializer
    pagination_class = OldestFirst

    def list(self, request: Request, schedule_pk: str) -> Response:
        """The overrides of a schedule, also those that are over."""
        return self.page_of(overrides_of(get_schedule_for(self.actor, int(schedule_pk))))

    def retrieve(self, request: Request, schedule_pk: str, pk: str) -> Response:
        """One override."""
        schedule = get_schedule_for(self.actor, int(schedule_pk))
        return self.answer(get_override_of(schedule, int(pk)))

    @extend_schema(summary="Create an override")
    def create(self, request: Request, schedule_pk: str) -> Response:
        """Make an override; an error names the one that is in the way."""
        schedule = get_schedule_to_change_for(self.actor, int(schedule_pk))
        override = overrides.add_override(
            schedule=schedule,
            wanted=OverrideInput(**self.parsed()),
            actor=self.actor,
            now=timezone.now(),
            ip=self.ip,
        )
        return self.answer(override, 201)

    @extend_schema(summary="Replace an override")
    def update(self, request: Request, schedule_pk: str, pk: str) -> Response:
        """Change an override; of one that has begun only `ends_at` and `note`."""
        override = self._to_change(schedule_pk, pk)
        changed = overrides.change_override(
            override=override,
            wanted=OverrideInput(**self.parsed()),
            actor=self.actor,
            now=timezone.now(),
            ip=self.ip,
        )
        return self.answer(changed)

    @extend_schema(summary="Delete an override")
    def destroy(self, request: Request, schedule_pk: str, pk: str) -> Response:
        """Delete an override that has not begun; 409 for any other one."""
        override = self._to_change(schedule_pk, pk)
        overrides.delete_override(
            override=override, actor=self.actor, now=timezone.now(), ip=self.ip
        )
        return Response(status=204)

    @extend_schema(summary="End an override", request=None)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, schedule_pk: str, pk: str) -> Response:
        """End an override that has begun, now; 409 for any other one."""
        override = self._to_change(schedule_pk, pk)
        overrides.end_override(override=override, actor=self.actor, now=timezone.now(), ip=self.ip)
        return self.answer(get_override_of(override.schedule, override.pk))

    def _to_change(self, schedule_pk: str, pk: str) -> Override:
        schedule = get_schedule_to_change_for(self.actor, int(schedule_pk))
        override = get_override_of(schedule, int(pk))
        override.schedule = schedule
        return override


class OverrideActions(ApiViewSet):
    """The short ways: of one schedule."""

    @extend_schema(
        summary="Cover all shifts of a person",
        request=CoverSerializer,
        responses={201: OverrideSerializer},
    )
    @action(detail=True, methods=["post"])
    def cover(self, request: Request, pk: str) -> Response:
        """Let somebody take all shifts of a person in a span; the shifts keep their borders."""
        schedule = get_schedule_to_change_for(self.actor, int(pk))
        values = self.parsed(CoverSerializer)
        with fields_renamed({"user": "by", "replaces": "user"}):
            (override,) = overrides.cover_shifts(
                user_id=values["user"],
                by_id=values["by"],
                starts_at=values["starts_at"],
                ends_at=values["ends_at"],
                note=values["note"],
                schedule_ids=[schedule.pk],
                actor=self.actor,
                now=timezone.now(),
                ip=self.ip,
            )
        return Response(OverrideSerializer(override).data, status=201)

    @extend_schema(
        summary="Take over now", request=TakeOverSerializer, responses={201: OverrideSerializer}
    )
    @action(detail=True, methods=["post"], url_path="take-over")
    def take_over(self, request: Request, pk: str) -> Response:
        """Put whoever asks on call now, in the place of who is, until the next handoff."""
        schedule = get_schedule_to_change_for(self.actor, int(pk))
        values = self.parsed(TakeOverSerializer)
        with fields_renamed({"ends_at": "until"}):
            override = overrides.take_over(
                schedule=schedule,
                until=values.get("until"),
                replaces_id=values.get("replaces"),
                actor=self.actor,
                now=timezone.now(),
                ip=self.ip,
            )
        return Response(OverrideSerializer(override).data, status=201)


@contextmanager
def fields_renamed(names: dict[str, str]) -> Iterator[None]:
    """Let a refusal name the fields as they were asked for, not as an override has them."""
    try:
        yield
    except InvalidInput as error:
        fields = {names.get(name, name): texts for name, texts in error.fields.items()}
        raise invalid(fields) from error
