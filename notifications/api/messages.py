"""Outgoing messages, for programs."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.utils import timezone
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.api.filters import IdFilter, InstantFilter, WordsFilter
from notifications import message_words
from notifications.message_log import (
    OUTGOING,
    get_message_for,
    get_message_to_resend_for,
    visible_messages,
)
from notifications.models import DeliveryAttempt, Notification
from notifications.services.resending import resend_message
from opsknight.api.fields import ModelSerializer
from opsknight.api.pagination import CursorPagination
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey


class RecipientSerializer(serializers.Serializer[Any]):
    """Who it is for: a person or a destination."""

    type = serializers.CharField(help_text="`user` or `destination`.")
    id = serializers.IntegerField()
    name = serializers.CharField()


class MessageSerializer(ModelSerializer):
    """A message, without its text and without the whole address.

    `waits_for` says what a pending one waits for beyond its own time. `event`: of a message to
    whoever follows a service or a team, its name.
    """

    recipient = serializers.SerializerMethodField()
    address = serializers.SerializerMethodField(help_text="Enough to recognise it.")
    subject = serializers.SerializerMethodField(help_text="Of a notice, which has no incident.")
    event = serializers.SerializerMethodField()

    class Meta:
        model = Notification
        fields = (
            "id",
            "state",
            "channel",
            "reason",
            "recipient",
            "address",
            "incident",
            "subject",
            "event",
            "created_at",
            "due_at",
            "finished_at",
            "waits_for",
            "attempts",
            "maybe_duplicate",
            "last_error",
        )
        read_only_fields: ClassVar[Any] = fields

    @extend_schema_field(RecipientSerializer)
    def get_recipient(self, message: Notification) -> dict[str, Any]:
        """The person or the destination."""
        sort = "user" if message.user_id is not None else "destination"
        recipient = message.recipient
        return {"type": sort, "id": recipient and recipient.pk, "name": str(recipient)}

    def get_address(self, message: Notification) -> str:
        """Masked, for whomever."""
        return message_words.masked_address(message)

    def get_subject(self, message: Notification) -> str:
        """Never a code."""
        return message_words.subject_of(message)

    def get_event(self, message: Notification) -> str:
        """Its name; empty for what is no event."""
        return str(message.details.get("event", {}).get("type", "")) if _is_event(message) else ""


def _is_event(message: Notification) -> bool:
    return message.reason == Notification.Reason.EVENT


class AttemptSerializer(ModelSerializer):
    """One call to a provider and its answer."""

    class Meta:
        model = DeliveryAttempt
        fields = ("at", "outcome", "provider", "detail", "duration_ms")
        read_only_fields: ClassVar[Any] = fields


class OneMessageSerializer(MessageSerializer):
    """A message with every attempt, oldest first."""

    tries = AttemptSerializer(source="delivery_attempts", many=True, read_only=True)

    class Meta(MessageSerializer.Meta):
        fields = (*MessageSerializer.Meta.fields, "tries")  # type: ignore[assignment]
        read_only_fields: ClassVar[Any] = fields


class MessageFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What a list of messages can be narrowed to."""

    state = WordsFilter(choices=Notification.State.choices, help_text="One or more.")
    channel = WordsFilter(choices=OUTGOING, help_text="One or more.")
    reason = WordsFilter(choices=Notification.Reason.choices, help_text="One or more.")
    incident = IdFilter(help_text="Id of the incident.")
    user = IdFilter(help_text="Id of the person.")
    destination = IdFilter(help_text="Id of the destination.")
    since = InstantFilter("created_at", "gte", help_text="Written at this time or later.")
    until = InstantFilter("created_at", "lt", help_text="Written before this time.")

    class Meta:
        model = Notification
        fields: tuple[str, ...] = ()


@extend_schema_view(
    list=extend_schema(summary="List outgoing messages"),
    retrieve=extend_schema(summary="Get an outgoing message", responses=OneMessageSerializer),
)
class MessageViewSet(ApiViewSet):
    """Everything that went out or waits: pages, notices, events. As private as their incidents."""

    read_scope = ApiKey.Scope.INCIDENTS_READ
    write_scope = ApiKey.Scope.INCIDENTS_WRITE
    queryset = Notification.objects.none()
    serializer_class = MessageSerializer
    pagination_class = CursorPagination
    filter_backends: Any = (DjangoFilterBackend,)
    filterset_class: ClassVar[Any] = MessageFilters

    def list(self, request: Request) -> Response:
        """Messages, newest first, narrowed by the filters."""
        return self.page_of(self.filter_queryset(visible_messages(self.actor)))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One message with its attempts."""
        message = get_message_for(self.actor, int(pk))
        return Response(OneMessageSerializer(message, context=self.get_serializer_context()).data)

    @extend_schema(summary="Send a message again", request=None, responses={202: MessageSerializer})
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: str) -> Response:
        """Queue it once more as a new message; 409 when there is nothing to send again."""
        message = get_message_to_resend_for(self.actor, int(pk))
        copy = resend_message(message=message, actor=self.actor, now=timezone.now(), ip=self.ip)
        return self.answer(copy, 202)
