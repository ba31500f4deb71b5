"""Changes of services over REST; they come in as PagerDuty change events."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.api.filters import IdFilter, InstantFilter
from incidents.changes import visible_changes
from incidents.models import Change
from opsknight.api.fields import ModelSerializer
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey


class ChangeSerializer(ModelSerializer):
    """A change. `occurred_at` is by the clock of its sender; `delivery` is what brought it."""

    service_name = serializers.CharField(source="service.name", read_only=True)
    delivery = serializers.UUIDField(source="delivery_id", read_only=True, allow_null=True)

    class Meta:
        model = Change
        fields = (
            "id", "service", "service_name", "integration", "delivery", "summary", "source",
            "details", "links", "occurred_at", "received_at",
        )  # fmt: skip
        read_only_fields = fields


class ChangeFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What a list of changes can be narrowed to."""

    service = IdFilter(help_text="Id of the service.")
    since = InstantFilter("received_at", "gte", help_text="Received at this time or later.")
    until = InstantFilter("received_at", "lt", help_text="Received before this time.")

    class Meta:
        model = Change
        fields: tuple[str, ...] = ()


class ChangeViewSet(ApiViewSet):
    """What was changed on the services whose public incidents this person sees; newest first."""

    read_scope = ApiKey.Scope.SERVICES_READ
    write_scope = ApiKey.Scope.SERVICES_WRITE
    queryset = Change.objects.none()
    serializer_class = ChangeSerializer
    filter_backends: Any = (DjangoFilterBackend,)
    filterset_class: ClassVar[Any] = ChangeFilters

    @extend_schema(summary="List changes")
    def list(self, request: Request) -> Response:
        """Changes, narrowed by the filters."""
        return self.page_of(self.filter_queryset(visible_changes(self.actor)))
