"""The question and the answer of trying out a policy."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from escalations.api.oncall import check_year
from escalations.dry_run import DryMoment
from escalations.foresight import KINDS
from incidents.models import Incident
from opsknight.api.fields import Instant


class DryRunAskedSerializer(serializers.Serializer[Any]):
    """An alert that does not exist."""

    at = Instant(default=None, allow_null=True, help_text="When it comes. Null: now.")
    urgency = serializers.ChoiceField(
        choices=Incident.Urgency.choices, default=Incident.Urgency.HIGH
    )

    def validate_at(self, at: datetime | None) -> datetime | None:
        """Refuse years for which no zone has rules."""
        return None if at is None else check_year(at)


class DryRunWaySerializer(serializers.Serializer[Any]):
    """How somebody would hear of it."""

    channel = serializers.CharField()
    wait_minutes = serializers.IntegerField(help_text="Of the personal rule, from the page on.")
    held_until = Instant(
        allow_null=True, help_text="The end of the quiet hours, or the digest, that it waits for."
    )


class DryRunPageSerializer(serializers.Serializer[Any]):
    """Who would be paged."""

    type = serializers.ChoiceField(choices=("user", "destination"))
    id = serializers.IntegerField()
    name = serializers.CharField()
    why = serializers.CharField(help_text="`Primary on call`; empty: the step names them.")
    ways = DryRunWaySerializer(many=True)


class DryRunMomentSerializer(serializers.Serializer[DryMoment]):
    """One thing that would happen if nobody answered."""

    at = Instant()
    kind = serializers.ChoiceField(choices=KINDS)
    round = serializers.IntegerField(help_text="From 1.")
    step = serializers.IntegerField(allow_null=True, help_text="From 1.")
    pages = serializers.SerializerMethodField()
    problems = serializers.ListField(child=serializers.CharField())
    notes = serializers.ListField(child=serializers.CharField())

    @extend_schema_field(DryRunPageSerializer(many=True))
    def get_pages(self, moment: DryMoment) -> list[dict[str, Any]]:
        """Everybody who would be paged."""
        return [
            {
                "type": one.kind,
                "id": one.id,
                "name": one.name,
                "why": one.why,
                "ways": DryRunWaySerializer(ways, many=True).data,
            }
            for one, ways in moment.heard
        ]


class DryRunSerializer(serializers.Serializer[Any]):
    """Everything that would happen, in order; at most 200 things."""

    at = Instant()
    moments = DryRunMomentSerializer(many=True)
