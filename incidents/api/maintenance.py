"""Maintenance windows over REST."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import django_filters
from django.utils import timezone
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.api.filters import IdFilter
from incidents.maintenance import next_occurrence
from incidents.models import MaintenanceWindow
from incidents.selectors import (
    get_service_to_change_for,
    get_window_for,
    get_window_to_change_for,
    visible_windows,
)
from incidents.services import maintenance
from opsknight.api.fields import Instant, ModelSerializer
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey


class OccurrenceSerializer(serializers.Serializer[Any]):
    """One time that a window holds."""

    starts_at = Instant()
    ends_at = Instant()


class WindowSerializer(ModelSerializer):
    """Times at which alerts of a service are recorded and page nobody.

    `starts_at` and `ends_at` are of the first occurrence; a window that repeats keeps the wall
    clock of its `time_zone`. `occurrence` is the present one or the next; null when it is over.
    """

    service_name = serializers.CharField(source="service.name", read_only=True)
    occurrence = serializers.SerializerMethodField()

    class Meta:
        model = MaintenanceWindow
        fields = (
            "id", "service", "service_name", "reason", "starts_at", "ends_at", "repeat",
            "time_zone", "repeat_until", "occurrence", "created_by", "created_at", "ended_at",
        )  # fmt: skip
        read_only_fields = ("created_by", "created_at", "ended_at")

    @extend_schema_field(OccurrenceSerializer(allow_null=True))
    def get_occurrence(self, window: MaintenanceWindow) -> Any:
        """When it holds, now or next."""
        found = next_occurrence(window, timezone.now())
        return OccurrenceSerializer(found).data if found else None


class WindowFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What a list of windows can be narrowed to."""

    service = IdFilter(help_text="Id of the service.")
    over = django_filters.BooleanFilter(
        "ended_at",
        "isnull",
        exclude=True,
        help_text="`false`: windows that hold now or later. `true`: those that are over.",
    )

    class Meta:
        model = MaintenanceWindow
        fields: tuple[str, ...] = ()


@extend_schema_view(
    retrieve=extend_schema(summary="Get a maintenance window"),
)
class WindowViewSet(ApiViewSet):
    """Maintenance windows. Everybody sees them; who may change the service may change them."""

    read_scope = ApiKey.Scope.SERVICES_READ
    write_scope = ApiKey.Scope.SERVICES_WRITE
    queryset = MaintenanceWindow.objects.none()
    serializer_class = WindowSerializer
    pagination_class = OldestFirst
    filter_backends: Any = (DjangoFilterBackend,)
    filterset_class: ClassVar[Any] = WindowFilters

    @extend_schema(summary="List maintenance windows")
    def list(self, request: Request) -> Response:
        """The windows of all services, or of one."""
        return self.page_of(self.filter_queryset(visible_windows(self.actor)))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One window."""
        return self.answer(get_window_for(self.actor, int(pk)))

    @extend_schema(summary="Plan maintenance")
    def create(self, request: Request) -> Response:
        """Plan a window; one that holds already takes effect at once."""
        values = self.parsed()
        service = get_service_to_change_for(self.actor, values.pop("service").pk)
        window = maintenance.schedule_maintenance(
            service=service,
            values=cast(maintenance.WindowValues, values),
            actor=self.actor,
            ip=self.ip,
        )
        return self.answer(window, status=201)

    @extend_schema(summary="End maintenance", request=None)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: str) -> Response:
        """End a window now, with all later occurrences; what it held back pages at once.

        409 when it is over already.
        """
        window = get_window_to_change_for(self.actor, int(pk))
        maintenance.end_maintenance(window=window, actor=self.actor, ip=self.ip)
        return self.answer(window)

    @extend_schema(summary="Delete a maintenance window")
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a window; one that holds now ends by that."""
        window = get_window_to_change_for(self.actor, int(pk))
        maintenance.delete_maintenance(window=window, actor=self.actor, ip=self.ip)
        return Response(status=204)
