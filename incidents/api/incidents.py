"""Incidents: list, open, acknowledge, resolve, note, reassign, timeline."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.api.filters import IncidentFilters
from incidents.models import Incident, TimelineEntry
from incidents.selectors import (
    get_incident_for,
    get_incident_to_act_on_for,
    get_service_for,
    timeline_of,
    visible_incidents,
)
from incidents.services import lifecycle
from incidents.services.lifecycle import MAX_NOTE_LENGTH
from opsknight.api.fields import Known, ModelSerializer, Text
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.errors import Conflict
from opsknight.models import ApiKey, Team, User
from opsknight.permissions import require_responder, team_ids_of

MAX_DESCRIPTION_LENGTH = 10_000


class IncidentSerializer(ModelSerializer):
    """An incident. `url` is its page."""

    url = serializers.SerializerMethodField()
    service_name = serializers.CharField(source="service.name", read_only=True)
    assignee_name = serializers.SerializerMethodField()

    class Meta:
        model = Incident
        fields = (
            "id", "url", "title", "description", "status", "urgency", "priority", "visibility",
            "service", "service_name", "escalation_policy", "assignee", "assignee_name", "team",
            "dedup_key", "alert_count", "last_alert_at", "is_storm", "folded_count", "firing_count",
            "is_flapping", "created_at", "updated_at", "acknowledged_at", "acknowledged_by",
            "resolved_at", "resolved_by", "snoozed_until", "suppressed_until",
            "is_multi_ack", "version",
        )  # fmt: skip
        read_only_fields = fields

    def get_url(self, incident: Incident) -> str:
        """The address of its page."""
        return f"{settings.PUBLIC_URL}/incidents/{incident.pk}/"

    @extend_schema_field({"type": "string", "nullable": True})
    def get_assignee_name(self, incident: Incident) -> str | None:
        """Who works on it."""
        return str(incident.assignee) if incident.assignee else None


class NewIncidentSerializer(ModelSerializer):
    """An incident opened by hand."""

    description = Text(required=False, allow_blank=True, max_length=MAX_DESCRIPTION_LENGTH)
    assignee = Known(queryset=User.objects.all(), required=False, allow_null=True)

    class Meta:
        model = Incident
        fields = (
            "service",
            "title",
            "description",
            "urgency",
            "priority",
            "visibility",
            "dedup_key",
            "assignee",
        )

    def validate_assignee(self, user: User | None) -> User | None:
        """Refuse somebody who cannot be paged."""
        if user is not None and not user.is_active:
            raise serializers.ValidationError(f"{user} cannot be paged: the account is not active.")
        return user

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse, as the page does, an incident that its maker could not see."""
        actor, service = self.context["request"].user, attrs["service"]
        is_for_others = (
            attrs.get("visibility") == Incident.Visibility.PRIVATE
            and attrs.get("assignee") != actor
        )
        if is_for_others and service.team_id not in team_ids_of(actor):
            reason = f"You would not see it: you are not in the team of {service.name}."
            raise serializers.ValidationError({"visibility": [reason]})
        return attrs


class ResolutionSerializer(serializers.Serializer[Any]):
    """How an incident ended."""

    note = Text(required=False, allow_blank=True, max_length=MAX_NOTE_LENGTH)


class AssignmentSerializer(serializers.Serializer[Any]):
    """A person, a team, or (null) nobody."""

    assignee = Known(queryset=User.objects.all(), required=False, allow_null=True)
    team = Known(queryset=Team.objects.all(), required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for at least one of the two."""
        if not attrs:
            raise serializers.ValidationError("Send assignee or team; null assigns nobody.")
        return attrs


class NoteSerializer(ModelSerializer):
    """What a person wrote about an incident."""

    author = serializers.IntegerField(source="actor_id", read_only=True, allow_null=True)
    author_name = serializers.CharField(source="actor_label", read_only=True)
    text = Text(source="message", max_length=MAX_NOTE_LENGTH)

    class Meta:
        model = TimelineEntry
        fields = ("id", "at", "author", "author_name", "text")
        read_only_fields = ("at",)


class TimelineEntrySerializer(ModelSerializer):
    """One thing that happened."""

    class Meta:
        model = TimelineEntry
        fields = ("id", "at", "kind", "actor", "actor_label", "message", "data")
        read_only_fields = fields


@extend_schema_view(
    list=extend_schema(summary="List incidents"),
    retrieve=extend_schema(summary="Get an incident"),
)
class IncidentViewSet(ApiViewSet):
    """Incidents that this person may see; newest first."""

    read_scope = ApiKey.Scope.INCIDENTS_READ
    write_scope = ApiKey.Scope.INCIDENTS_WRITE
    queryset = Incident.objects.none()
    serializer_class = IncidentSerializer
    filter_backends: Any = (DjangoFilterBackend,)
    filterset_class: ClassVar[Any] = IncidentFilters

    def list(self, request: Request) -> Response:
        """Incidents, narrowed by the filters."""
        return self.page_of(self.filter_queryset(visible_incidents(self.actor)))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One incident."""
        return self.answer(get_incident_for(self.actor, int(pk)))

    @extend_schema(
        summary="Open an incident",
        request=NewIncidentSerializer,
        responses={201: IncidentSerializer},
    )
    def create(self, request: Request) -> Response:
        """Open an incident by hand; it escalates at once. For responders."""
        require_responder(self.actor)
        values = self.parsed(NewIncidentSerializer)
        get_service_for(self.actor, values["service"].pk)
        incident = lifecycle.open_incident(actor=self.actor, **values)
        return self.answer(incident, status=201)

    @extend_schema(summary="Acknowledge an incident", request=None)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, pk: str) -> Response:
        """Stop its escalation. Twice does no harm; 409 when it is not triggered any more."""
        incident = get_incident_to_act_on_for(self.actor, int(pk))
        lifecycle.acknowledge_incidents(
            incident_ids=[incident.pk], actor=self.actor, source=self.source
        )
        return self._settled(incident, Incident.Status.ACKNOWLEDGED)

    @extend_schema(
        summary="Resolve an incident", request=ResolutionSerializer, responses=IncidentSerializer
    )
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: str) -> Response:
        """End it, with a note if wished. Twice does no harm."""
        incident = get_incident_to_act_on_for(self.actor, int(pk))
        note = self.parsed(ResolutionSerializer).get("note", "")
        lifecycle.resolve_incidents(
            incident_ids=[incident.pk], actor=self.actor, source=self.source, note=note
        )
        return self._settled(incident, Incident.Status.RESOLVED)

    @extend_schema(
        summary="Reassign an incident", request=AssignmentSerializer, responses=IncidentSerializer
    )
    @action(detail=True, methods=["post"])
    def reassign(self, request: Request, pk: str) -> Response:
        """Give it to a person, a team or nobody; it stays as acknowledged as it was."""
        incident = get_incident_to_act_on_for(self.actor, int(pk))
        values = self.parsed(AssignmentSerializer)
        given = lifecycle.reassign_incident(incident_id=incident.pk, actor=self.actor, **values)
        return self.answer(given)

    @extend_schema(
        methods=["get"], summary="List notes", responses=NoteSerializer(many=True), filters=False
    )
    @extend_schema(
        methods=["post"],
        summary="Write a note",
        request=NoteSerializer,
        responses={201: NoteSerializer},
    )
    @action(detail=True, methods=["get", "post"], pagination_class=OldestFirst)
    def notes(self, request: Request, pk: str) -> Response:
        """What people wrote about it, oldest first."""
        if request.method == "POST":
            return self._write_note(int(pk))
        incident = get_incident_for(self.actor, int(pk))
        notes = timeline_of(incident).filter(kind=TimelineEntry.Kind.NOTE)
        return self.page_of(notes, NoteSerializer)

    @extend_schema(
        summary="List what happened", responses=TimelineEntrySerializer(many=True), filters=False
    )
    @action(detail=True, methods=["get"], pagination_class=OldestFirst)
    def timeline(self, request: Request, pk: str) -> Response:
        """Everything that happened to it, oldest first."""
        incident = get_incident_for(self.actor, int(pk))
        return self.page_of(timeline_of(incident), TimelineEntrySerializer)

    def _write_note(self, pk: int) -> Response:
        incident = get_incident_to_act_on_for(self.actor, pk)
        text = self.parsed(NoteSerializer)["message"]
        entry = lifecycle.add_note(incident_id=incident.pk, actor=self.actor, text=text)
        return Response(NoteSerializer(entry).data, status=201)

    def _settled(self, incident: Incident, wanted: Incident.Status) -> Response:
        """The incident as it is now; raises Conflict when it could not become what was wanted."""
        incident = get_incident_for(self.actor, incident.pk)
        if incident.status != wanted:
            status = incident.get_status_display().lower()
            raise Conflict(
                f"Incident #{incident.pk} is {status}; it cannot become {wanted.label.lower()}."
            )
        return self.answer(incident)

    @property
    def source(self) -> str:
        """How the timeline names the way: the key, or nothing for a person on the pages."""
        sent = self.request.auth
        return f"API key {sent.name}" if isinstance(sent, ApiKey) else ""
