"""Sends what is due on one channel: claim, send in parallel, record, until nothing is left."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.db import InterfaceError, OperationalError, connection

from notifications.channels import CHANNELS
from notifications.channels.base import Channel, DeliveryError, Page
from notifications.providers.base import ProviderConfig
from notifications.services.accounts import accounts_for
from notifications.services.claims import claim_pages
from notifications.services.outcomes import Outcome, record_outcomes
from notifications.services.routing import Route, send_message

logger = logging.getLogger(__name__)

# After this a run claims no more and leaves the rest to the next nudge or sweep.
RUN_SECONDS = 20.0
# While sends are under way, free senders look this often for new pages.
LOOK_AGAIN_SECONDS = 0.5
# A database that is away this long loses outcomes; the leases then run out and pages repeat.
RECORD_SECONDS = 10.0


def deliver_due(*, channel: str, may_go_on: Callable[[], bool] = lambda: True) -> int:
    """Send the due pages of a channel; returns how many went through this run's hands.

    At most `Channel.parallel` at a time, each claimed only when a sender is free: a slow provider
    holds back its own pages, not the queue. Sending threads never touch the database. Ends early
    when `may_go_on` says so (the worker is being stopped); what is under way is still finished.
    """
    sender, accounts = CHANNELS[channel], accounts_for(channel)
    ends_at = time.monotonic() + RUN_SECONDS
    pages = claim_pages(channel=channel, limit=sender.parallel)
    count = len(pages)
    if not pages:
        return 0
    with ThreadPoolExecutor(sender.parallel, thread_name_prefix=f"send-{channel}") as pool:
        under_way = {pool.submit(send_parcel, sender, [page], accounts) for page in pages}
        while under_way:
            done, under_way = wait(under_way, LOOK_AGAIN_SECONDS, return_when=FIRST_COMPLETED)
            _record_patiently(done)
            free = sender.parallel - len(under_way)
            if free and time.monotonic() < ends_at and may_go_on():
                pages = _claim_more(channel, free)
                count += len(pages)
                under_way |= {pool.submit(send_parcel, sender, [page], accounts) for page in pages}
    return count


def send_parcel(
    channel: Channel, pages: Sequence[Page], accounts: Sequence[ProviderConfig]
) -> list[Outcome]:
    """Render and send pages as one message, or keep it for the sandbox; never raises.

    Returns what became of each page.
    """
    message, route = None, Route()
    try:
        if obstacle := next((page.cannot_send for page in pages if page.cannot_send), ""):
            raise DeliveryError(obstacle, permanent=True)
        message = channel.render(pages)
        if accounts:
            route = send_message(
                message,
                channel=channel.name,
                accounts=accounts,
                idempotency_key=pages[0].idempotency_key,
            )
    except DeliveryError as failure:
        route.error = failure
    except Exception:
        # The outermost edge of one message: a defect here must not stop the others.
        logger.exception("Pages %s could not be sent.", [page.notification_id for page in pages])
        route.error = DeliveryError("OpsKnight could not build or send the message; see its log.")
    kept = message if not accounts and route.error is None else None
    return [Outcome(page, route, kept) for page in pages]


def _claim_more(channel: str, limit: int) -> list[Page]:
    """Claim, or nothing while the database is away: what is under way must still be recorded."""
    try:
        return claim_pages(channel=channel, limit=limit)
    except (OperationalError, InterfaceError) as error:
        logger.warning("No pages claimed: %s", error)
        connection.close()
        return []


def _record_patiently(done: set[Future[list[Outcome]]]) -> None:
    """Record outcomes, also across a restart of the database.

    Raises OperationalError when it stays away; the pages are sent again when their leases end.
    """
    if not done:
        return
    outcomes = [outcome for future in done for outcome in future.result()]
    gives_up_at = time.monotonic() + RECORD_SECONDS
    while True:
        try:
            return record_outcomes(outcomes)
        except (OperationalError, InterfaceError) as error:
            connection.close()
            if time.monotonic() > gives_up_at:
                raise
            logger.warning("Outcomes not recorded yet: %s", error)
            time.sleep(0.5)
