"""Sends what is due on one channel: claim, send in parallel, record, until nothing is left."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.db import InterfaceError, OperationalError, connection

from notifications.channels import CHANNELS
from notifications.channels.base import Channel, DeliveryError, Page
from notifications.models import DeliveryAttempt
from notifications.services.claims import claim_pages
from notifications.services.outcomes import Outcome, record_outcomes

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
    sender = CHANNELS[channel]
    ends_at = time.monotonic() + RUN_SECONDS
    pages = claim_pages(channel=channel, limit=sender.parallel)
    count = len(pages)
    if not pages:
        return 0
    with ThreadPoolExecutor(sender.parallel, thread_name_prefix=f"send-{channel}") as pool:
        under_way = {pool.submit(send_page, sender, page) for page in pages}
        while under_way:
            done, under_way = wait(under_way, LOOK_AGAIN_SECONDS, return_when=FIRST_COMPLETED)
            _record_patiently(done)
            free = sender.parallel - len(under_way)
            if free and time.monotonic() < ends_at and may_go_on():
                pages = _claim_more(channel, free)
                count += len(pages)
                under_way |= {pool.submit(send_page, sender, page) for page in pages}
    return count


def send_page(channel: Channel, page: Page) -> Outcome:
    """Render and send one page, or keep it for the sandbox; never raises."""
    started = time.monotonic()
    result, error, kept = DeliveryAttempt.Outcome.SENT, None, None
    try:
        if page.cannot_send:
            raise DeliveryError(page.cannot_send, permanent=True)
        message = channel.render(page)
        if channel.is_configured():
            # Limits and breakers of providers and destinations belong here.
            channel.send(message, page.idempotency_key)
        else:
            result, kept = DeliveryAttempt.Outcome.SANDBOXED, message
    except DeliveryError as failure:
        error = failure
    except Exception:
        # The outermost edge of one page: a defect here must not stop the others.
        logger.exception("Page %s could not be sent.", page.notification_id)
        error = DeliveryError("OpsKnight could not build or send the message; see its log.")
    if error is not None:
        unknown = error.may_have_arrived
        result = DeliveryAttempt.Outcome.UNKNOWN if unknown else DeliveryAttempt.Outcome.FAILED
    return Outcome(page, result, int((time.monotonic() - started) * 1000), kept, error)


def _claim_more(channel: str, limit: int) -> list[Page]:
    """Claim, or nothing while the database is away: what is under way must still be recorded."""
    try:
        return claim_pages(channel=channel, limit=limit)
    except (OperationalError, InterfaceError) as error:
        logger.warning("No pages claimed: %s", error)
        connection.close()
        return []


def _record_patiently(done: set[Future[Outcome]]) -> None:
    """Record outcomes, also across a restart of the database.

    Raises OperationalError when it stays away; the pages are sent again when their leases end.
    """
    if not done:
        return
    outcomes = [future.result() for future in done]
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
