"""Hands a rendered message to the first account at a provider that takes it."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import UUID

from notifications import breakers
from notifications.breakers import Guard
from notifications.channels.base import DeliveryError, Message, Posted, Postponed
from notifications.holds import held_until, hold, is_released
from notifications.limits import account_slot
from notifications.models import DeliveryAttempt, Notification
from notifications.providers import PROVIDERS
from notifications.providers.base import ProviderConfig, Sent

Result = DeliveryAttempt.Outcome
Wait = Notification.Wait


# Who waits for an account looks again after this, whatever patience was asked for: perhaps it is
# time for the next way by then.
LOOK_AGAIN_SECONDS = 60.0
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
    error: DeliveryError | None = None  # of several the one that gives most hope
    postponed: Postponed | None = None  # nobody was called, or asked for more than patience


@dataclass(frozen=True)
class Exit:
    """An account as one message sees it."""

    account: ProviderConfig
    guard: Guard  # whose breaker counts its calls
    hold: str  # the name of what is left alone when it asks for patience

    @property
    def is_for_address(self) -> bool:
        """Patience is asked for with the address, and no other address has to wait."""
        return self.hold != self.account.key


def send_message(
    message: Message, *, channel: str, accounts: Sequence[ProviderConfig], idempotency_key: UUID
) -> Route:
    """Try the accounts in order until one takes the message; one that is down is passed over.

    So is one whose breaker is open, whose minute is used up, or who asked for patience; when there
    is no other, the message waits. Not passed over is one that fell silent after it had everything:
    the next one would double the page at once. Never touches the database.
    """
    route, started = Route(), time.monotonic()
    usable = [a for a in accounts if PROVIDERS[a.kind].takes(a, message)]
    waits: list[Postponed] = []
    for account in usable:
        if time.monotonic() - started > PASS_ON_SECONDS:
            break
        way = exit_of(account, message.address, channel)
        wait = _not_now(way)
        if wait is None:
            error = _call(route, message, way, idempotency_key)
            if error is None:
                return route
            if (wait := _learn(way, error)) is None:
                route.error = _more_hopeful(route.error, error)
                if _is_settled(error):
                    route.error = error
                    return route
        if wait is not None:
            waits.append(wait)
    if not usable:
        route.error = DeliveryError("No provider takes messages to this address.", permanent=True)
    if waits and (route.error is None or route.error.permanent):
        # What one account may never carry, another one will when it is back.
        route.postponed, route.error = min(waits, key=lambda wait: wait.until), None
    return route


def edit_message(
    message: Message, *, account: ProviderConfig, channel: str, posted: Posted
) -> Postponed | None:
    """Edit what an account posted; Postponed: not now, as for new messages. Raises DeliveryError.

    Edits never hold back pages: of the account's minute a share is left to them, and the patience
    that an edit is asked for is that of edits alone, which chats count by themselves.
    """
    way = exit_of(account, message.address, channel)
    edits, now = edits_of(way.hold), time.time()
    if (until := held_until(edits, now=now)) is not None:
        return _patient(way, until, now)
    if (wait := _not_now(way, is_page=False)) is not None:
        return wait
    try:
        PROVIDERS[account.kind].edit(message, config=account, posted=posted)
    except DeliveryError as error:
        if error.retry_after and not error.permanent:
            breakers.give_back(way.guard)
            until = time.time() + error.retry_after.total_seconds()
            hold(edits, until=until)
            return _patient(way, until, time.time())
        _learn(way, error)
        raise
    breakers.report(way.guard)
    return None


def edits_of(hold: str) -> str:
    """The name of the patience that edits are asked for, beside that of new messages."""
    return f"edits:{hold}"


def exit_of(account: ProviderConfig, address: str, channel: str) -> Exit:
    """The account, with what is asked about before a call and told afterwards.

    The breaker is the account's, or the host's where everybody has an address of their own.
    """
    provider = PROVIDERS[account.kind]
    guard = Guard(account.key, account.name, channel)
    host = urlsplit(address).netloc if address.startswith("http") else ""
    if provider.is_built_in and host:
        guard = Guard(f"host:{host}", host, channel)
    own = hashlib.sha256(f"{channel}:{address}".encode()).hexdigest()
    return Exit(account, guard, f"to:{own}" if provider.holds_addresses else account.key)


def _not_now(way: Exit, *, is_page: bool = True) -> Postponed | None:
    """Why it is not called now. Takes a slot of its minute, and its probe, only where it is."""
    now = time.time()
    if (until := held_until(way.hold, now=now)) is not None:
        return _patient(way, until, now)
    if (until := breakers.free_at(way.guard, now=now)) is not None:
        at = datetime.fromtimestamp(until, UTC)
        return Postponed(Wait.BREAKER, at, is_for_address=way.guard.key.startswith("host:"))
    account = way.account
    until = account_slot(account.key, account.per_minute, is_page=is_page, now=now)
    if until is None:
        return None
    breakers.give_back(way.guard)
    return Postponed(Wait.LIMIT, datetime.fromtimestamp(until, UTC))


def _patient(way: Exit, until: float, now: float) -> Postponed:
    """An account that is left alone is as good as one that is down: pages may go another way."""
    if way.is_for_address:
        return Postponed(Wait.LIMIT, datetime.fromtimestamp(until, UTC), is_for_address=True)
    until = min(until, now + LOOK_AGAIN_SECONDS)
    return Postponed(Wait.BREAKER, datetime.fromtimestamp(until, UTC))


def _learn(way: Exit, error: DeliveryError) -> Postponed | None:
    """Tell the breaker, and everybody else where patience is asked for; not None: just wait.

    Of those whom it asks at the same time only the first counts: for the breaker, and, where it is
    about an address, as an attempt.
    """
    # What an account may never do, such as send to one country, does not stop it for others.
    is_down = error.provider_is_down and not error.permanent
    now, patience = time.time(), error.retry_after
    if is_down and is_released(way.guard.key, now=now):
        is_down = False  # the account as it was before somebody corrected it
    if not patience or error.permanent or error.may_have_arrived:
        breakers.report(way.guard, error=str(error) if is_down else "")
        return None
    until = now + patience.total_seconds()
    is_first = hold(way.hold, until=until)
    if is_first or not is_down:
        breakers.report(way.guard, error=str(error) if is_down else "")
    return None if is_first and way.is_for_address else _patient(way, until, now)


def _call(route: Route, message: Message, way: Exit, idempotency_key: UUID) -> DeliveryError | None:
    """Make the call and write it down; what went wrong."""
    started, account = time.monotonic(), way.account
    try:
        sent = PROVIDERS[account.kind].send(
            message, config=account, channel=way.guard.channel, idempotency_key=idempotency_key
        )
    except DeliveryError as error:
        result = Result.UNKNOWN if error.may_have_arrived else Result.FAILED
        route.calls.append(_written(account, result, str(error), started))
        return error
    breakers.report(way.guard)
    route.sent, route.account, route.error = sent, account, None
    route.calls.append(_written(account, Result.SENT, sent.answer, started))
    return None


def _more_hopeful(first: DeliveryError | None, second: DeliveryError) -> DeliveryError:
    """The later one, unless only the earlier one may pass."""
    return second if first is None or first.permanent or not second.permanent else first


def _is_settled(error: DeliveryError) -> bool:
    """No other account is to be asked."""
    return error.may_have_arrived or not error.provider_is_down


def _written(account: ProviderConfig, result: Result, detail: str, started: float) -> Call:
    return Call(account.name, result, detail, int((time.monotonic() - started) * 1000))
