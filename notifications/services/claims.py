"""Takes due pages under a lease, so that no two workers send the same one."""

import logging
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import F, TextField
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from incidents.models import Incident
from notifications.channels.base import (
    SEND_SECONDS,
    Event,
    Notice,
    Page,
    PagedIncident,
    Person,
    Place,
)
from notifications.events import may_hear_of
from notifications.health import Health, health_of
from notifications.models import Destination, Notification
from notifications.senders import NOBODY, Crowd
from notifications.services.posts import with_chat_facts
from notifications.services.reply_codes import with_reply_codes
from notifications.services.settling import (
    NOW,
    WANTED,
    Cancelled,
    tell_cancelled,
    tell_left_behind,
    write_unknown_attempts,
)
from opsknight.models import User

logger = logging.getLogger(__name__)

# Senders start at once and end after SEND_SECONDS, so a lease that runs out means a dead worker.
LEASE_SECONDS = 30
assert LEASE_SECONDS > SEND_SECONDS  # noqa: S101
MAX_ATTEMPTS = 8
LAST_TURN = 32_767
UNREADABLE = "It was written by another version of OpsKnight and cannot be read."

# Rows whose worker died come first, with what went out in the same message; where there are none,
# due ones, first turns first, longest due first, each with the other due pages of its service to
# its address. Each is decided on here: sent if it is still wanted, and if no other page of this
# batch says the same to the same address. The limits are plain numbers: of anything else the
# planner expects a tenth of all that is due, and reads the whole table to join it.
_COLUMNS = (
    "id, state, incident_id, user_id, destination_id, address, reason, cause, delay_minutes, "
    "in_place_of_id, contact_method_id, needs_own_ack, claims, attempts, created_at"
)
_OF_MATE = ", ".join(f"m.{column.strip()}" for column in _COLUMNS.split(","))
# Where somebody is crowded; see notifications.senders.
_OTHERS = """AND address <> ALL(%(but_addresses)s)
        AND split_part(address, '/', 3) <> ALL(%(but_hosts)s)"""
_CLAIM_TEMPLATE = f"""
WITH expired AS (
    SELECT {_COLUMNS}, bundle
    FROM notifications_notification
    WHERE channel = %(channel)s AND state = 'sending' AND leased_until <= {NOW} {{others}}
    ORDER BY leased_until
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), expired_mates AS (
    SELECT {_OF_MATE}
    FROM notifications_notification m
    WHERE m.channel = %(channel)s AND m.state = 'sending' AND m.leased_until <= {NOW}
        AND m.bundle IN (SELECT bundle FROM expired)
        AND m.id NOT IN (SELECT id FROM expired)
    FOR UPDATE OF m SKIP LOCKED
), due AS (
    SELECT {_COLUMNS}
    FROM notifications_notification
    WHERE channel = %(channel)s AND state = 'pending' AND due_at <= {NOW}
        AND turn <= %(max_turn)s AND NOT EXISTS (SELECT FROM expired) {{others}}
    ORDER BY turn, due_at, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), heads AS (
    SELECT DISTINCT d.address, d.user_id, d.destination_id, i.service_id
    FROM due d JOIN incidents_incident i ON i.id = d.incident_id
    WHERE %(mates)s > 0 AND d.reason = 'escalation'
), mates AS (
    SELECT {_OF_MATE}
    FROM heads h
    JOIN notifications_notification m ON m.channel = %(channel)s AND m.address = h.address
        AND m.user_id IS NOT DISTINCT FROM h.user_id
        AND m.destination_id IS NOT DISTINCT FROM h.destination_id
    JOIN incidents_incident i ON i.id = m.incident_id AND i.service_id = h.service_id
    WHERE m.state = 'pending' AND m.due_at <= {NOW} AND m.reason = 'escalation'
        AND m.id NOT IN (SELECT id FROM due)
    ORDER BY m.turn, m.due_at, m.id
    LIMIT %(mates)s
    FOR UPDATE OF m SKIP LOCKED
), decided AS (
    SELECT n.id, n.state, ({WANTED}) IS TRUE AS wanted, row_number() OVER (
        PARTITION BY n.incident_id, n.user_id, n.destination_id, n.address, n.reason,
            CASE WHEN n.incident_id IS NULL OR n.reason = 'event' THEN n.cause END,
            ({WANTED}) IS TRUE
        ORDER BY n.claims, n.id DESC
    ) = 1 AS newest
    FROM (
        SELECT {_COLUMNS} FROM expired
        UNION ALL TABLE expired_mates UNION ALL TABLE due UNION ALL TABLE mates
    ) n
    LEFT JOIN incidents_incident i ON i.id = n.incident_id
    LEFT JOIN opsknight_user u ON u.id = n.user_id
)
UPDATE notifications_notification n SET
    state = CASE WHEN wanted AND newest THEN 'sending' ELSE 'cancelled' END,
    leased_until = CASE WHEN wanted AND newest
        THEN {NOW} + %(lease)s * interval '1 second' END,
    finished_at = CASE WHEN wanted AND newest THEN NULL ELSE {NOW} END,
    claims = n.claims + CASE WHEN wanted AND newest THEN 1 ELSE 0 END,
    attempts = n.attempts + CASE WHEN d.state = 'sending' THEN 1 ELSE 0 END,
    waits_for = '',
    maybe_duplicate = n.maybe_duplicate OR d.state = 'sending',
    last_error = CASE WHEN wanted AND NOT newest
        THEN 'Another page to the same address was due at the same time.'
        ELSE n.last_error END
FROM decided d WHERE n.id = d.id
RETURNING n.id, n.incident_id, n.channel, d.state, n.state = 'sending', d.wanted
"""  # noqa: S608 - put together from constants
_CLAIM = _CLAIM_TEMPLATE.format(others="")
_CLAIM_OF_OTHERS = _CLAIM_TEMPLATE.format(others=_OTHERS)


class Claim(NamedTuple):
    """What was taken, and whether there may be more."""

    pages: list[Page]
    is_full: bool


def claim_pages(*, channel: str, limit: int, mates: int = 0) -> list[Page]:
    """The pages of one claim, see `claim`."""
    return claim(channel=channel, limit=limit, mates=mates).pages


def claim(
    *,
    channel: str,
    limit: int,
    mates: int = 0,
    max_turn: int = LAST_TURN,
    but: Crowd = NOBODY,
) -> Claim:
    """Take up to `limit` pages that are due; the caller sends them at once.

    And up to `mates` more that may go out together with these; none of `but`, which stay
    due. The database's clock decides. Pages that nobody needs any more are cancelled on the way.
    Two queries; up to three more when something was cancelled or a worker had died.
    """
    values: dict[str, str | int | list[str]] = {
        "channel": channel,
        "limit": limit,
        "lease": LEASE_SECONDS,
        "mates": mates,
        "max_turn": max_turn,
        "but_hosts": but.hosts,
        "but_addresses": but.addresses,
    }
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM_OF_OTHERS if any(but) else _CLAIM, values)
            rows = cursor.fetchall()
        if not rows:
            return Claim([], False)
        now = timezone.now()
        died = [pk for pk, _, _, was, _, _ in rows if was == Notification.State.SENDING]
        unwanted = [Cancelled(*row[:4]) for row in rows if not row[5]]
        if died:
            write_unknown_attempts(died, now)
        if unwanted:
            tell_cancelled(unwanted, now)
            tell_left_behind(unwanted, now)
    pages = _load([pk for pk, _, _, _, is_claimed, _ in rows if is_claimed])
    return Claim(pages, len(rows) >= limit or bool(died))


def _load(ids: list[int]) -> list[Page]:
    """All that sending takes; one query, up to two more for chats, five for telephones.

    The secret stays encrypted: see WebhookChannel.
    """
    if not ids:
        return []
    rows = (
        Notification.objects.filter(pk__in=ids)
        .select_related("user", "destination", "incident__service", "incident__assignee")
        .defer("destination__secret")
        .annotate(
            method_enabled=F("contact_method__enabled"),
            method_broken=F("contact_method__broken_reason"),
            method_stopped_at=F("contact_method__stopped_at"),
            method_verified_at=F("contact_method__verified_at"),
            secret_token=Cast(
                Coalesce("contact_method__secret", "destination__secret"), TextField()
            ),
        )
        .order_by("turn", "due_at", "pk")
    )
    pages = with_chat_facts([_page_of(row) for row in rows])
    return with_reply_codes(pages, now=timezone.now())


def _page_of(row: Notification) -> Page:
    place, event = row.destination, _event(row)
    is_unreadable = event is None and "event" in row.details
    return Page(
        notification_id=row.pk,
        claim=row.claims,
        channel=row.channel,
        address=row.address,
        method_id=row.contact_method_id,
        secret_token=row.secret_token or "",  # type: ignore[attr-defined]
        idempotency_key=row.idempotency_key,
        maybe_duplicate=row.maybe_duplicate,
        reason=row.reason,
        recipient=Place(place.pk, place.name) if place else _person(row.user),
        incident=paged_incident(row.incident) if row.incident else None,
        notice=None if row.incident else Notice(row.subject, row.text, row.link, row.details),
        event=event,
        cannot_send=UNREADABLE if is_unreadable else _obstacle(row),
        turn=row.turn,
        bundle=row.bundle,
    )


def _event(row: Notification) -> Event | None:
    if row.reason not in Notification.NEWS or "event" not in row.details:
        return None
    try:
        return Event(**row.details["event"], template=row.details.get("template", ""))
    except TypeError:
        # One row must not keep its channel from being claimed.
        logger.exception("Message %s cannot be read.", row.pk)
        return None


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


def _person(user: User | None) -> Person:
    assert user is not None  # noqa: S101 — notification_user_or_destination
    return Person(user.pk, str(user), user.email, user.time_zone)


def _obstacle(row: Notification) -> str:
    """Why this page must not be tried at all; empty when it may."""
    if row.attempts >= MAX_ATTEMPTS:
        return "Every attempt ended without an answer."
    if row.destination is not None:
        return _place_obstacle(row, row.destination)
    if row.channel == "in_app":
        return ""
    if row.contact_method_id is not None:
        return _method_obstacle(row)
    if row.user is None or row.address != row.user.email:
        return "This contact method was removed."
    return ""


def _place_obstacle(row: Notification, place: Destination) -> str:
    """Why the destination cannot be used; teams change, and private incidents stay private."""
    if not place.enabled:
        return "This destination is switched off."
    if row.reason != Notification.Reason.EVENT or row.incident is None:
        return ""
    is_allowed = may_hear_of(place, row.incident)
    return "" if is_allowed else "The incident is private: only places of its team hear of it."


def _method_obstacle(row: Notification) -> str:
    """Why the contact method cannot be used; a code that verifies it goes there all the same."""
    health = health_of(
        enabled=row.method_enabled,  # type: ignore[attr-defined]
        broken_reason=row.method_broken,  # type: ignore[attr-defined]
        stopped_at=row.method_stopped_at,  # type: ignore[attr-defined]
        verified_at=row.method_verified_at,  # type: ignore[attr-defined]
    )
    if health is Health.UNVERIFIED and row.reason == Notification.Reason.VERIFICATION:
        return ""
    return f"This contact method cannot be used: {health.words}." if health.words else ""
