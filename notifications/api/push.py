"""Browsers that are pushed to, for interfaces of one's own."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from notifications.models import ContactMethod
from notifications.models.preferences import MAX_ADDRESS_LENGTH
from notifications.services.push_subscriptions import Subscription, subscribe_browser
from opsknight.api.fields import ModelSerializer, Text
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey


class KeysSerializer(serializers.Serializer[Any]):
    """Of the browser, in base64url."""

    p256dh = Text(max_length=100)
    auth = Text(max_length=30)


class NewSubscriptionSerializer(serializers.Serializer[Any]):
    """What `PushSubscription.toJSON()` of a browser says, and a name for it."""

    endpoint = Text(max_length=MAX_ADDRESS_LENGTH)
    keys = KeysSerializer()
    # The name of the field is a name of the base class, too.
    label = Text(  # type: ignore[assignment]
        required=False, allow_blank=True, max_length=100
    )


class SubscribedSerializer(ModelSerializer):
    """The contact method that it became; see `/api/v1/me/contact-methods`."""

    class Meta:
        model = ContactMethod
        fields = ("id", "label", "enabled", "verified_at", "created_at")
        read_only_fields: ClassVar[Any] = fields


class PushKeySerializer(serializers.Serializer[Any]):
    """`public_key`: the `applicationServerKey` of `pushManager.subscribe()`, base64url."""

    public_key = serializers.CharField(read_only=True)


class PushSubscriptionViewSet(ApiViewSet):
    """Your own browsers. Take one out by removing its contact method."""

    read_scope = ApiKey.Scope.USERS_READ
    write_scope = ApiKey.Scope.USERS_WRITE
    queryset = ContactMethod.objects.none()
    serializer_class = SubscribedSerializer

    @extend_schema(
        summary="Subscribe a browser",
        request=NewSubscriptionSerializer,
        responses={201: SubscribedSerializer},
    )
    def create(self, request: Request) -> Response:
        """Push your pages to a browser, at once and for every urgency; the same one again takes
        the place of itself. 409 where somebody else has it and its keys are others.
        """
        values = self.parsed(NewSubscriptionSerializer)
        keys = values["keys"]
        method = subscribe_browser(
            user=self.actor,
            subscription=Subscription(values["endpoint"], keys["p256dh"], keys["auth"]),
            label=values.get("label", ""),
            now=timezone.now(),
            ip=self.ip,
        )
        return self.answer(method, status=201)

    @extend_schema(summary="Get the key for push", request=None, responses=PushKeySerializer)
    @action(detail=False, methods=["get"])
    def key(self, request: Request) -> Response:
        """The public half of the key that signs push messages."""
        return Response({"public_key": settings.VAPID_PUBLIC_KEY})
