"""Writes down what became of claimed pages, and reaches for the next way when one failed."""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from django.db import connection, transaction
from django.utils import timezone

from incidents.models import TimelineEntry
from incidents.services.timeline import build_entry, write_entries
from notifications.channels import CHANNELS
from notifications.channels.base import Message, Page, Postponed
from notifications.models import DeliveryAttempt, Destination, Notification, SandboxMessage
from notifications.services.claimed import MAX_ATTEMPTS
from notifications.services.failing import Failure, entry_data, give_up_all
from notifications.services.posts import record_posts
from notifications.services.routing import Call, Route
from notifications.services.unreached import tell_unreached
from notifications.turns import MORE
from opsknight.models import User
from opsknight.rows import partly_read
from realtime.publish import incidents_changed, notices_changed

logger = logging.getLogger(__name__)

State = Notification.State
Result = DeliveryAttempt.Outcome
FIRST_BACKOFF = timedelta(seconds=5)
LONGEST_BACKOFF = timedelta(minutes=5)
# A page whose only provider has been failing for this long takes the next way. What has none
# (notices, news) waits for longer: to give it up early would help nobody.
BREAKER_PATIENCE = timedelta(minutes=5)
NOTICE_PATIENCE = timedelta(days=1)
WITH_NEXT_WAY = (Notification.Reason.ESCALATION, Notification.Reason.ASSIGNMENT)
BREAKER_TRIES = 3
MAX_DETAIL_LENGTH = 500


@dataclass(frozen=True)
class Outcome:
    """What sending one claimed page came to."""

    page: Page
    route: Route
    message: Message | None = None  # kept for the sandbox
    together: int = 1  # pages that went out in the same message


_LOCK = """
SELECT n.*, u.name AS user_name, u.email AS user_email, u.status AS user_status,
    d.name AS place_name, d.address AS place_address, statement_timestamp() AS clock
FROM notifications_notification n
LEFT JOIN opsknight_user u ON u.id = n.user_id
LEFT JOIN notifications_destination d ON d.id = n.destination_id
WHERE n.id = ANY(%s) AND n.state = 'sending'
ORDER BY n.id
FOR NO KEY UPDATE OF n
"""
if TYPE_CHECKING:

    class _Locked(Notification):
        """What `_LOCK` reads beside the columns of a notification."""

        user_name: str
        user_email: str
        user_status: str
        place_name: str
        place_address: str
        clock: datetime  # the database's, also inside a long transaction


def record_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Record attempts, new states and timeline entries in one transaction.

    An outcome counts only while the lease is still its worker's: when the page was claimed again
    meanwhile, or cancelled, it is dropped and logged.
    """
    with transaction.atomic():
        pairs = _lock_ours(outcomes)
        entries = [entry for row, outcome in pairs if (entry := _settle(row, outcome))]
        _save([row for row, _ in pairs])
        DeliveryAttempt.objects.bulk_create(
            attempt for row, outcome in pairs for attempt in _attempts(row, outcome)
        )
        record_posts((outcome.page, outcome.route) for _, outcome in pairs)
        SandboxMessage.objects.bulk_create(
            _sandbox_message(row, outcome.message)
            for row, outcome in pairs
            if outcome.message is not None
        )
        failures, lost = _give_up(pairs)
        # In the order of ids, as everybody who touches several incidents does.
        write_entries(sorted(entries + failures, key=lambda entry: entry.incident_id))
        if lost:
            tell_unreached(failed=lost, now=lost[0].clock)  # type: ignore[attr-defined]
        incidents_changed(
            row.incident_id
            for row, outcome in pairs
            if row.incident_id is not None and outcome.route.postponed is None
        )
        notices_changed(
            row.user_id for row, _ in pairs
            if row.channel == "in_app" and row.state == State.DELIVERED and row.user_id is not None
        )  # fmt: skip


def _lock_ours(outcomes: Sequence[Outcome]) -> list[tuple[Notification, Outcome]]:
    """The rows whose lease is still the one under which they were sent."""
    by_id = {outcome.page.notification_id: outcome for outcome in outcomes}
    rows = cast("list[_Locked]", list(Notification.objects.raw(_LOCK, [[*by_id]])))
    ours: list[tuple[Notification, Outcome]] = [
        (_with_recipient(row), by_id[row.pk])
        for row in rows
        if row.claims == by_id[row.pk].page.claim
    ]
    lost = by_id.keys() - {row.pk for row, _ in ours}
    if lost:
        logger.warning("Outcomes of %s came after their leases were lost.", sorted(lost))
    return ours


def _with_recipient(row: "_Locked") -> Notification:
    """With what was read beside it; the rest is read when somebody asks for it."""
    if row.user_id is not None:
        row.user = partly_read(
            User, id=row.user_id, name=row.user_name, email=row.user_email, status=row.user_status
        )
    if row.destination_id is not None:
        row.destination = partly_read(
            Destination, id=row.destination_id, name=row.place_name, address=row.place_address
        )
    return row


def _settle(row: Notification, outcome: Outcome) -> TimelineEntry | None:
    """Set the new state; returns the timeline entry of a page that went out."""
    now: datetime = row.clock  # type: ignore[attr-defined]
    route, error = outcome.route, outcome.route.error
    row.leased_until = None
    if route.postponed is not None:
        _postpone(row, route.postponed, now)
        return None
    row.attempts += 1
    if error is None:
        row.state = route.sent.state if route.sent else State.SANDBOXED
        row.provider = route.account.key if route.account else ""
        row.provider_message_id = _storable(route.sent.message_id if route.sent else "", 200)
        row.finished_at = now
        row.last_error = ""
        return _paged(row, outcome, now)
    row.last_error = _storable(str(error), MAX_DETAIL_LENGTH)
    row.maybe_duplicate = row.maybe_duplicate or error.may_have_arrived
    has_moved = _follow_destination(row)
    if (error.permanent and not has_moved) or row.attempts >= MAX_ATTEMPTS:
        row.state = State.FAILED
        row.finished_at = now
    else:
        row.state = State.PENDING
        row.waits_for = Notification.Wait.RETRY
        row.due_at = now + backoff(row.attempts, error.retry_after)
    return None


def _postpone(row: Notification, postponed: Postponed, now: datetime) -> None:
    """Back to wait; a page that a provider has kept for too long takes the next way."""
    waits = postponed.wait
    has_waited = now - row.created_at - timedelta(minutes=row.delay_minutes)
    # A page that quiet hours kept back is old when it is tried first.
    was_tried_often = row.claims - row.attempts >= BREAKER_TRIES
    patience = BREAKER_PATIENCE if row.reason in WITH_NEXT_WAY else NOTICE_PATIENCE
    if waits == Notification.Wait.BREAKER and has_waited > patience and was_tried_often:
        row.last_error = "Its provider has been failing for too long."
        row.state = State.FAILED
        row.finished_at = now
        return
    _follow_destination(row)
    row.state = State.PENDING
    row.waits_for = waits
    # By the database's clock; nobody's own may run ahead.
    row.due_at = now + max(postponed.until - timezone.now(), timedelta())
    if waits == Notification.Wait.BUNDLE:
        row.turn = max(row.turn, MORE)


def _follow_destination(row: Notification) -> bool:
    """Take the new address of a destination that was moved while its page was under way; returns
    whether it was."""
    place = row.destination
    if place is None or place.address == row.address:
        return False
    row.address = place.address
    return True


def backoff(attempts: int, retry_after: timedelta | None) -> timedelta:
    """How long to wait after so many attempts: doubling, jittered, or as long as asked for."""
    wait: timedelta = min(FIRST_BACKOFF * 2 ** (attempts - 1), LONGEST_BACKOFF)
    jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, keeps no secret
    return max(wait * jitter, retry_after or timedelta())


def _save(rows: list[Notification]) -> None:
    """One statement, whatever changed: twenty times cheaper than an update of the ORM."""
    if not rows:
        return
    columns = [[_plain(getattr(row, name)) for row in rows] for name in _SAVED]
    with connection.cursor() as cursor:
        cursor.execute(_SAVE, columns)


def _plain(value: object) -> object:
    """What the driver takes for text is text: of a choice it would send the name."""
    return str(value) if isinstance(value, str) else value


_SAVED = {
    "id": "bigint",
    "state": "text",
    "address": "text",
    "due_at": "timestamptz",
    "leased_until": "timestamptz",
    "finished_at": "timestamptz",
    "last_error": "text",
    "maybe_duplicate": "bool",
    "attempts": "int",
    "waits_for": "text",
    "provider": "text",
    "provider_message_id": "text",
    "turn": "smallint",
}
_SAVE = f"""
UPDATE notifications_notification n SET {", ".join(f"{c} = v.{c}" for c in _SAVED if c != "id")}
FROM unnest({", ".join(f"%s::{kind}[]" for kind in _SAVED.values())}) AS v ({", ".join(_SAVED)})
WHERE n.id = v.id
"""  # noqa: S608 - put together from constants


def _attempts(row: Notification, outcome: Outcome) -> list[DeliveryAttempt]:
    """One for each call; one without a provider when none was asked; none for mere waiting."""
    now: datetime = row.clock  # type: ignore[attr-defined]
    calls = outcome.route.calls
    if not calls and outcome.route.postponed is not None:
        return []
    if not calls:
        error = outcome.route.error
        result = Result.SANDBOXED if error is None else Result.FAILED
        calls = [Call("", result, str(error or ""), 0)]
    return [
        DeliveryAttempt(
            notification=row,
            at=now,
            outcome=call.result,
            provider=call.provider,
            detail=_storable(call.detail, MAX_DETAIL_LENGTH),
            duration_ms=call.duration_ms,
        )
        for call in calls
    ]


def _storable(said: str, length: int) -> str:
    """What a provider said, so that it can be written down whatever it is."""
    return said.replace("\x00", "")[:length]


def _sandbox_message(row: Notification, message: Message) -> SandboxMessage:
    return SandboxMessage(
        notification=row,
        subject=message.subject,
        text=message.text,
        html=message.html,
        raw=message.raw.decode(errors="replace"),
    )


def _paged(row: Notification, outcome: Outcome, now: datetime) -> TimelineEntry | None:
    """Notices in the app are not worth an entry: they reach only who is looking. Nor are events
    and status updates, which page nobody."""
    if row.channel == "in_app" or row.incident_id is None:
        return None
    if row.reason in Notification.NEWS:
        return None
    phrase = CHANNELS[row.channel].phrase
    if row.state == State.SANDBOXED:
        text = f"Page to {row.recipient} {phrase} kept in the sandbox: no provider is configured"
    else:
        repeated = " again; the first may have arrived too" if row.maybe_duplicate else ""
        others = outcome.together - 1
        together = f", in one message with {others} other{'s' if others > 1 else ''}"
        text = f"Page sent to {row.recipient} {phrase}{together if others else ''}{repeated}"
    return build_entry(
        incident_id=row.incident_id,
        kind=TimelineEntry.Kind.PAGED,
        message=text,
        now=now,
        data=entry_data(row),
    )


def _give_up(
    pairs: Sequence[tuple[Notification, Outcome]],
) -> tuple[list[TimelineEntry], list[Notification]]:
    """What follows from those that failed for good; see give_up_all."""
    failures = [
        Failure(
            row,
            breaks_address=error is not None and error.breaks_address,
            is_stop=error is not None and error.is_stop,
        )
        for row, error in ((row, outcome.route.error) for row, outcome in pairs)
        if row.state == State.FAILED
    ]
    if not failures:
        return [], []
    return give_up_all(failures, now=failures[0].row.clock)  # type: ignore[attr-defined]
