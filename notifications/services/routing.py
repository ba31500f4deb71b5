"""Hands a rendered message to the first account at a provider that takes it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import UUID

from notifications import breakers
from notifications.breakers import Guard
from notifications.channels.base import DeliveryError, Message, Postponed
from notifications.limits import account_slot
from notifications.models import DeliveryAttempt, Notification
from notifications.providers import PROVIDERS
from notifications.providers.base import ProviderConfig, Sent

Result = DeliveryAttempt.Outcome
Wait = Notification.Wait


# After this no further account is asked: its send could outlast the lease of the pages, and another
# worker would send them, too. The next attempt begins anew, and the breaker learns who is slow.
PASS_ON_SECONDS = 12.0


@dataclass(frozen=True)
class Call:
    """One call to a provider, as it is kept."""

    provider: str  # its name
    result: Result
    detail: str
    duration_ms: int


@dataclass
class Route:
    """What became of a message on its way through the accounts.

    Exactly one of `sent`, `error` and `postponed` is set; none for the sandbox.
    """

    calls: list[Call] = field(default_factory=list)
    sent: Sent | None = None
    account: ProviderConfig | None = None  # who took it
    error: DeliveryError | None = None  # the last one
    postponed: Postponed | None = None  # nobody was called


def send_message(
    message: Message, *, channel: str, accounts: Sequence[ProviderConfig], idempotency_key: UUID
) -> Route:
    """Try the accounts in order until one takes the message; one that is down is passed over.

    So is one whose breaker is open, or whose minute is used up; when there is no other, the message
    waits. Not passed over is one that fell silent after it had everything: the next one would
    double the page at once. Never touches the database.
    """
    route, started = Route(), time.monotonic()
    usable = [a for a in accounts if PROVIDERS[a.kind].takes(a, message)]
    if not usable:
        route.error = DeliveryError("No provider takes messages to this address.", permanent=True)
    waits: list[Postponed] = []
    for account in usable:
        if time.monotonic() - started > PASS_ON_SECONDS:
            break
        guard = guard_of(account, message, channel)
        if (wait := _not_now(account, guard)) is not None:
            waits.append(wait)
        elif _is_settled(_call(route, message, account, guard, idempotency_key)):
            return route
    if waits and not route.calls:
        route.postponed = min(waits, key=lambda wait: wait.until)
    return route


def guard_of(account: ProviderConfig, message: Message, channel: str) -> Guard:
    """Whose breaker counts a call: the account's, or the host's where everybody has an own one."""
    host = urlsplit(message.address).netloc if message.address.startswith("http") else ""
    if PROVIDERS[account.kind].is_built_in and host:
        return Guard(f"host:{host}", host, channel)
    return Guard(account.key, account.name, channel)


def _not_now(account: ProviderConfig, guard: Guard) -> Postponed | None:
    now = time.time()
    until = account_slot(account.key, account.per_minute, now=now)
    if until is not None:
        return Postponed(Wait.LIMIT, datetime.fromtimestamp(until, UTC))
    until = breakers.free_at(guard, now=now)
    if until is None:
        return None
    is_for_address = guard.key.startswith("host:")
    at = datetime.fromtimestamp(until, UTC)
    return Postponed(Wait.BREAKER, at, is_for_address=is_for_address)


def _call(
    route: Route, message: Message, account: ProviderConfig, guard: Guard, idempotency_key: UUID
) -> DeliveryError | None:
    """Make the call and write it down; what went wrong."""
    started = time.monotonic()
    try:
        sent = PROVIDERS[account.kind].send(
            message, config=account, channel=guard.channel, idempotency_key=idempotency_key
        )
    except DeliveryError as error:
        # What an account may never do, such as send to one country, does not stop it for others.
        is_down = error.provider_is_down and not error.permanent
        breakers.report(guard, error=str(error) if is_down else "")
        result = Result.UNKNOWN if error.may_have_arrived else Result.FAILED
        route.calls.append(_written(account, result, str(error), started))
        route.error = error
        return error
    breakers.report(guard)
    route.sent, route.account, route.error = sent, account, None
    route.calls.append(_written(account, Result.SENT, sent.answer, started))
    return None


def _is_settled(error: DeliveryError | None) -> bool:
    """No other account is to be asked."""
    return error is None or error.may_have_arrived or not error.provider_is_down


def _written(account: ProviderConfig, result: Result, detail: str, started: float) -> Call:
    return Call(account.name, result, detail, int((time.monotonic() - started) * 1000))
