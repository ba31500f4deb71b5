"""How the outbox flows: what waits on each channel, for what and how long, and what went out."""

from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from notifications.channels import CHANNELS
from notifications.models import Notification
from notifications.models.preferences import Channel


@dataclass(frozen=True)
class ChannelFlow:
    """One channel at this moment, by the database's clock."""

    channel: str
    label: str
    due: int = 0  # should go out now; those that wait for a slot count
    oldest_due_seconds: float = 0.0
    sending: int = 0
    later: int = 0  # delays, retries, gatherings, providers that fail
    waiting: dict[str, int] = field(default_factory=dict)  # Notification.Wait → rows
    sent_last_minute: int = 0
    failed_last_minute: int = 0

    @property
    def waits(self) -> list[tuple[str, int]]:
        """The same as `waiting`, in words."""
        return [(Notification.Wait(wait).label, count) for wait, count in self.waiting.items()]


_UNFINISHED = """
SELECT channel, state, waits_for, count(*),
    count(*) FILTER (WHERE due_at <= statement_timestamp()),
    COALESCE(extract(epoch FROM statement_timestamp()
        - min(due_at) FILTER (WHERE due_at <= statement_timestamp())), 0)
FROM notifications_notification WHERE state IN ('pending', 'sending')
GROUP BY channel, state, waits_for
"""
_FINISHED = """
SELECT n.channel, count(*) FILTER (WHERE a.outcome = 'sent'),
    count(*) FILTER (WHERE a.outcome = 'failed')
FROM notifications_deliveryattempt a JOIN notifications_notification n ON n.id = a.notification_id
WHERE a.at > statement_timestamp() - interval '1 minute'
GROUP BY n.channel
"""


def channel_flows() -> list[ChannelFlow]:
    """Every channel in the order of the registry; two queries."""
    facts: dict[str, dict[str, float]] = {name: {} for name in CHANNELS}
    waiting: dict[str, dict[str, int]] = {name: {} for name in CHANNELS}
    for channel, state, wait, count, due, oldest in _fetch(_UNFINISHED):
        known = facts.setdefault(channel, {})
        if state == Notification.State.SENDING:
            known["sending"] = known.get("sending", 0) + count
            continue
        known["due"] = known.get("due", 0) + due
        known["later"] = known.get("later", 0) + count - due
        known["oldest"] = max(known.get("oldest", 0.0), float(oldest))
        if wait:
            waiting.setdefault(channel, {})[wait] = count
    for channel, sent, failed in _fetch(_FINISHED):
        facts.setdefault(channel, {}).update(sent=sent, failed=failed)
    return [_flow_of(name, known, waiting.get(name, {})) for name, known in facts.items()]


def _flow_of(channel: str, known: dict[str, float], waiting: dict[str, int]) -> ChannelFlow:
    return ChannelFlow(
        channel=channel,
        label=Channel(channel).label,
        due=int(known.get("due", 0)),
        oldest_due_seconds=known.get("oldest", 0.0),
        sending=int(known.get("sending", 0)),
        later=int(known.get("later", 0)),
        waiting=waiting,
        sent_last_minute=int(known.get("sent", 0)),
        failed_last_minute=int(known.get("failed", 0)),
    )


def _fetch(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
