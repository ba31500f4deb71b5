"""What is expected of heartbeats, and how they are."""

from __future__ import annotations

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.models import Heartbeat, Integration
from incidents.selectors import get_integration_for
from incidents.services.heartbeats import HeartbeatValues, ensure_heartbeat, update_heartbeat
from opsknight.api.fields import ModelSerializer
from opsknight.api.views import ApiViewSet
from opsknight.errors import NotFound
from opsknight.models import ApiKey


class HeartbeatSerializer(ModelSerializer):
    """The heartbeat of one integration. `due_at`: when silence becomes an alarm."""

    state = serializers.ChoiceField(choices=Heartbeat.State.choices, read_only=True)

    class Meta:
        model = Heartbeat
        fields = (
            "integration",
            "state",
            "interval_seconds",
            "grace_seconds",
            "expects_first",
            "last_beat_at",
            "due_at",
            "missed_at",
            "failed_at",
        )
        read_only_fields = ("integration", "last_beat_at", "due_at", "missed_at", "failed_at")


class HeartbeatViewSet(ApiViewSet):
    """Heartbeats, by the ids of their integrations; seen by those who may change their service."""

    read_scope = ApiKey.Scope.SERVICES_READ
    write_scope = ApiKey.Scope.SERVICES_WRITE
    queryset = Heartbeat.objects.none()
    serializer_class = HeartbeatSerializer

    @extend_schema(summary="Get a heartbeat")
    def retrieve(self, request: Request, pk: str) -> Response:
        """What is expected of an integration of kind heartbeat, and how it is."""
        return self.answer(self._heartbeat(pk))

    @extend_schema(summary="Change what is expected of a heartbeat")
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is given; the present wait starts anew with it."""
        heartbeat = self._heartbeat(pk)
        values = cast(HeartbeatValues, self.parsed(partial=True))
        update_heartbeat(heartbeat=heartbeat, values=values, actor=self.actor, ip=self.ip)
        return self.answer(heartbeat)

    def _heartbeat(self, pk: str) -> Heartbeat:
        integration = get_integration_for(self.actor, int(pk))
        if integration.kind != Integration.Kind.HEARTBEAT:
            raise NotFound(f"Integration {integration.pk} is no heartbeat.")
        return ensure_heartbeat(integration=integration)
