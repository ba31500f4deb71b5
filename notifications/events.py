"""What can be followed: the names under which destinations hear of what happens to incidents."""

from datetime import UTC
from typing import Any, Final

from incidents.models import Incident, TimelineEntry
from notifications.channels.base import Event
from notifications.models import Destination

Kind = TimelineEntry.Kind

# Alerts that join and single pages are not among them: they would pass a storm on.
EVENTS: Final[dict[TimelineEntry.Kind, str]] = {
    Kind.TRIGGERED: "incident.triggered",
    Kind.ACKNOWLEDGED: "incident.acknowledged",
    Kind.UNACKNOWLEDGED: "incident.unacknowledged",
    Kind.ESCALATED: "incident.escalated",
    Kind.NOBODY_TO_PAGE: "incident.nobody_to_page",
    Kind.ESCALATION_ENDED: "incident.escalation_ended",
    Kind.REASSIGNED: "incident.reassigned",
    Kind.NOTE: "incident.note",
    Kind.CHANGED: "incident.changed",
    Kind.MAINTENANCE: "incident.maintenance",
    Kind.RESOLVED: "incident.resolved",
}
LABELS: Final = {
    "incident.triggered": "Triggered",
    "incident.acknowledged": "Acknowledged",
    "incident.unacknowledged": "Acknowledgement withdrawn",
    "incident.escalated": "Escalated",
    "incident.nobody_to_page": "Nobody to page",
    "incident.escalation_ended": "Escalation ended",
    "incident.reassigned": "Reassigned",
    "incident.note": "Note",
    "incident.changed": "Changed",
    "incident.maintenance": "Maintenance",
    "incident.resolved": "Resolved",
}


def event_of(entry: TimelineEntry) -> Event:
    """What followers are told of an entry whose kind is one of EVENTS."""
    actor: dict[str, Any] | None = None
    if entry.actor_label:
        actor = {"id": entry.actor_id, "name": entry.actor_label}
    return Event(
        id=entry.pk,
        type=EVENTS[TimelineEntry.Kind(entry.kind)],
        at=entry.at.astimezone(UTC).isoformat(),
        message=entry.message,
        actor=actor,
    )


def may_hear_of(destination: Destination, incident: Incident) -> bool:
    """Of private incidents only places of the service's own team hear."""
    return is_heard_in(destination.team_id, incident.visibility, incident.service.team_id)


def is_heard_in(team_id: int | None, visibility: str, service_team_id: int | None) -> bool:
    """The same: the team of the place, and the incident with the team of its service."""
    if visibility != Incident.Visibility.PRIVATE:
        return True
    return team_id is not None and team_id == service_team_id
