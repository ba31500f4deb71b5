"""How an integration's deliveries are signed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.intake.schemes import SCHEMES
from incidents.models import Integration
from incidents.selectors import get_integration_for
from incidents.services import signing
from opsknight.api.fields import Instant, Text
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey

MAX_KEEP_HOURS = int(signing.MAX_KEEP.total_seconds() // 3600)


class SigningSerializer(serializers.Serializer[Any]):
    """Whether and how deliveries prove where they come from."""

    signature_required = serializers.BooleanField(
        help_text="Whether deliveries without a valid signature are refused."
    )
    header = serializers.CharField(
        read_only=True, allow_null=True, help_text="null: this kind has no signatures."
    )
    secret = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="null where the vendor made it, and for API keys that may only read.",
    )
    has_secret = serializers.BooleanField(read_only=True)
    previous_secret_until = Instant(
        read_only=True, allow_null=True, help_text="Until when the secret before it is valid."
    )


class SigningChangeSerializer(serializers.Serializer[Any]):
    """Require a signature, or waive it."""

    signature_required = serializers.BooleanField()


class SecretSerializer(serializers.Serializer[Any]):
    """A new secret."""

    secret = Text(
        required=False,
        max_length=signing.MAX_LENGTH,
        help_text="Left out: one is made. For Amazon CloudWatch: the ARN of the topic.",
    )
    keep_hours = serializers.IntegerField(
        default=int(signing.KEEP.total_seconds() // 3600),
        min_value=0,
        max_value=MAX_KEEP_HOURS,
        help_text="How long the present secret stays valid beside the new one.",
    )


class SigningActions(ApiViewSet):
    """What `IntegrationViewSet` does with signatures."""

    SIGNING: ClassVar = SigningSerializer

    @extend_schema(summary="Say how deliveries are signed", responses=SigningSerializer)
    @action(detail=True, methods=["get"], url_path="signing")
    def signing_state(self, request: Request, pk: str) -> Response:
        """Whether a signature is required, and the secret."""
        return self._answer_signing(get_integration_for(self.actor, int(pk)))

    @extend_schema(
        summary="Require or waive signatures",
        request=SigningChangeSerializer,
        responses=SigningSerializer,
    )
    @signing_state.mapping.patch
    def change_signing(self, request: Request, pk: str) -> Response:
        """Refuse what is not signed, or take it; both are in the audit log."""
        integration = get_integration_for(self.actor, int(pk))
        required = self.parsed(SigningChangeSerializer)["signature_required"]
        change = signing.require_signature if required else signing.waive_signature
        change(integration=integration, actor=self.actor, ip=self.ip)
        return self._answer_signing(integration)

    @extend_schema(
        summary="Store or make a secret", request=SecretSerializer, responses=SigningSerializer
    )
    @action(detail=True, methods=["post"], url_path="signing/secret")
    def signing_secret(self, request: Request, pk: str) -> Response:
        """Use another secret from now on; the present one stays valid for a while."""
        integration = get_integration_for(self.actor, int(pk))
        values = self.parsed(SecretSerializer)
        keep = timedelta(hours=values["keep_hours"])
        who: dict[str, Any] = {"actor": self.actor, "ip": self.ip}
        if "secret" in values:
            signing.store_signing_secret(
                integration=integration, secret=values["secret"], keep=keep, **who
            )
        else:
            signing.generate_signing_secret(integration=integration, keep=keep, **who)
        return self._answer_signing(integration)

    @extend_schema(summary="Forget the secrets", request=None, responses={204: None})
    @signing_secret.mapping.delete
    def clear_secret(self, request: Request, pk: str) -> Response:
        """Forget them all; 409 while a signature is required."""
        integration = get_integration_for(self.actor, int(pk))
        signing.clear_signing_secret(integration=integration, actor=self.actor, ip=self.ip)
        return Response(status=204)

    @extend_schema(summary="End the previous secret", request=None, responses={204: None})
    @action(detail=True, methods=["delete"], url_path="signing/previous-secret")
    def previous_secret(self, request: Request, pk: str) -> Response:
        """Only the newest secret is valid from now on."""
        integration = get_integration_for(self.actor, int(pk))
        signing.end_previous_secret(integration=integration, actor=self.actor, ip=self.ip)
        return Response(status=204)

    def _answer_signing(self, integration: Integration) -> Response:
        scheme = SCHEMES.get(integration.kind)
        sent = self.request.auth
        may_only_read = isinstance(sent, ApiKey) and ApiKey.Scope.SERVICES_WRITE not in sent.scopes
        is_hidden = may_only_read or scheme is None or scheme.maker == "vendor"
        values = {
            "signature_required": integration.signature_required,
            "header": scheme.header if scheme else None,
            "secret": None if is_hidden else integration.signing_secret or None,
            "has_secret": bool(integration.signing_secret),
            "previous_secret_until": signing.previous_secret_ends_at(integration, timezone.now()),
        }
        return Response(self.SIGNING(values).data)
