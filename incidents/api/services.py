"""Services and integrations."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.conf import settings
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.api.rules import RulesActions
from incidents.api.signing import SigningActions
from incidents.models import Integration, Service
from incidents.selectors import (
    get_integration_for,
    get_service_for,
    get_service_to_change_for,
    visible_integrations,
    visible_services,
)
from incidents.services import catalog
from incidents.setup import address_of
from opsknight.api.fields import ModelSerializer
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey
from opsknight.permissions import require_admin, require_responder


class ServiceSerializer(ModelSerializer):
    """Something that can break."""

    class Meta:
        model = Service
        fields = (
            "id", "name", "description", "team", "escalation_policy", "storm_threshold",
            "flapping_openings", "flapping_minutes", "created_at",
        )  # fmt: skip


@extend_schema_view(
    list=extend_schema(summary="List services"),
    retrieve=extend_schema(summary="Get a service"),
)
class ServiceViewSet(ApiViewSet):
    """Services. Everybody sees them; responders make them, and the team of one may change it."""

    read_scope = ApiKey.Scope.SERVICES_READ
    write_scope = ApiKey.Scope.SERVICES_WRITE
    queryset = Service.objects.none()
    serializer_class = ServiceSerializer
    pagination_class = OldestFirst

    def list(self, request: Request) -> Response:
        """Every service."""
        return self.page_of(visible_services(self.actor))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One service."""
        return self.answer(get_service_for(self.actor, int(pk)))

    @extend_schema(summary="Create a service")
    def create(self, request: Request) -> Response:
        """Make a service; without an escalation policy its incidents page nobody."""
        require_responder(self.actor)
        values = cast(catalog.ServiceValues, self.parsed())
        service = catalog.create_service(values=values, actor=self.actor, ip=self.ip)
        return self.answer(service, status=201)

    @extend_schema(summary="Change a service")
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is given; the rest stays."""
        service = get_service_to_change_for(self.actor, int(pk))
        values = cast(catalog.ServiceValues, self.parsed(partial=True))
        catalog.update_service(service=service, values=values, actor=self.actor, ip=self.ip)
        return self.answer(service)

    @extend_schema(summary="Delete a service")
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a service with its history; 409 while it has open incidents. Administrators."""
        service = get_service_for(self.actor, int(pk))
        require_admin(self.actor)
        catalog.delete_service(service=service, actor=self.actor, ip=self.ip)
        return Response(status=204)


class IntegrationSerializer(ModelSerializer):
    """One monitoring system's way in. Its key is shown to whoever may also change it."""

    key = serializers.CharField(read_only=True, allow_null=True)
    url = serializers.SerializerMethodField()

    class Meta:
        model = Integration
        fields = (
            "id", "service", "kind", "name", "enabled", "key", "url", "signature_required",
            "created_at",
        )  # fmt: skip
        read_only_fields = ("enabled", "signature_required")

    def get_url(self, integration: Integration) -> str | None:
        """Where the monitoring system sends its alerts; null where the key is hidden."""
        return address_of(integration, settings.PUBLIC_URL)

    def to_representation(self, instance: Integration) -> dict[str, Any]:
        """All of it, or without the key for API keys that may only read."""
        shown: dict[str, Any] = super().to_representation(instance)
        sent = self.context["request"].auth
        if isinstance(sent, ApiKey) and ApiKey.Scope.SERVICES_WRITE not in sent.scopes:
            shown["key"] = shown["url"] = None
        return shown


class IntegrationChangeSerializer(ModelSerializer):
    """What can be changed of an integration."""

    class Meta:
        model = Integration
        fields = ("name", "enabled")


@extend_schema_view(
    list=extend_schema(summary="List integrations"),
    retrieve=extend_schema(summary="Get an integration"),
)
class IntegrationViewSet(RulesActions, SigningActions):
    """Integrations; seen by those who may change their service, because they carry its keys."""

    read_scope = ApiKey.Scope.SERVICES_READ
    write_scope = ApiKey.Scope.SERVICES_WRITE
    queryset = Integration.objects.none()
    serializer_class = IntegrationSerializer
    pagination_class = OldestFirst
    CHANGE: ClassVar = IntegrationChangeSerializer

    def list(self, request: Request) -> Response:
        """The integrations of the services this person may change."""
        return self.page_of(visible_integrations(self.actor))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One integration with its key and address."""
        return self.answer(get_integration_for(self.actor, int(pk)))

    @extend_schema(summary="Create an integration")
    def create(self, request: Request) -> Response:
        """Make an integration with a key of its own."""
        values = self.parsed()
        service = get_service_to_change_for(self.actor, values.pop("service").pk)
        integration = catalog.create_integration(
            service=service, actor=self.actor, ip=self.ip, **values
        )
        return self.answer(integration, status=201)

    @extend_schema(
        summary="Change an integration",
        request=IntegrationChangeSerializer,
        responses=IntegrationSerializer,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Rename, enable or disable it. A disabled one takes no events."""
        integration = get_integration_for(self.actor, int(pk))
        values = cast(catalog.IntegrationValues, self.parsed(self.CHANGE, partial=True))
        catalog.update_integration(
            integration=integration, values=values, actor=self.actor, ip=self.ip
        )
        return self.answer(integration)

    @extend_schema(summary="Delete an integration")
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete it; its key opens nothing any more."""
        integration = get_integration_for(self.actor, int(pk))
        catalog.delete_integration(integration=integration, actor=self.actor, ip=self.ip)
        return Response(status=204)

    @extend_schema(summary="Give an integration a new key", request=None)
    @action(detail=True, methods=["post"], url_path="rotate-key")
    def rotate_key(self, request: Request, pk: str) -> Response:
        """Answer the integration with its new key; the old one ends within ten seconds."""
        integration = get_integration_for(self.actor, int(pk))
        catalog.rotate_integration_key(integration=integration, actor=self.actor, ip=self.ip)
        return self.answer(integration)
