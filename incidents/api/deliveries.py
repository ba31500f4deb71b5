"""What came through the door, and what became of it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.delivery_search import (
    MAX_TEXT,
    DeliverySearch,
    limited_time,
    narrowed_deliveries,
    require_moment,
)
from incidents.filters import read_id
from incidents.models import Delivery
from incidents.models.delivery import incident_id_of
from incidents.selectors import (
    get_delivery_for,
    get_integration_for,
    hidden_incident_ids,
    readable_deliveries,
    visible_deliveries,
)
from incidents.services.deliveries import replay_delivery
from opsknight.api.fields import ModelSerializer
from opsknight.api.pagination import CursorPagination
from opsknight.api.views import ApiViewSet
from opsknight.errors import InvalidInput, NotFound
from opsknight.models import ApiKey

UUID_PATTERN: Final = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class NewestDeliveries(CursorPagination):
    """Pages by cursor; the ids of deliveries are UUIDs that grow with time."""

    def is_position(self, text: str) -> bool:
        """Whether it is the id of a delivery."""
        try:
            return str(UUID(text)) == text
        except ValueError:
            return False


class ResultSerializer(serializers.Serializer[Any]):
    """What became of one event of a delivery."""

    action = serializers.CharField()
    dedup_key = serializers.CharField()
    incident = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField()


class DeliverySerializer(ModelSerializer):
    """A delivery. One that belongs to a private incident says nothing but when it came."""

    is_hidden = serializers.SerializerMethodField(
        help_text="It belongs to an incident that you may not see."
    )
    results = serializers.SerializerMethodField()

    class Meta:
        model = Delivery
        fields = (
            "id",
            "integration",
            "kind",
            "via",
            "received_at",
            "verdict",
            "reason",
            "signature",
            "results",
            "is_hidden",
            "was_spooled",
            "replay_of",
        )

    def get_is_hidden(self, delivery: Delivery) -> bool:
        """Whether the person who asks may not see what it says."""
        return bool(delivery.incident_ids & self._hidden)

    @extend_schema_field(ResultSerializer(many=True))
    def get_results(self, delivery: Delivery) -> list[dict[str, Any]]:
        """One for each event."""
        return [
            {
                "action": str(result.get("action") or ""),
                "dedup_key": str(result.get("dedup_key") or ""),
                "incident": incident_id_of(result),
                "reason": str(result.get("reason") or ""),
            }
            for result in delivery.results
            if isinstance(result, dict)
        ]

    def to_representation(self, instance: Delivery) -> dict[str, Any]:
        """All of it, or of a hidden one that it came."""
        shown: dict[str, Any] = super().to_representation(instance)
        return shown | self.blanks if shown["is_hidden"] else shown

    @property
    def blanks(self) -> dict[str, Any]:
        """What stands in the place of what must not be seen."""
        return {"reason": "", "results": []}

    @property
    def _hidden(self) -> set[int]:
        hidden: set[int] = self.context["hidden"]
        return hidden


class WholeDeliverySerializer(DeliverySerializer):
    """A delivery with what came; secrets in it are masked."""

    body = serializers.SerializerMethodField(help_text="Null where it is no UTF-8 text.")
    body_base64 = serializers.SerializerMethodField()

    class Meta:
        model = Delivery
        fields = (*DeliverySerializer.Meta.fields, "headers", "query", "body", "body_base64")

    def get_body(self, delivery: Delivery) -> str | None:
        """As text."""
        try:
            return bytes(delivery.body).decode()
        except UnicodeDecodeError:
            return None

    def get_body_base64(self, delivery: Delivery) -> str:
        """As it came."""
        return base64.b64encode(bytes(delivery.body)).decode()

    @property
    def blanks(self) -> dict[str, Any]:
        """Also nothing of what came."""
        what_came: dict[str, Any] = {"headers": {}, "query": {}, "body": None, "body_base64": ""}
        return super().blanks | what_came


class DeliveryViewSet(ApiViewSet):
    """Deliveries of integrations; seen by those who may change their service. Kept for a while."""

    read_scope = ApiKey.Scope.SERVICES_READ
    write_scope = ApiKey.Scope.SERVICES_WRITE
    queryset = Delivery.objects.none()
    serializer_class = DeliverySerializer
    pagination_class = NewestDeliveries
    lookup_value_regex = UUID_PATTERN

    @extend_schema(
        summary="List deliveries",
        parameters=[
            OpenApiParameter("integration", int, description="Id of the integration."),
            OpenApiParameter("verdict", str, enum=Delivery.Verdict.values),
            OpenApiParameter(
                "search",
                str,
                description=(
                    "A part of the body, of a dedup key or of the reason; `#12`, an incident; or "
                    "the id of a delivery."
                ),
            ),
            OpenApiParameter("since", OpenApiTypes.DATETIME, description="Came then or later."),
            OpenApiParameter("until", OpenApiTypes.DATETIME, description="Came before that."),
        ],
    )
    def list(self, request: Request) -> Response:
        """What came, newest first, without bodies. 409 for a search that takes too long."""
        deliveries = visible_deliveries(self.actor)
        if pk := self._integration_id(request):
            deliveries = deliveries.filter(integration=get_integration_for(self.actor, pk))
        wanted = self._search(request)
        found = narrowed_deliveries(deliveries, wanted, self.actor)
        with limited_time(wanted):
            page = self.paginate_queryset(found.defer("body", "headers", "query")) or []
        build = DeliverySerializer(page, many=True, context=self._context(page))
        return self.get_paginated_response(build.data)

    @extend_schema(summary="Get a delivery", responses=WholeDeliverySerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One delivery with headers, query and body."""
        return self._whole(get_delivery_for(self.actor, UUID(pk)))

    @extend_schema(
        summary="Replay a delivery", request=None, responses={201: WholeDeliverySerializer}
    )
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: str) -> Response:
        """Receive it once more, with the parser and rules of today; answers the new delivery.

        It opens incidents and pages people like the first time. 202 without a body: the database
        is away, and the replay waits on disk.
        """
        delivery = get_delivery_for(self.actor, UUID(pk))
        if not readable_deliveries(self.actor, [delivery]):  # it would open a public incident
            raise NotFound("This delivery belongs to a private incident.")
        reception = replay_delivery(delivery=delivery, actor=self.actor, ip=self.ip)
        if reception.is_spooled:
            return Response(status=202)
        return self._whole(get_delivery_for(self.actor, reception.delivery_id), status=201)

    def _whole(self, delivery: Delivery, status: int = 200) -> Response:
        build = WholeDeliverySerializer(delivery, context=self._context([delivery]))
        return Response(build.data, status=status)

    def _context(self, deliveries: Sequence[Delivery]) -> dict[str, Any]:
        numbers = {pk for delivery in deliveries for pk in delivery.incident_ids}
        hidden = hidden_incident_ids(self.actor, numbers)
        return self.get_serializer_context() | {"hidden": hidden}

    def _integration_id(self, request: Request) -> int | None:
        text = request.query_params.get("integration", "")
        if not text:
            return None
        number = read_id(text)
        if number is None:
            raise _wrong("integration", "Use an id, a whole number.")
        return number

    def _search(self, request: Request) -> DeliverySearch:
        query = request.query_params
        verdict, text = query.get("verdict", ""), query.get("search", "")
        if verdict and verdict not in Delivery.Verdict.values:
            raise _wrong("verdict", f"Use one of {', '.join(Delivery.Verdict.values)}.")
        if len(text) > MAX_TEXT or "\x00" in text:
            raise _wrong("search", f"Use a text of at most {MAX_TEXT} characters.")
        return DeliverySearch(
            verdict=verdict,
            text=text.strip(),
            since=require_moment(query.get("since", ""), "since"),
            until=require_moment(query.get("until", ""), "until"),
        )


def _wrong(name: str, message: str) -> InvalidInput:
    return InvalidInput(message, fields={name: [message]})
