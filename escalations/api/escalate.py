"""Escalating an incident by hand. The other actions on incidents are in the incidents' own API."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from escalations.models.run import EscalationRun
from escalations.services.manual import escalate_incidents
from incidents.api.incidents import IncidentSerializer
from incidents.models import Incident
from incidents.selectors import get_incident_for, get_incident_to_act_on_for
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey


class EscalateSerializer(serializers.Serializer[Any]):
    """Where to."""

    step = serializers.IntegerField(
        default=None,
        allow_null=True,
        min_value=1,
        help_text="The number of a step of its policy, from 1. Null: the next one.",
    )


class EscalateViewSet(ApiViewSet):
    """Page the next step now."""

    read_scope = ApiKey.Scope.INCIDENTS_READ
    write_scope = ApiKey.Scope.INCIDENTS_WRITE
    queryset = EscalationRun.objects.none()
    serializer_class = IncidentSerializer

    @extend_schema(
        operation_id="incidents_escalate_create",
        summary="Escalate an incident",
        request=EscalateSerializer,
        responses=IncidentSerializer,
        tags=["incidents"],
    )
    def create(self, request: Request, pk: str) -> Response:
        """Page the next step, or a chosen one, within seconds; an acknowledged incident is
        triggered again. 409 when it is over, in maintenance, or its policy has no steps.
        """
        incident = get_incident_to_act_on_for(self.actor, int(pk))
        step = self.parsed(EscalateSerializer)["step"]
        escalate_incidents(incidents=[incident], step=step, actor=self.actor, now=timezone.now())
        fresh: Incident = get_incident_for(self.actor, incident.pk)
        return self.answer(fresh)
