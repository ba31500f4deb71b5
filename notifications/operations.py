"""How sending goes at this moment, for those who run it: depth, age, pace and breakers."""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, F, Max
from django.db.models.functions import Now
from redis.exceptions import RedisError

from incidents.models import Incident
from notifications.breakers import BreakerState, breaker_states
from notifications.channels import CHANNELS
from notifications.left_alone import LeftAlone, left_alone
from notifications.models import Notification
from notifications.models.preferences import Channel
from notifications.providers.base import ProviderConfig
from notifications.services.accounts import accounts_for
from notifications.workers import Presence, presence
from opsknight.prompt_redis import prompt_redis

logger = logging.getLogger(__name__)

State = Notification.State

# What waits, by channel and by what it waits for; served by the index notification_due.
_WAITING = """
SELECT channel, waits_for, count(*) FILTER (WHERE due_at <= statement_timestamp()),
  count(*) FILTER (WHERE due_at > statement_timestamp()),
  extract(epoch FROM statement_timestamp() - min(due_at))
FROM notifications_notification WHERE state = 'pending' GROUP BY channel, waits_for
"""
# What became of messages in the last hour, and how long they took from when they were wanted;
# served by the index notification_log, notices in the app apart.
_FINISHED = """
SELECT channel,
  count(*) FILTER (WHERE state IN ('sent', 'delivered')
    AND finished_at > statement_timestamp() - interval '5 minutes'),
  count(*) FILTER (WHERE state IN ('sent', 'delivered')),
  count(*) FILTER (WHERE state = 'failed'),
  count(*) FILTER (WHERE state = 'sandboxed'),
  extract(epoch FROM percentile_cont(0.95) WITHIN GROUP (ORDER BY
    finished_at - created_at - delay_minutes * interval '1 minute')
    FILTER (WHERE state IN ('sent', 'delivered')))
FROM notifications_notification
WHERE channel <> 'in_app' AND finished_at > statement_timestamp() - interval '1 hour'
GROUP BY channel
"""


@dataclass
class ChannelState:
    """One channel."""

    name: str  # its stored value
    label: str
    accounts: Sequence[ProviderConfig] = ()  # first choice first
    due: int = 0  # wait for a worker, a slot or a provider
    later: int = 0  # their time is to come
    sending: int = 0
    oldest_due: timedelta | None = None
    waits: dict[str, int] = field(default_factory=dict)  # why, in words → how many
    per_minute: float = 0.0  # over the last five minutes
    sent: int = 0  # in the last hour, as the next three
    failed: int = 0
    sandboxed: int = 0
    p95: timedelta | None = None  # from when a message was wanted until it went out
    nudges: int | None = None  # tasks in the queue of its workers; None: Redis is away
    breakers: list[BreakerState] = field(default_factory=list)
    # Accounts that asked for patience, while their breakers are closed.
    held: list[tuple[str, LeftAlone]] = field(default_factory=list)  # by name
    is_stopped: bool = False  # it has accounts, and all of them are left alone

    @property
    def providers(self) -> list[str]:
        """The names of its accounts, first choice first."""
        return [account.name for account in self.accounts]

    @property
    def is_idle(self) -> bool:
        """Nothing waits, nothing went, and nobody entered an account for it."""
        is_entered = not all(account.key.startswith("built-in:") for account in self.accounts)
        seen = self.due or self.later or self.sending or self.hour or self.breakers
        return not (is_entered or seen)

    @property
    def hour(self) -> int:
        """Everything that ended in the last hour, but for what was cancelled."""
        return self.sent + self.failed + self.sandboxed

    @property
    def is_broken(self) -> bool:
        """A breaker of it is not closed."""
        return any(breaker.state != "closed" for breaker in self.breakers)


@dataclass(frozen=True)
class Operations:
    """Everything the page shows."""

    channels: list[ChannelState]
    steps_due: int  # incidents whose next step is due
    oldest_step: timedelta | None
    has_redis: bool
    presence: Presence | None  # None: Redis is away
    seconds: float  # that the figures of the database took

    @property
    def oldest_due(self) -> timedelta | None:
        """How long the longest waiting message has been due."""
        ages = [channel.oldest_due for channel in self.channels if channel.oldest_due is not None]
        return max(ages, default=None)


def operations_now() -> Operations:
    """The figures of this moment: four queries, and a few questions to Redis."""
    began = time.monotonic()
    channels = {
        value: ChannelState(value, label, accounts_for(value))
        for value, label in Channel.choices
        if value != Channel.IN_APP
    }
    _add_waiting(channels)
    _add_sending(channels)
    _add_finished(channels)
    due = Incident.objects.filter(escalate_at__lte=Now())
    steps = due.aggregate(count=Count("pk"), waited=Max(Now() - F("escalate_at")))
    seconds = time.monotonic() - began
    found = presence(sorted({*(channel.queue for channel in CHANNELS.values()), "escalations"}))
    has_redis = found is not None and _add_queues(channels.values()) and _add_breakers(channels)
    return Operations(
        channels=list(channels.values()),
        steps_due=steps["count"],
        oldest_step=steps["waited"],
        has_redis=has_redis,
        presence=found if has_redis else None,
        seconds=seconds,
    )


def _add_waiting(channels: dict[str, ChannelState]) -> None:
    for channel, waits_for, due, later, age in _rows(_WAITING):
        state = channels.get(channel)
        if state is None:
            continue
        state.due += due
        state.later += later
        if due and age > 0:
            state.oldest_due = max(state.oldest_due or timedelta(), timedelta(seconds=float(age)))
        if waits_for:
            words = Notification.Wait(waits_for).label
            state.waits[words] = state.waits.get(words, 0) + due + later


def _add_sending(channels: dict[str, ChannelState]) -> None:
    rows = Notification.objects.filter(state=State.SENDING).order_by().values_list("channel")
    for channel, count in rows.annotate(count=Count("pk")):
        if channel in channels:
            channels[channel].sending = count


def _add_finished(channels: dict[str, ChannelState]) -> None:
    for channel, lately, sent, failed, sandboxed, p95 in _rows(_FINISHED):
        state = channels[channel]
        state.per_minute = lately / 5
        state.sent, state.failed, state.sandboxed = sent, failed, sandboxed
        state.p95 = timedelta(seconds=max(float(p95), 0.0)) if p95 is not None else None


def _add_queues(channels: Iterable[ChannelState]) -> bool:
    """How many tasks wait in each channel's queue; False while Redis is away."""
    try:
        for state in channels:
            state.nudges = prompt_redis().llen(CHANNELS[state.name].queue)
    except RedisError as error:
        logger.warning("Queues cannot be counted: %s", error)
        return False
    return True


def _add_breakers(channels: dict[str, ChannelState]) -> bool:
    """Breakers that failed in the last day, and accounts that are held; False: Redis is away."""
    states = breaker_states()
    for state in states or []:
        if state.guard.channel in channels:
            channels[state.guard.channel].breakers.append(state)
    if states is None:
        return False
    broken = {state.guard.key for state in states if state.state != "closed"}
    keys = {account.key for channel in channels.values() for account in channel.accounts}
    alone = left_alone(keys - broken, states)
    for channel in channels.values():
        channel.held = [(a.name, alone[a.key]) for a in channel.accounts if a.key in alone]
        out = broken | alone.keys()
        channel.is_stopped = bool(channel.accounts) and all(a.key in out for a in channel.accounts)
    return True


def _rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
