"""Takes due pages under a lease, so that no two workers send the same one."""

from typing import NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from notifications.channels.base import SEND_SECONDS, Page
from notifications.models import Notification
from notifications.senders import NOBODY, Crowd
from notifications.services.claimed import load_pages
from notifications.services.settling import (
    NOW,
    WANTED,
    Cancelled,
    tell_cancelled,
    tell_left_behind,
    write_unknown_attempts,
)

# Senders start at once and end after SEND_SECONDS, so a lease that runs out means a dead worker.
LEASE_SECONDS = 30
assert LEASE_SECONDS > SEND_SECONDS  # noqa: S101
LAST_TURN = 32_767

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
    pages = load_pages([pk for pk, _, _, _, is_claimed, _ in rows if is_claimed])
    return Claim(pages, len(rows) >= limit or bool(died))
