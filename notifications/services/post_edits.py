"""Edits messages in chats whose incidents have moved on since.

What a message must show follows from the incident alone, so nothing has to tell us of a change: a
sweep looks at the messages of open incidents, which are few.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction

from incidents.models import TimelineEntry
from notifications.channels import CHANNELS
from notifications.channels.base import (
    EDIT_SECONDS,
    CardChannel,
    DeliveryError,
    ListChannel,
    Message,
    Posted,
    Postponed,
)
from notifications.models import PostedMessage
from notifications.providers import PROVIDERS
from notifications.providers.base import ProviderConfig
from notifications.services.accounts import find_account
from notifications.services.claimed import paged_incident
from notifications.services.routing import edit_message
from notifications.services.settling import NOW

logger = logging.getLogger(__name__)

BATCH = 20
PARALLEL = 5
# Longer than a batch takes, with BATCH / PARALLEL calls one after another.
LEASE_SECONDS = 2 * EDIT_SECONDS * BATCH / PARALLEL
MAX_FAILURES = 8
FIRST_BACKOFF = timedelta(seconds=5)
Kind = TimelineEntry.Kind
# Which entry of the timeline says who did it.
SAYS = {
    "acknowledged": Kind.ACKNOWLEDGED,
    "resolved": Kind.RESOLVED,
    "escalated": Kind.ESCALATED,
}

_running = threading.Lock()

# "escalated": a step was taken after the message was posted.
_CLAIM = f"""
WITH looked_at AS (
    SELECT p.id, p.shown, CASE
        WHEN i.status = 'triggered' AND EXISTS (
            SELECT FROM incidents_timelineentry t
            WHERE t.incident_id = i.id AND t.kind = 'escalated' AND t.at > p.created_at
        ) THEN 'escalated' ELSE i.status END AS due
    FROM notifications_postedmessage p JOIN incidents_incident i ON i.id = p.incident_id
    WHERE p.shown <> 'resolved' AND (p.edit_at IS NULL OR p.edit_at <= {NOW})
), stale AS (
    SELECT p.id, l.due FROM notifications_postedmessage p JOIN looked_at l ON l.id = p.id
    WHERE l.shown <> l.due AND p.shown = l.shown
        AND (p.edit_at IS NULL OR p.edit_at <= {NOW})
    ORDER BY p.id
    LIMIT %(limit)s
    FOR UPDATE OF p SKIP LOCKED
)
UPDATE notifications_postedmessage p
SET edit_at = {NOW} + %(lease)s * interval '1 second'
FROM stale WHERE p.id = stale.id
RETURNING p.id, stale.due
"""  # noqa: S608 - put together from constants


@dataclass(frozen=True)
class Edit:
    """One message and what it is to say."""

    posts: tuple[PostedMessage, ...]  # that were claimed; one for each incident in it
    due: tuple[str, ...]  # what each of them then shows
    posted: Posted
    render: Callable[[], Message]
    account: ProviderConfig | None  # that posted it, if it is still there


def edit_posts(*, now: datetime) -> int:
    """Edit a batch of messages that show what is over; returns how many were looked at.

    Claimed under a lease (`edit_at`), sent in parallel without the database, then recorded. A
    change whose edit fails for good is skipped and logged; the next change is shown again. One run
    at a time in a process: a chat that hangs must not eat the threads that send pages.
    """
    if not _running.acquire(blocking=False):
        return 0
    try:
        return _edit_batch(now)
    finally:
        _running.release()


def _edit_batch(now: datetime) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"limit": BATCH, "lease": LEASE_SECONDS})
        due: dict[int, str] = dict(cursor.fetchall())
    if not due:
        return 0
    edits = _edits(due)
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="edit") as pool:
        failures = list(pool.map(_send, edits))
    for edit, failure in zip(edits, failures, strict=True):
        for post, shown in zip(edit.posts, edit.due, strict=True):
            _record(post, shown, failure, now)
    return len(edits)


def _edits(due: dict[int, str]) -> list[Edit]:
    """What to say in each message; three queries."""
    claimed = PostedMessage.objects.filter(pk__in=due)
    # With what else stands in the same message.
    rows = PostedMessage.objects.filter(
        message_id__in=claimed.values("message_id"), place__in=claimed.values("place")
    )
    rows = rows.select_related("incident__service", "incident__assignee").order_by("pk")
    messages: defaultdict[Posted, list[PostedMessage]] = defaultdict(list)
    for post in rows:
        messages[Posted(post.provider, post.place, post.message_id)].append(post)
    entries = _last_entries(list(rows), due)
    return [
        _edit(posted, posts, due, entries)
        for posted, posts in messages.items()
        if any(post.pk in due for post in posts)
    ]


def _edit(
    posted: Posted,
    posts: Sequence[PostedMessage],
    due: dict[int, str],
    entries: dict[tuple[int, str], str],
) -> Edit:
    channel, first = CHANNELS[posts[0].channel], posts[0]
    assert isinstance(channel, CardChannel)  # noqa: S101 — nothing else is recorded
    if len(posts) > 1 and isinstance(channel, ListChannel):
        rows = [(paged_incident(p.incident), due.get(p.pk, p.incident.status)) for p in posts]
        render = partial(channel.render_list, rows, address=first.address)
    else:
        shown = due[first.pk]
        said = entries.get((first.incident_id, shown), "")
        if not said and shown in SAYS:
            logger.error(
                "Nothing on the timeline says who %s incident %s.", shown, first.incident_id
            )
        incident = paged_incident(first.incident)
        render = partial(
            channel.render_card, incident, address=first.address, shown=shown, said=said
        )
    claimed = tuple(post for post in posts if post.pk in due)
    account = find_account(posted.provider)
    return Edit(claimed, tuple(due[post.pk] for post in claimed), posted, render, account)


def _last_entries(
    posts: Sequence[PostedMessage], due: dict[int, str]
) -> dict[tuple[int, str], str]:
    """By incident and what is shown: the last sentence about it."""
    kinds = {kind: shown for shown, kind in SAYS.items() if shown in due.values()}
    rows = (
        TimelineEntry.objects.filter(
            incident_id__in={post.incident_id for post in posts}, kind__in=kinds
        )
        .order_by("incident_id", "kind", "-at", "-pk")
        .distinct("incident_id", "kind")
        .values_list("incident_id", "kind", "message")
    )
    return {(pk, kinds[Kind(kind)]): message for pk, kind, message in rows}


def _send(edit: Edit) -> DeliveryError | Postponed | None:
    """Render and edit one message; what went wrong, or why not now. No use of the database."""
    account = edit.account
    try:
        if account is None or not PROVIDERS[account.kind].edits:
            return DeliveryError("The account that posted it is gone.", permanent=True)
        channel = edit.posts[0].channel
        return edit_message(edit.render(), account=account, channel=channel, posted=edit.posted)
    except DeliveryError as error:
        return error
    except Exception:
        # The outermost edge of one edit: a defect here must not stop the others.
        logger.exception("Message %s could not be edited.", edit.posted.message_id)
        return DeliveryError("OpsKnight could not build or send the edit; see its log.")


def _record(
    post: PostedMessage, shown: str, failure: DeliveryError | Postponed | None, now: datetime
) -> None:
    if isinstance(failure, Postponed):
        PostedMessage.objects.filter(pk=post.pk).update(edit_at=max(failure.until, now))
        return
    failures = post.edits_failed + 1
    rows = PostedMessage.objects.filter(pk=post.pk)
    if failure is None:
        rows.update(shown=shown, edit_at=None, edits_failed=0)
    elif failure.permanent or failures >= MAX_FAILURES:
        logger.error(
            "Message %s about incident %s does not show %s: %s",
            post.pk, post.incident_id, shown, failure,
        )  # fmt: skip
        rows.update(shown=shown, edit_at=None, edits_failed=0)
    else:
        rows.update(edit_at=now + FIRST_BACKOFF * 2**failures, edits_failed=failures)
