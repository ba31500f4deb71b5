"""Machine intake as a plain ASGI application: key, size, parse, hand over, answer.

Mounted beside Django (`config/asgi.py`) because Django's handler costs more per request than
everything done here. Paths::

    POST /api/events                                  the product's own Events API
    GET, HEAD, POST /api/heartbeats/<key>[/fail]      a beat, or a failure
    POST /v2/enqueue                                  PagerDuty Events API v2
    POST /v2/change/enqueue                           PagerDuty's change events
    *    /v2/alerts…                                  Opsgenie Alert API
    POST /api/integrations/<kind>/<key>               one vendor's format
    POST /api/integrations/<kind>?integrationId=<id>  the same, key in a header or the query
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings
from django.db import Error

from incidents.intake import answers
from incidents.intake.answers import Answer
from incidents.intake.arrivals import Arrival
from incidents.intake.events import InvalidPayload
from incidents.intake.key_memory import KeyMemory
from incidents.intake.key_owner import KeyOwner
from incidents.intake.keyring import Keyring
from incidents.intake.opsgenie_alerts import answer_call
from incidents.intake.opsgenie_calls import read_call
from incidents.intake.reception import receive as receive_arrival
from incidents.intake.routes import Route, find_key, find_route
from incidents.models import Delivery
from opsknight.errors import NotAllowed, NotAuthenticated, OpsKnightError

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

keyring = Keyring(KeyMemory(settings.SPOOL))


class TooLarge(OpsKnightError):
    """The body is larger than the door takes."""

    code = "too_large"
    status = 413


class Unavailable(OpsKnightError):
    """The database does not answer."""

    code = "unavailable"
    status = 503


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request; never raises, never answers 2xx for what is not stored."""
    route = find_route(scope["path"], (scope.get("raw_path") or b"").decode("latin-1"))
    try:
        answer = await _serve(route, scope, receive)
    except OpsKnightError as error:
        answer = answers.failure(route, error)
    except Exception:  # the outermost edge: an answer, and the traceback for us
        logger.exception("The door failed on %r.", scope["path"])
        answer = answers.server_error(route)
    await _send(send, answer, with_body=scope["method"] != "HEAD")


async def _serve(route: Route | None, scope: Scope, receive: Receive) -> Answer:
    if route is None:
        return answers.not_found(scope["path"])
    if route.methods and scope["method"] not in route.methods:
        return answers.method_not_allowed(route)
    headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
    query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    body = await _read(headers, receive)
    owner = await _authenticate(route, headers, query, body)
    call = read_call(scope["method"], route.rest, query) if route.dialect == "opsgenie" else None
    if call is not None:
        query = call.with_address(query)
    if route.dialect == "heartbeat" and route.rest:
        query["status"] = route.rest
    arrival = Arrival(owner=owner, kind=route.kind, headers=headers, query=query, body=body)
    if call is not None and not call.is_event:
        return await answer_call(call, arrival)
    reception = await receive_arrival(arrival)
    if reception.error is not None:
        return answers.failure(route, reception.error, reception.delivery_id)
    if reception.verdict == Delivery.Verdict.IGNORED:
        return answers.ignored(route, reception)
    return answers.success(route, reception)


async def _read(headers: Mapping[str, str], receive: Receive) -> bytes:
    limit = settings.INTAKE_MAX_BODY_BYTES
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidPayload("The connection ended in the middle of the body.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than the limit of {limit // 1024} KiB. Send less at once.")


async def _authenticate(
    route: Route, headers: Mapping[str, str], query: Mapping[str, str], body: bytes
) -> KeyOwner:
    key = find_key(route, headers, query, body)
    if not key:
        raise NotAuthenticated(f"Send the integration key: {route.where_key_goes}.")
    try:
        owner = await keyring.find(key)
    except (Error, TimeoutError) as error:
        logger.error("Cannot look up a key: %s", error)
        raise Unavailable("The event was not stored: try again shortly.") from error
    if owner is None or owner.kind not in route.kinds or not owner.enabled:
        raise NotAllowed(
            "This key is unknown, disabled, or of another kind. "
            "Copy the address from the service's page."
        )
    if "integrationId" in query and query["integrationId"] != str(owner.integration_id):
        raise NotAllowed("This key belongs to another integration than integrationId says.")
    return owner


async def _send(send: Send, answer: Answer, *, with_body: bool) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if with_body else b""})
