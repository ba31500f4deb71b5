"""From an arrival to what is stored: proof, understanding, rules, limit, commit.

The one way in for everything that has an integration's key, whether it came over HTTP, by e-mail,
from the simulator or is replayed. Whatever becomes of it, its delivery is recorded.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from asgiref.sync import async_to_sync

from incidents.intake import beats
from incidents.intake.allowance import Allowance
from incidents.intake.arrivals import Arrival
from incidents.intake.committer import shared_committer
from incidents.intake.events import ChangeEvent, Event, InvalidPayload, Unsupported
from incidents.intake.recording import record_of
from incidents.intake.rules import Routing, Ruled, apply_rules
from incidents.intake.signatures import SignatureRefused, check_signature, prepare
from incidents.integrations import CHANGE_PARSERS, PARSERS
from incidents.models import Delivery
from incidents.services.intake import Outcome
from incidents.services.received import Received
from opsknight.errors import OpsKnightError
from opsknight.ratelimit import TooManyRequests

logger = logging.getLogger(__name__)

Verdict = Delivery.Verdict
# Forged deliveries of one integration that are recorded in a minute; the others are only refused.
REFUSALS_A_MINUTE = 60

allowance = Allowance("events")
_refusals = Allowance("refusals")


class ParserFailed(OpsKnightError):
    """Our parser broke on it; the delivery is kept and can be replayed when it is mended."""

    code = "server_error"
    status = 500


@dataclass(frozen=True, slots=True)
class Reception:
    """What became of an arrival; `error` is what its sender is told instead of a success."""

    delivery_id: UUID
    verdict: str
    outcomes: Sequence[Outcome] = ()
    reason: str = ""
    error: OpsKnightError | None = None

    @property
    def is_spooled(self) -> bool:
        """Whether it waits on disk for the database."""
        return any(outcome.result == "queued" for outcome in self.outcomes)


@dataclass(frozen=True, slots=True)
class _Understood:
    verdict: str
    signature: str = ""
    ruled: Ruled = field(default_factory=lambda: Ruled([]))
    change: ChangeEvent | None = None
    reason: str = ""
    error: OpsKnightError | None = None


async def receive(arrival: Arrival) -> Reception:
    """Store the arrival, or say in `error` why its events are not stored.

    Raises TooManyRequests and Unavailable; then nothing was kept, and the sender repeats it.
    """
    understood = await _understand(arrival)
    record = record_of(
        arrival,
        understood.verdict,
        reason=understood.reason,
        signature=understood.signature,
        change=understood.change,
    )
    received = [_received(arrival, event, routing) for event, routing in understood.ruled.events]
    try:
        outcomes = await shared_committer().submit_async(received, record)
    except OpsKnightError:
        if understood.error is None:
            raise
        outcomes = []  # it is refused all the same, only not recorded
    error = understood.error or next((o.error for o in outcomes if o.error is not None), None)
    return Reception(arrival.id, record.verdict, outcomes, understood.reason, error)


def receive_sync(arrival: Arrival) -> Reception:
    """The same for a thread without an event loop."""
    return async_to_sync(receive)(arrival)


async def _understand(arrival: Arrival) -> _Understood:
    owner = arrival.owner
    try:
        signature = await check_signature(arrival)
    except SignatureRefused as error:
        try:
            await _refusals.take(owner.integration_id, limit=REFUSALS_A_MINUTE, cost=1)
        except TooManyRequests:
            raise error from None
        return _Understood(Verdict.REFUSED, "refused", reason=error.message, error=error)
    try:
        await prepare(arrival, signature)
    except Unsupported as reason:
        await _limit(arrival, 1)
        return _Understood(Verdict.IGNORED, signature, reason=reason.message)
    try:
        events, change = _parse(arrival)
    except Unsupported as reason:
        await _limit(arrival, 1)
        return _Understood(Verdict.IGNORED, signature, reason=reason.message)
    except InvalidPayload as error:
        await _limit(arrival, 1)
        return _Understood(Verdict.INVALID, signature, reason=error.message, error=error)
    except Exception:  # a mistake in one parser: the delivery is kept, and listed as such
        logger.exception("The parser of %s failed on delivery %s.", arrival.kind, arrival.id)
        await _limit(arrival, 1)
        failure = ParserFailed("Our parser broke on this. The delivery is kept; it was logged.")
        return _Understood(Verdict.INVALID, signature, reason=failure.message, error=failure)
    await _limit(arrival, len(events))
    ruled = _ruled(arrival, events)
    return _Understood(Verdict.ACCEPTED, signature, ruled, change, " ".join(ruled.warnings))


def _parse(arrival: Arrival) -> tuple[Sequence[Event], ChangeEvent | None]:
    sent = (arrival.headers, arrival.query, arrival.body)
    if read_change := CHANGE_PARSERS.get(arrival.kind):
        return [], read_change(*sent)
    return PARSERS[arrival.kind](*sent), None


async def _limit(arrival: Arrival, cost: int) -> None:
    owner = arrival.owner
    if owner.rate_limit:
        await allowance.take(owner.integration_id, limit=owner.rate_limit, cost=cost)


def _ruled(arrival: Arrival, events: Sequence[Event]) -> Ruled:
    rules = arrival.owner.rules
    if rules is None:
        return Ruled([(event, None) for event in events])
    return apply_rules(
        rules,
        events,
        headers=arrival.headers,
        query=arrival.query,
        body=arrival.body,
        kind=arrival.kind,
        key=arrival.owner.key,
    )


def _received(arrival: Arrival, event: Event, routing: Routing | None) -> Received:
    owner = arrival.owner
    is_beat = arrival.kind == beats.KIND
    if is_beat:
        event = beats.as_beat(event, owner.integration_id, owner.name)
    return Received(
        event=event,
        service_id=owner.service_id,
        integration_id=owner.integration_id,
        sender=owner.name,
        key=owner.key,
        delivery_id=arrival.id,
        routing=_prioritized(event, routing),
        is_beat=is_beat,
    )


def _prioritized(event: Event, routing: Routing | None) -> Routing | None:
    """The vendor's own priority holds unless a rule chose one."""
    if not event.priority or (routing is not None and routing.priority):
        return routing
    return replace(routing or Routing(), priority=event.priority)
