"""What would become of a message, without sending it: parser, rules, signature, open incidents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from asgiref.sync import async_to_sync

from incidents.intake import beats
from incidents.intake.arrivals import Arrival
from incidents.intake.decide import decide
from incidents.intake.events import Event
from incidents.intake.rules import Routing, RuledEvent, RuleTexts
from incidents.intake.signatures import SignatureRefused, check_signature
from incidents.models import Incident
from incidents.policies import policies_by_id
from incidents.services.rules import preview_rules

# What a decision means before it is taken; `decide` knows when.
FORESEEN = {
    "triggered": "Opens an incident",
    "deduplicated": "Joins",
    "acknowledged": "Acknowledges",
    "resolved": "Resolves",
    "ignored": "Does nothing",
}


@dataclass(frozen=True, slots=True)
class ForeseenEvent:
    """One event, as parser and rules leave it, and what it would do."""

    event: Event
    routing: Routing | None
    policy: str  # the name of the policy that a route chose
    problems: Mapping[str, str]  # rules that failed, by field
    result: str  # as in `decide.Result`
    what: str  # the same, in words
    incident_id: int | None  # the open incident it would change
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would become of a message."""

    events: Sequence[ForeseenEvent] = ()
    unshown: int = 0  # further events
    error: str = ""  # why it has no events
    refusal: str = ""  # why its signature would be refused
    signature: str = ""  # how it would be proven

    @property
    def opens(self) -> int:
        """How many of the events would open an incident."""
        return sum(event.result == "triggered" for event in self.events)


def foresee(arrival: Arrival) -> Foreseen:
    """Say what would become of it; stores nothing, pages nobody. At most 2 queries."""
    signature, refusal = "", ""
    try:
        signature = async_to_sync(check_signature)(arrival)
    except SignatureRefused as error:
        refusal = error.message
    preview = preview_rules(
        kind=arrival.kind,
        texts=arrival.owner.rules or RuleTexts(),
        headers=arrival.headers,
        query=arrival.query,
        body=arrival.body,
    )
    found = [_as_received(ruled, arrival) for ruled in preview.events]
    keys = {ruled.event.dedup_key for ruled in found}
    open_ones = _open_incidents(arrival.owner.service_id, keys) if keys else {}
    chosen = {r.routing.policy_id for r in found if r.routing and r.routing.policy_id}
    policies = policies_by_id(chosen) if chosen else {}
    events = []
    for ruled in found:
        pk, status = open_ones.get(ruled.event.dedup_key, (None, None))
        decision = decide(ruled.event, status=status, resolved_at=None)
        policy_id = ruled.routing.policy_id if ruled.routing else None
        events.append(
            ForeseenEvent(
                event=ruled.event,
                routing=ruled.routing,
                policy=str(policies.get(policy_id, "")) if policy_id else "",
                problems=ruled.problems,
                result=decision.result,
                what=FORESEEN[decision.result],
                incident_id=pk,
                reason=decision.reason,
            )
        )
    return Foreseen(events, preview.hidden, preview.error, refusal, signature)


def _as_received(ruled: RuledEvent, arrival: Arrival) -> RuledEvent:
    """The event of a heartbeat has the key of its integration, whatever parser and rules say."""
    if arrival.kind != beats.KIND:
        return ruled
    owner = arrival.owner
    return replace(ruled, event=beats.as_beat(ruled.event, owner.integration_id, owner.name))


def _open_incidents(service_id: int, keys: set[str]) -> dict[str, tuple[int, str]]:
    """The open incidents of these keys: their ids and statuses."""
    found = Incident.objects.filter(service_id=service_id, dedup_key__in=keys)
    rows = found.exclude(status=Incident.Status.RESOLVED).values_list("dedup_key", "pk", "status")
    return {str(key): (pk, status) for key, pk, status in rows}
