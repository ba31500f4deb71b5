"""One's own notifications: addresses, rules, quiet hours, absences, and what would come."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.models import Incident
from notifications.models import ContactMethod, Notification, NotificationRule
from notifications.selectors import (
    contact_methods_of,
    get_contact_method_for,
    get_rule_for,
    rules_of,
)
from notifications.services import method_tests, preferences, verification
from notifications.services.planning import PagePlan, load_reach
from opsknight.api.fields import Instant, ModelSerializer, Text
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey
from opsknight.wall_clock import FIRST_YEAR, LAST_YEAR


class ContactMethodSerializer(ModelSerializer):
    """One address of yours.

    `health`: `usable`, or why nothing goes there: `broken` (refused for good), `stopped` (STOP came
    from it), `unverified`, `off`. `status_updates`: it is told what became of incidents, too.
    """

    health = serializers.CharField(read_only=True)

    class Meta:
        model = ContactMethod
        fields = (
            "id", "channel", "address", "label", "enabled", "health", "verified_at", "stopped_at",
            "broken_reason", "status_updates", "created_at",
        )  # fmt: skip
        read_only_fields = (
            "health", "verified_at", "stopped_at", "broken_reason", "created_at",
        )  # fmt: skip


class NewContactMethodSerializer(ModelSerializer):
    """An address to be. The answer alone holds the secret that signs a webhook's bodies."""

    class Meta:
        model = ContactMethod
        fields = ("id", "channel", "address", "label", "verified_at", "secret")
        read_only_fields = ("verified_at", "secret")


class ContactMethodChangeSerializer(ModelSerializer):
    """What can be changed of an address; `enabled` takes a broken one into use again."""

    class Meta:
        model = ContactMethod
        fields = ("label", "enabled", "status_updates")


class CodeSerializer(serializers.Serializer[Any]):
    """The code that was sent to the address."""

    code = Text(max_length=20)


class MethodTestSerializer(ModelSerializer):
    """A test message on its way."""

    class Meta:
        model = Notification
        fields = ("id", "channel", "state", "created_at")
        read_only_fields: ClassVar[Any] = fields


@extend_schema_view(
    list=extend_schema(summary="List your contact methods"),
    retrieve=extend_schema(summary="Get a contact method of yours"),
)
class ContactMethodViewSet(ApiViewSet):
    """Your own addresses. Nobody else sees or changes them here, not even administrators."""

    read_scope = ApiKey.Scope.USERS_READ
    write_scope = ApiKey.Scope.USERS_WRITE
    queryset = ContactMethod.objects.none()
    serializer_class = ContactMethodSerializer
    pagination_class = OldestFirst

    def list(self, request: Request) -> Response:
        """Every address of yours."""
        return self.page_of(contact_methods_of(self.actor))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One address of yours."""
        return self.answer(get_contact_method_for(self.actor, int(pk)))

    @extend_schema(
        summary="Add a contact method",
        request=NewContactMethodSerializer,
        responses={201: NewContactMethodSerializer},
    )
    def create(self, request: Request) -> Response:
        """Add an address. E-mail addresses and numbers are sent a code, to be entered by `verify`
        within 20 minutes; your account's own address and webhooks need none.
        """
        values = self.parsed(NewContactMethodSerializer)
        method = preferences.add_contact_method(
            user=self.actor, now=timezone.now(), ip=self.ip, **values
        )
        return Response(NewContactMethodSerializer(method).data, status=201)

    @extend_schema(
        summary="Change a contact method",
        request=ContactMethodChangeSerializer,
        responses=ContactMethodSerializer,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is given; the address itself stays."""
        method = get_contact_method_for(self.actor, int(pk))
        values = self.parsed(ContactMethodChangeSerializer, partial=True)
        enabled = values.pop("enabled", None)
        if enabled is not None:
            preferences.switch_contact_method(
                user=self.actor, pk=method.pk, is_enabled=enabled, ip=self.ip
            )
        preferences.change_contact_method(
            user=self.actor, pk=method.pk, now=timezone.now(), ip=self.ip, **values
        )
        return self.answer(get_contact_method_for(self.actor, method.pk))

    @extend_schema(summary="Remove a contact method")
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove an address with its rules."""
        preferences.remove_contact_method(user=self.actor, pk=int(pk), ip=self.ip)
        return Response(status=204)

    @extend_schema(summary="Send a code", request=None, responses={202: ContactMethodSerializer})
    @action(detail=True, methods=["post"], url_path="send-code")
    def send_code(self, request: Request, pk: str) -> Response:
        """Send a fresh code to an unverified address; 429 after three within 15 minutes."""
        method = verification.send_code(user=self.actor, pk=int(pk), now=timezone.now(), ip=self.ip)
        return self.answer(method, status=202)

    @extend_schema(
        summary="Verify a contact method", request=CodeSerializer, responses=ContactMethodSerializer
    )
    @action(detail=True, methods=["post"])
    def verify(self, request: Request, pk: str) -> Response:
        """Enter the code that was sent to the address; five tries."""
        code = self.parsed(CodeSerializer)["code"]
        method = verification.enter_code(
            user=self.actor, pk=int(pk), code=code, now=timezone.now(), ip=self.ip
        )
        return self.answer(method)

    @extend_schema(
        summary="Send a test to a contact method",
        request=None,
        responses={202: MethodTestSerializer},
    )
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Queue a test message; 409 for an address that cannot be used."""
        row = method_tests.send_method_test(
            user=self.actor, pk=int(pk), now=timezone.now(), ip=self.ip
        )
        return Response(MethodTestSerializer(row).data, status=202)


class RuleSerializer(serializers.Serializer[Any]):
    """Use an address so many minutes after a page."""

    id = serializers.IntegerField(read_only=True)
    contact_method = serializers.IntegerField(source="contact_method_id", min_value=1)
    urgency = serializers.ChoiceField(
        choices=NotificationRule.Urgency.choices, default=NotificationRule.Urgency.HIGH
    )
    delay_minutes = serializers.IntegerField(min_value=0, max_value=24 * 60, default=0)


class DelaySerializer(serializers.Serializer[Any]):
    """Another place in the list."""

    delay_minutes = serializers.IntegerField(min_value=0, max_value=24 * 60)


@extend_schema_view(list=extend_schema(summary="List your notification rules"))
class RuleViewSet(ApiViewSet):
    """Your two lists of rules: for incidents of high urgency, and for the others."""

    read_scope = ApiKey.Scope.USERS_READ
    write_scope = ApiKey.Scope.USERS_WRITE
    queryset = NotificationRule.objects.none()
    serializer_class = RuleSerializer
    pagination_class = OldestFirst

    def list(self, request: Request) -> Response:
        """Every rule of yours."""
        return self.page_of(rules_of(self.actor))

    @extend_schema(summary="Get a notification rule of yours")
    def retrieve(self, request: Request, pk: str) -> Response:
        """One rule of yours."""
        return self.answer(get_rule_for(self.actor, int(pk)))

    @extend_schema(summary="Add a notification rule", responses={201: RuleSerializer})
    def create(self, request: Request) -> Response:
        """Add a rule; it takes part at once in what you are paged for."""
        rule = preferences.add_rule(
            user=self.actor, now=timezone.now(), ip=self.ip, **self.parsed()
        )
        return self.answer(rule, status=201)

    @extend_schema(
        summary="Change a notification rule", request=DelaySerializer, responses=RuleSerializer
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Give it another delay."""
        rule = preferences.change_rule(
            user=self.actor,
            pk=get_rule_for(self.actor, int(pk)).pk,
            now=timezone.now(),
            ip=self.ip,
            **self.parsed(DelaySerializer),
        )
        return self.answer(rule)

    @extend_schema(summary="Remove a notification rule")
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove it; what waits by it is cancelled."""
        preferences.remove_rule(user=self.actor, pk=int(pk), ip=self.ip)
        return Response(status=204)


class PlanAskedSerializer(serializers.Serializer[Any]):
    """An incident that does not exist."""

    urgency = serializers.ChoiceField(
        choices=Incident.Urgency.choices, default=Incident.Urgency.HIGH
    )
    at = Instant(default=None, allow_null=True, help_text="When it pages you. Null: now.")

    def validate_at(self, at: datetime | None) -> datetime | None:
        """Refuse years for which no zone has rules."""
        if at is not None and not FIRST_YEAR < at.year < LAST_YEAR:
            raise serializers.ValidationError("Use a year from 1901 to 2198.")
        return at


class PlannedPageSerializer(serializers.Serializer[Any]):
    """One message that would come."""

    channel = serializers.CharField()
    contact_method = serializers.IntegerField(
        source="method_id", allow_null=True, help_text="Null: the account's own address."
    )
    wait_minutes = serializers.IntegerField()
    held_until = Instant(allow_null=True, help_text="The end of the quiet hours it falls into.")


class PagePlanSerializer(serializers.Serializer[PagePlan]):
    """What you would get."""

    urgency = serializers.CharField()
    user = serializers.IntegerField(source="user_id", help_text="You, or who is paged instead.")
    substitute_until = Instant(source="absent_until", allow_null=True)
    digest_at = Instant(allow_null=True, help_text="It is gathered until then; nothing comes now.")
    is_reached = serializers.BooleanField(
        source="reaches", help_text="False: a policy goes on to somebody else."
    )
    pages = PlannedPageSerializer(many=True)


class PagingPlanViewSet(ApiViewSet):
    """What would I get now?"""

    read_scope = ApiKey.Scope.USERS_READ
    write_scope = ApiKey.Scope.USERS_WRITE
    queryset = ContactMethod.objects.none()
    serializer_class = PagePlanSerializer

    @extend_schema(
        summary="What would I get now?",
        parameters=[PlanAskedSerializer],
        responses=PagePlanSerializer,
    )
    def list(self, request: Request) -> Response:
        """How an incident would reach you, by the planning that pages; nothing is sent."""
        asked = PlanAskedSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        at = asked.validated_data["at"] or timezone.now()
        urgency = asked.validated_data["urgency"]
        reach = load_reach([self.actor.pk], since=at)
        return Response(
            PagePlanSerializer(reach.plan_of(self.actor.pk, urgency=urgency, at=at)).data
        )
