"""Loads claimed pages with all that sending them takes."""

import json
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.utils import timezone

from incidents.models import Incident
from notifications.channels.base import Event, Notice, Page, PagedIncident, Person, Place
from notifications.events import is_heard_in
from notifications.health import Health, health_of
from notifications.models import Notification
from notifications.services.posts import with_chat_facts
from notifications.services.reply_codes import with_reply_codes
from opsknight.models import User
from opsknight.rows import fetch_rows

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 8
UNREADABLE = "It was written by another version of OpsKnight and cannot be read."

# In the order of `_Row`. The secret stays encrypted: see WebhookChannel.
_LOAD = """
SELECT n.id, n.claims, n.channel, n.address, n.reason, n.contact_method_id, n.idempotency_key,
    n.maybe_duplicate, n.attempts, n.turn, n.bundle, n.subject, n.text, n.link, n.details,
    COALESCE(m.secret, d.secret), m.enabled, m.broken_reason, m.stopped_at, m.verified_at,
    u.id, u.name, u.email, u.time_zone,
    d.id, d.name, d.enabled, d.team_id,
    i.id, i.title, i.description, i.status, i.urgency, i.visibility, i.created_at,
    i.acknowledged_at, i.resolved_at, s.id, s.name, s.team_id,
    a.id, a.name, a.email, a.time_zone
FROM notifications_notification n
LEFT JOIN notifications_contactmethod m ON m.id = n.contact_method_id
LEFT JOIN opsknight_user u ON u.id = n.user_id
LEFT JOIN notifications_destination d ON d.id = n.destination_id
LEFT JOIN incidents_incident i ON i.id = n.incident_id
LEFT JOIN incidents_service s ON s.id = i.service_id
LEFT JOIN opsknight_user a ON a.id = i.assignee_id
WHERE n.id = ANY(%s)
ORDER BY n.turn, n.due_at, n.id
"""


class _Row(NamedTuple):
    """One line of `_LOAD`: `place_id` or `user_id` is set; without `incident_id` it is a notice."""

    id: int
    claims: int
    channel: str
    address: str
    reason: str
    method_id: int | None
    idempotency_key: UUID
    maybe_duplicate: bool
    attempts: int
    turn: int
    bundle: UUID | None
    subject: str
    text: str
    link: str
    details: str  # JSON
    secret_token: str | None
    method_enabled: bool
    method_broken: str
    method_stopped_at: datetime | None
    method_verified_at: datetime | None
    user_id: int
    user_name: str
    user_email: str | None
    user_zone: str
    place_id: int | None
    place_name: str
    place_enabled: bool
    place_team_id: int | None
    incident_id: int | None
    title: str
    description: str
    status: str
    urgency: str
    visibility: str
    created_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    service_id: int
    service_name: str
    service_team_id: int | None
    assignee_id: int | None
    assignee_name: str
    assignee_email: str
    assignee_zone: str


def load_pages(ids: Sequence[int]) -> list[Page]:
    """The pages in the order in which they are sent.

    One query, one or two more for chats, three for telephones.
    """
    if not ids:
        return []
    pages = [_page_of(_Row(*row)) for row in fetch_rows(_LOAD, [ids])]
    return with_reply_codes(with_chat_facts(pages), now=timezone.now())


def paged_incident(incident: Incident) -> PagedIncident:
    """What messages tell about it; its service and assignee are loaded."""
    return PagedIncident(
        id=incident.pk,
        title=incident.title,
        description=incident.description,
        status=incident.status,
        urgency=incident.urgency,
        service_id=incident.service_id,
        service_name=incident.service.name,
        assignee=_person(incident.assignee) if incident.assignee else None,
        created_at=incident.created_at,
        acknowledged_at=incident.acknowledged_at,
        resolved_at=incident.resolved_at,
    )


def _person(user: User) -> Person:
    return Person(user.pk, str(user), user.email, user.time_zone)


def _page_of(row: _Row) -> Page:
    details = json.loads(row.details)
    event = _event(row, details)
    is_unreadable = event is None and "event" in details
    has_incident = row.incident_id is not None
    return Page(
        notification_id=row.id,
        claim=row.claims,
        channel=row.channel,
        address=row.address,
        method_id=row.method_id,
        secret_token=row.secret_token or "",
        idempotency_key=row.idempotency_key,
        maybe_duplicate=row.maybe_duplicate,
        reason=row.reason,
        recipient=_recipient(row),
        incident=_incident(row),
        notice=None if has_incident else Notice(row.subject, row.text, row.link, details),
        event=event,
        cannot_send=UNREADABLE if is_unreadable else _obstacle(row),
        turn=row.turn,
        bundle=row.bundle,
    )


def _recipient(row: _Row) -> Person | Place:
    if row.place_id is not None:
        return Place(row.place_id, row.place_name)
    assert row.user_email is not None  # noqa: S101 — notification_user_or_destination
    return Person(row.user_id, row.user_name or row.user_email, row.user_email, row.user_zone)


def _incident(row: _Row) -> PagedIncident | None:
    if row.incident_id is None:
        return None
    assignee = None
    if row.assignee_id is not None:
        name = row.assignee_name or row.assignee_email
        assignee = Person(row.assignee_id, name, row.assignee_email, row.assignee_zone)
    return PagedIncident(
        id=row.incident_id,
        title=row.title,
        description=row.description,
        status=row.status,
        urgency=row.urgency,
        service_id=row.service_id,
        service_name=row.service_name,
        assignee=assignee,
        created_at=row.created_at,
        acknowledged_at=row.acknowledged_at,
        resolved_at=row.resolved_at,
    )


def _event(row: _Row, details: dict[str, Any]) -> Event | None:
    if row.reason not in Notification.NEWS or "event" not in details:
        return None
    try:
        return Event(**details["event"], template=details.get("template", ""))
    except TypeError:
        # One row must not keep its channel from being claimed.
        logger.exception("Message %s cannot be read.", row.id)
        return None


def _obstacle(row: _Row) -> str:
    """Why this page must not be tried at all; empty when it may."""
    if row.attempts >= MAX_ATTEMPTS:
        return "Every attempt ended without an answer."
    if row.place_id is not None:
        return _place_obstacle(row)
    if row.channel == "in_app":
        return ""
    if row.method_id is not None:
        return _method_obstacle(row)
    return "" if row.address == row.user_email else "This contact method was removed."


def _place_obstacle(row: _Row) -> str:
    """Why the destination cannot be used; teams change, and private incidents stay private."""
    if not row.place_enabled:
        return "This destination is switched off."
    if row.reason != Notification.Reason.EVENT or row.incident_id is None:
        return ""
    is_allowed = is_heard_in(row.place_team_id, row.visibility, row.service_team_id)
    return "" if is_allowed else "The incident is private: only places of its team hear of it."


def _method_obstacle(row: _Row) -> str:
    """Why the contact method cannot be used; a code that verifies it goes there all the same."""
    health = health_of(
        enabled=row.method_enabled,
        broken_reason=row.method_broken,
        stopped_at=row.method_stopped_at,
        verified_at=row.method_verified_at,
    )
    if health is Health.UNVERIFIED and row.reason == Notification.Reason.VERIFICATION:
        return ""
    return f"This contact method cannot be used: {health.words}." if health.words else ""
