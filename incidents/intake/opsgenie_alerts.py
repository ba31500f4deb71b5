"""The part of Opsgenie's Alert API that needs the database at once: reading, and actions on an
alert that is named by its number. It runs in a thread beside the door; no database, no answer.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, assert_never, cast
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import Error, close_old_connections, connection
from django.db.models import BigIntegerField, Q, QuerySet

from incidents.intake import opsgenie_answers as shapes
from incidents.intake.answers import Answer
from incidents.intake.arrivals import Arrival
from incidents.intake.events import InvalidPayload, fit_dedup_key, lines, one_line
from incidents.intake.key_owner import KeyOwner
from incidents.intake.opsgenie_calls import Call
from incidents.intake.reception import allowance
from incidents.intake.recording import record_of
from incidents.integrations.reading import decode_object, text
from incidents.models import Alert, Delivery, Incident, Integration
from incidents.services.alert_actions import MAX_LABEL, Action, act_on_incident
from incidents.services.lifecycle import MAX_NOTE_LENGTH
from opsknight.errors import NotAllowed, NotFound, OpsKnightError

logger = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 3.0  # that the database has to answer
# Few, and their own: whoever reads must not take the place of those who send.
_threads: Final = ThreadPoolExecutor(4, "alert-api")

MAX_LIMIT: Final = 100
DEFAULT_LIMIT: Final = 20
MAX_OFFSET: Final = 20_000  # as Opsgenie
SORTS: Final = {"createdAt": "created_at", "updatedAt": "updated_at"}
ORDERS: Final = {"asc": "", "desc": "-"}
_TERM: Final = re.compile(r"(status|alias)\s*[:=]\s*(\"[^\"]*\"|[^\s\"()]+)")
_OPEN: Final = ~Q(status=Incident.Status.RESOLVED)


class Unavailable(OpsKnightError):
    """The database does not answer."""

    code = "unavailable"
    status = 503


async def answer_call(call: Call, arrival: Arrival) -> Answer:
    """Read or change what the key may see.

    Raises NotAllowed, NotFound, InvalidPayload, Conflict, TooManyRequests and Unavailable.
    """
    owner = arrival.owner
    await allowance.take(owner.integration_id, limit=owner.rate_limit, cost=1)
    asked = asyncio.wrap_future(_threads.submit(_answer, call, arrival))
    try:
        return await asyncio.wait_for(asked, PATIENCE_SECONDS)
    except (Error, TimeoutError) as error:
        logger.error("The Alert API cannot ask the database: %r", error)
        raise Unavailable("The database does not answer. Try again shortly.") from error


def _answer(call: Call, arrival: Arrival) -> Answer:
    close_old_connections()
    try:
        _require_key(arrival.owner)
        match call.action:
            case "get":
                return _get(call, arrival)
            case "list":
                return _list(arrival)
            case "count":
                found = _narrowed(arrival).count()
                return _ok(shapes.found({"count": found}))
            case "request":
                return _request(call, arrival)
            case "close" | "acknowledge" | "unacknowledge" | "delete" | "notes":
                return _act(call, arrival)
            case "create":
                raise AssertionError("The door takes it.")
            case _:
                assert_never(call.action)
    finally:
        connection.close()  # it goes back to the pool


def _require_key(owner: KeyOwner) -> None:
    """Raise NotAllowed for a key that was taken away: the door remembers keys for a while."""
    found = Integration.objects.filter(pk=owner.integration_id, key=owner.key, enabled=True)
    if not found.exists():
        raise NotAllowed("This key is unknown or disabled.")


def _ok(body: dict[str, Any]) -> Answer:
    return Answer(200, msgspec.json.encode(body))


def _get(call: Call, arrival: Arrival) -> Answer:
    incident = find_alert(call, arrival.owner.service_id)
    triggers = Alert.objects.filter(incident=incident, action=Alert.Action.TRIGGER)
    last = triggers.select_related("integration").order_by("-received_at", "-id").first()
    return _ok(shapes.found(shapes.alert_of(incident, last)))


def find_alert(call: Call, service_id: int) -> Incident:
    """The incident of the service that a call names; raises NotFound.

    By its alias: the open one, else the storm that holds it, else the newest that had it.
    """
    found = Incident.objects.filter(service_id=service_id).select_related("assignee")
    if call.identifier_type == "alias":
        alias = fit_dedup_key(call.identifier)
        named = found.filter(dedup_key=alias)
        incident = (
            named.filter(_OPEN).first()
            or found.filter(_OPEN, is_storm=True, storm_members__dedup_key=alias).first()
            or named.order_by("-id").first()
        )
    else:
        number = call.identifier
        is_id = number.isascii() and number.isdecimal() and len(number) <= 19
        is_id = is_id and int(number) <= BigIntegerField.MAX_BIGINT
        incident = found.filter(pk=int(number)).first() if is_id else None
    if incident is None:
        raise NotFound(f"{shapes.NO_ALERT}.")
    return incident


def _list(arrival: Arrival) -> Answer:
    query = arrival.query
    limit = min(_number(query, "limit", DEFAULT_LIMIT), MAX_LIMIT)
    offset = _number(query, "offset", 0)
    if offset + limit > MAX_OFFSET:
        raise _unusable("offset", f"offset and limit together are at most {MAX_OFFSET}.")
    sort = SORTS.get(query.get("sort", "createdAt"))
    order = ORDERS.get(query.get("order", "desc"))
    if sort is None or order is None:
        raise _unusable("sort", "Sort by createdAt or updatedAt, in the order asc or desc.")
    found = _narrowed(arrival).order_by(f"{order}{sort}", f"{order}id")
    rows = list(found[offset : offset + limit + 1])
    data = [shapes.summary_of(incident) for incident in rows[:limit]]
    return _ok(shapes.found(data, paging=_paging(query, limit, offset, len(rows) > limit)))


def _narrowed(arrival: Arrival) -> QuerySet[Incident]:
    """The service's incidents that `query` asks for; raises InvalidPayload for other words."""
    found = Incident.objects.filter(service_id=arrival.owner.service_id)
    wanted = arrival.query.get("query", "").strip()
    rest = re.sub(r"\bAND\b", " ", _TERM.sub(" ", wanted))
    terms = {name: value.strip('"') for name, value in _TERM.findall(wanted)}
    status = terms.get("status", "").lower()
    if rest.strip() or status not in ("", "open", "closed"):
        raise _unusable("query", "Only status:open, status:closed and alias:… are understood.")
    if "alias" in terms:
        found = found.filter(dedup_key=fit_dedup_key(terms["alias"]))
    if status:
        found = found.filter(_OPEN if status == "open" else ~_OPEN)
    return found


def _paging(query: Mapping[str, str], limit: int, offset: int, has_more: bool) -> dict[str, str]:
    def page(start: int) -> str:
        kept = {name: query[name] for name in ("query", "sort", "order") if query.get(name)}
        return f"{settings.PUBLIC_URL}/v2/alerts?" + urlencode(
            {**kept, "limit": limit, "offset": start}
        )

    pages = {"first": page(0)}
    if has_more:
        pages["next"] = page(offset + limit)
    if offset:
        pages["prev"] = page(max(offset - limit, 0))
    return pages


def _request(call: Call, arrival: Arrival) -> Answer:
    # Opsgenie's own words; ours may still wait on disk for the database.
    missing = NotFound("Request not found. It might not be processed, yet.")
    try:
        number = UUID(call.identifier)
    except ValueError:
        raise missing from None
    found = Delivery.objects.filter(pk=number, integration_id=arrival.owner.integration_id)
    delivery = found.defer("body", "headers").first()
    if delivery is None:
        raise missing
    return _ok(shapes.found(shapes.request_status(delivery)))


def _act(call: Call, arrival: Arrival) -> Answer:
    # Clients send no body at all, or what DELETE says in the query.
    said = decode_object(arrival.body) if arrival.body.strip() else dict(arrival.query)
    act_on_incident(
        incident=find_alert(call, arrival.owner.service_id),
        action=cast(Action, call.action),
        record=record_of(arrival, Delivery.Verdict.ACCEPTED),
        key=arrival.owner.key,
        user=one_line(text(said, "user"), MAX_LABEL // 2),
        note=lines(text(said, "note"), MAX_NOTE_LENGTH),
    )
    return Answer(202, msgspec.json.encode(shapes.accepted(arrival.id)))


def _number(query: Mapping[str, str], name: str, fallback: int) -> int:
    word = query.get(name, "") or str(fallback)
    if not (word.isascii() and word.isdecimal() and len(word) < 10):
        raise _unusable(name, f"{name} is a whole number.")
    return int(word)


def _unusable(name: str, reason: str) -> InvalidPayload:
    return InvalidPayload(reason, fields={name: [reason]})
