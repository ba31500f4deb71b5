"""What a route does to the incident that an event opens. One that is open already stays as it is:
whoever was paged for it goes on being paged by the same policy.
"""

from collections.abc import Iterable, Mapping

from incidents.intake.rules import Routing
from incidents.services import intake_sql as sql
from incidents.services.intake_sql import Track
from incidents.services.statements import Statement


def policies_of(routings: Iterable[Routing | None]) -> Statement | None:
    """Asks for the names of those policies that routes chose and that still exist."""
    wanted = {r.policy_id for r in routings if r is not None and r.policy_id is not None}
    return sql.existing_policies(wanted) if wanted else None


def apply_routing(track: Track, routing: Routing, policies: Mapping[int, str]) -> None:
    """Set on a new incident what its route chose; a policy that is gone leaves the service's."""
    track.policy_id = routing.policy_id if routing.policy_id in policies else None
    track.urgency = routing.urgency or track.urgency
    track.priority = routing.priority or None
    if routing.is_suppressed and track.status == "triggered":
        track.status = "suppressed"


def describe_routing(track: Track, routing: Routing, policies: Mapping[int, str]) -> str:
    """The sentence on the timeline; "" when no route matched."""
    if not routing.route:
        return ""
    chosen = []
    if routing.is_suppressed:
        chosen.append("suppressed, pages nobody")
    if track.policy_id is not None:
        chosen.append(f"escalation policy {policies[track.policy_id]}")
    elif routing.policy_id is not None:
        chosen.append("its escalation policy was deleted, the service's is used")
    if routing.urgency:
        chosen.append(f"urgency {routing.urgency}")
    if routing.priority:
        chosen.append(f"priority {routing.priority}")
    return f"Route “{routing.route}”: {', '.join(chosen) or 'the defaults'}"
