"""Events over REST: one or many at once, by the parser and the committer of the door."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError

import msgspec
from django.contrib.auth.models import AnonymousUser
from django.db.models import BigIntegerField
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from incidents.api.event_schema import EVENT_REQUEST, EVENT_RESPONSES
from incidents.intake.answers import result_of
from incidents.intake.arrivals import Arrival
from incidents.intake.committer import Unavailable, shared_committer
from incidents.intake.decoding import decode
from incidents.intake.keyring import owner_of
from incidents.intake.reception import receive_sync
from incidents.intake.routes import EVENT_API_KINDS
from incidents.integrations import events_api
from incidents.models import Integration, Service
from incidents.selectors import visible_services
from incidents.services.intake import Outcome
from incidents.services.received import Received
from opsknight.api.authentication import ApiKeyAuthentication
from opsknight.api.permissions import ScopedPermission
from opsknight.api.views import ApiViewSet
from opsknight.errors import NotAllowed
from opsknight.models import ApiKey, User
from opsknight.permissions import team_ids_of
from opsknight.services.configuration import invalid

SECONDS = 20.0  # how long a sender waits for the database at most
MAX_SENDER_LENGTH = 200


class EventBody(events_api.Body):
    """One event; with an API key or a session it names its service."""

    service_id: int | None = None


_one = msgspec.json.Decoder(EventBody)
_many = msgspec.json.Decoder(list[EventBody])


class IntegrationKeyAuthentication(BaseAuthentication):
    """`Authorization: Token token=<integration key>`, as at the door."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Integration] | None:
        """Nobody and the integration; None when the request has no such key.

        Raises NotAllowed for a key that opens nothing.
        """
        scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != "token":
            return None
        key = value.strip().removeprefix("token=").strip("\"'")
        known = Integration.objects.filter(key=key) if "\x00" not in key else None
        integration = known.select_related("service").first() if known is not None else None
        if integration is None or not integration.enabled:
            raise NotAllowed("This integration key is unknown or disabled.")
        if integration.kind not in EVENT_API_KINDS:
            raise NotAllowed("This key is of an integration that does not take plain events.")
        return AnonymousUser(), integration


class EventPermission(ScopedPermission):
    """An integration with its key, or a person with the scope `events:write`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Integrations may send events to their own service."""
        return isinstance(request.auth, Integration) or super().has_permission(request, view)


class EventViewSet(ApiViewSet):
    """Events of monitoring systems."""

    read_scope = ApiKey.Scope.EVENTS_WRITE
    write_scope = ApiKey.Scope.EVENTS_WRITE
    authentication_classes = (
        ApiKeyAuthentication,
        IntegrationKeyAuthentication,
        SessionAuthentication,
    )
    permission_classes = (EventPermission,)

    @extend_schema(summary="Send events", request=EVENT_REQUEST, responses=EVENT_RESPONSES)
    def create(self, request: Request) -> Response:
        """Send one event, or a list of up to 100. 202 means that all of them are stored.

        With an API key each event names its `service_id`; an integration key implies it.
        """
        raw = request._request.body
        if isinstance(request.auth, Integration):
            outcomes = _receive(request, request.auth, raw)
        else:
            outcomes = _store(self._received(*_bodies(raw)))
        results = [result_of(outcome) for outcome in outcomes]
        body = {"status": "success", "result": results[0], "results": results}
        return Response(body, status=202)

    def _received(self, bodies: Sequence[EventBody], is_list: bool) -> list[Received]:
        sent = self.request.auth
        name = f"{self.actor} ({sent.name})" if isinstance(sent, ApiKey) else str(self.actor)
        services = _services(self.actor, bodies, is_list)
        events = (
            [events_api.listed_event(body, place) for place, body in enumerate(bodies)]
            if is_list
            else [events_api.to_event(bodies[0])]
        )
        return [
            Received(
                event=event,
                service_id=service.pk,
                integration_id=None,
                sender=name[:MAX_SENDER_LENGTH],
            )
            for event, service in zip(events, services, strict=True)
        ]


def _receive(request: Request, integration: Integration, raw: bytes) -> Sequence[Outcome]:
    """Take a delivery of an integration as the door would: recorded, limited, by its rules."""
    reception = receive_sync(
        Arrival(
            owner=owner_of(integration),
            kind=Integration.Kind.EVENTS,
            body=raw,
            headers={name.lower(): value for name, value in request.headers.items()},
            query=request.query_params.dict(),
        )
    )
    if reception.error is not None:
        raise reception.error
    return reception.outcomes


def _bodies(raw: bytes) -> tuple[list[EventBody], bool]:
    """The events of a body, and whether it was a list; raises InvalidPayload."""
    if not events_api.is_list(raw):
        return [decode(raw, _one)], False
    return events_api.decode_list(raw, _many), True


def _services(user: User, bodies: Sequence[EventBody], is_list: bool) -> list[Service]:
    """The service of each event; three queries at most.

    Raises InvalidInput for missing and unknown ones, NotAllowed for those of other teams.
    """
    largest = BigIntegerField.MAX_BIGINT
    ids = {b.service_id for b in bodies if b.service_id and 0 < b.service_id <= largest}
    services = visible_services(user).in_bulk(ids)
    reasons: dict[str, list[str]] = {}
    for place, body in enumerate(bodies):
        name = f"{place}.service_id" if is_list else "service_id"
        if body.service_id is None:
            reasons[name] = ["Name the service, or send the key of an integration."]
        elif body.service_id not in services:
            reasons[name] = [f"There is no service {body.service_id}."]
    if reasons:
        raise invalid(reasons)
    if not user.is_responder:
        teams = team_ids_of(user)
        for service in services.values():
            if service.team_id not in teams:
                raise NotAllowed(f"Only responders and the team of {service.name} may do this.")
    return [services[body.service_id] for body in bodies if body.service_id is not None]


def _store(received: Sequence[Received]) -> list[Outcome]:
    """Hand over to the committer and wait for COMMIT; raises what an event of them met."""
    try:
        outcomes = shared_committer().submit(received).result(SECONDS)
    except FutureTimeoutError as error:
        message = "The database takes too long. The events may be stored; send them again."
        raise Unavailable(message) from error
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return outcomes
