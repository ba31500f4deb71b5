"""Hands a rendered message to the first account at a provider that takes it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from notifications.channels.base import DeliveryError, Message
from notifications.models import DeliveryAttempt
from notifications.providers import PROVIDERS
from notifications.providers.base import ProviderConfig, Sent

Result = DeliveryAttempt.Outcome


@dataclass(frozen=True)
class Call:
    """One call to a provider, as it is kept."""

    provider: str  # its name
    result: Result
    detail: str
    duration_ms: int


@dataclass
class Route:
    """What became of a message on its way through the accounts. Exactly one of both is set."""

    calls: list[Call] = field(default_factory=list)
    sent: Sent | None = None
    account: ProviderConfig | None = None  # who took it
    error: DeliveryError | None = None  # the last one


def send_message(
    message: Message, *, channel: str, accounts: Sequence[ProviderConfig], idempotency_key: UUID
) -> Route:
    """Try the accounts in order until one takes the message; one that is down is passed over.

    Not passed over is one that fell silent after it had everything: the next one would double the
    page at once. Never touches the database.
    """
    route = Route()
    usable = [a for a in accounts if PROVIDERS[a.kind].takes(a, message)]
    if not usable:
        route.error = DeliveryError("No provider takes messages to this address.", permanent=True)
    for account in usable:
        started = time.monotonic()
        try:
            route.sent = PROVIDERS[account.kind].send(
                message, config=account, channel=channel, idempotency_key=idempotency_key
            )
        except DeliveryError as error:
            route.error = error
            unknown = error.may_have_arrived
            result = Result.UNKNOWN if unknown else Result.FAILED
            route.calls.append(_call(account, result, str(error), started))
            if unknown or not error.provider_is_down:
                return route
        else:
            route.account, route.error = account, None
            route.calls.append(_call(account, Result.SENT, route.sent.answer, started))
            return route
    return route


def _call(account: ProviderConfig, result: Result, detail: str, started: float) -> Call:
    return Call(account.name, result, detail, int((time.monotonic() - started) * 1000))
