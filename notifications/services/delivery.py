"""Sends what is due on one channel: claim, gather, send in parallel, record, until nothing is left.

One run is one loop in one thread, with senders beside it that never touch the database. Whoever
has news for it (a finished send, a nudge) puts it into its inbox.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TypeAlias

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from notifications.bundling import MAX_PAGES, bundle_id, gather
from notifications.channels import CHANNELS
from notifications.channels.base import Channel, DeliveryError, Page, Postponed
from notifications.models import Notification
from notifications.providers.base import ProviderConfig
from notifications.senders import Crowd, Senders
from notifications.services.accounts import accounts_for
from notifications.services.admission import Door
from notifications.services.claims import Claim, claim
from notifications.services.holding import hold_address, hold_channel, mark_bundles, mark_channel
from notifications.services.outcomes import Outcome, record_outcomes
from notifications.services.routing import Route, send_message

logger = logging.getLogger(__name__)

# After this a run claims no more and leaves the rest to the next nudge or sweep.
RUN_SECONDS = 20.0
# While sends are under way, free senders look this often for new pages.
LOOK_AGAIN_SECONDS = 0.5
# While most senders are busy, sends that end within this are recorded together: half of the work.
BATCH_SECONDS = 0.015
# A run stays for pages that it put back for no longer than this; others are found by the sweep.
LINGER_SECONDS = 2.5
# A database that is away this long loses outcomes; the leases then run out and pages repeat.
RECORD_SECONDS = 10.0

Sent: TypeAlias = Future[list[Outcome]]
# A finished send, or None: look again.
Inbox: TypeAlias = SimpleQueue[Sent | None]


def deliver_due(
    *,
    channel: str,
    may_go_on: Callable[[], bool] = lambda: True,
    inbox: Inbox | None = None,
    hand_over: Callable[[], None] = lambda: None,
) -> int:
    """Send the due pages of a channel; returns how many went through this run's hands.

    At most `Channel.parallel` messages at a time, each claimed only when a sender is free: a slow
    provider holds back its own pages, not the queue. Ends early when `may_go_on` says so (the
    worker is being stopped); what is under way is still finished. Where that takes long after the
    run's time is over, `hand_over` is called once: another run may begin.
    """
    return _Run(CHANNELS[channel], may_go_on, inbox or SimpleQueue(), hand_over).go()


class _Run:
    def __init__(
        self,
        channel: Channel,
        may_go_on: Callable[[], bool],
        inbox: Inbox,
        hand_over: Callable[[], None],
    ) -> None:
        self.channel = channel
        self.accounts = accounts_for(channel.name)
        self.may_go_on = may_go_on
        self.inbox = inbox
        self.hand_over: Callable[[], None] | None = hand_over  # None: it was
        self.ends_at = time.monotonic() + RUN_SECONDS
        self.under_way: Senders[Sent] = Senders(channel.parallel)
        self.count = 0
        self.stays_until = 0.0  # for pages that were put back for a moment
        self.looks_at = 0.0  # when to claim again, if nobody calls before
        self.pool = ThreadPoolExecutor(
            self.under_way.most, thread_name_prefix=f"send-{channel.name}"
        )

    def go(self) -> int:
        with self.pool:
            try:
                self._take_more()
                while self.under_way or self._lingers():
                    self._record(self._wait())
                    if self._goes_on():
                        self._take_more()
                    elif self.hand_over and self.may_go_on() and self.under_way.has_slow():
                        self.hand_over()
                        self.hand_over = None
            finally:
                self._record_rest()
        return self.count

    def _goes_on(self) -> bool:
        return time.monotonic() < self.ends_at and self.may_go_on()

    def _lingers(self) -> bool:
        return self.stays_until > time.time() and self._goes_on()

    def _wait(self) -> list[Sent]:
        """Until there is news, or it is time to look; what was sent meanwhile."""
        seconds = LOOK_AGAIN_SECONDS
        if self.stays_until:
            seconds = min(seconds, max(self.stays_until - time.time(), 0.0) + 0.005)
        news: list[Sent | None] = []
        is_busy = len(self.under_way) > self.channel.parallel // 2
        try:
            news.append(self.inbox.get(timeout=seconds))
            ends_at = time.monotonic() + (BATCH_SECONDS if is_busy else 0.0)
            while len(news) < len(self.under_way):
                news.append(self.inbox.get(timeout=max(ends_at - time.monotonic(), 0.0)))
        except Empty:
            pass
        if None in news or 0.0 < self.stays_until <= time.time():
            self.looks_at = 0.0
        return [one for one in news if one is not None]

    def _take_more(self) -> None:
        """Claim for every free sender, until they are busy or nothing is due.

        Nothing was, when a claim found less than it could take; then only a nudge, or time, is a
        reason to look again.
        """
        if time.monotonic() < self.looks_at:
            return
        self.looks_at = 0.0
        door = Door(self.channel, self.accounts)
        mates = MAX_PAGES if self.channel.gathers and settings.BUNDLE_SECONDS else 0
        while (free := self.under_way.free()) > 0:
            max_turn = door.max_turn()
            if max_turn is None:
                return
            crowd = self.under_way.crowd()
            pages, is_full = self._claim(free, mates, max_turn, crowd)
            self.count += len(pages)
            self._start(door, gather(pages) if mates else [[page] for page in pages])
            if not is_full:
                # What was not claimed because of a crowd is, as soon as one of its calls has ended.
                self.looks_at = 0.0 if any(crowd) else time.monotonic() + LOOK_AGAIN_SECONDS
                return

    def _claim(self, limit: int, mates: int, max_turn: int, but: Crowd) -> Claim:
        """Claim, or nothing while the database is away and sends must still be recorded."""
        try:
            return claim(
                channel=self.channel.name,
                limit=limit,
                mates=mates,
                max_turn=max_turn,
                but=but,
            )
        except (OperationalError, InterfaceError) as error:
            if not self.under_way:
                raise
            logger.warning("No pages claimed: %s", error)
            connection.close()
            return Claim([], False)

    def _start(self, door: Door, parcels: Sequence[list[Page]]) -> None:
        admitted = []
        put_back: list[Outcome] = []
        for parcel in parcels:
            if (wait := door.let_in(parcel)) is None:
                admitted.append(parcel)
            else:
                put_back += [Outcome(page, Route(postponed=wait)) for page in parcel]
        mark_bundles({bundle_id(p): p for p in admitted if len(p) > 1})
        for parcel in admitted:
            sent = self.pool.submit(send_parcel, self.channel, parcel, self.accounts)
            self.under_way.start(sent, parcel[0].address if door.has_hosts else "")
            sent.add_done_callback(self.inbox.put)
        self._put_back(put_back)

    def _put_back(self, outcomes: Sequence[Outcome]) -> None:
        """Let pages wait, and with them what would only be claimed to wait for the same."""
        if not outcomes:
            return
        _record_patiently(outcomes)
        # What the door keeps for a breaker is kept by those of all accounts.
        self._hold(outcomes, is_shut=True)

    def _hold(self, outcomes: Iterable[Outcome], *, is_shut: bool) -> None:
        waits = {(o.page.address, o.route.postponed) for o in outcomes if o.route.postponed}
        for address, postponed in waits:
            if (until := postponed.until.timestamp()) - time.time() < LINGER_SECONDS:
                self.stays_until = max(self.stays_until, until)
            if postponed.is_for_address:
                hold_address(channel=self.channel.name, address=address, postponed=postponed)
            elif postponed.wait == Notification.Wait.LIMIT:
                mark_channel(channel=self.channel.name)
            elif postponed.wait == Notification.Wait.BREAKER and is_shut:
                hold_channel(channel=self.channel.name, postponed=postponed)

    def _record(self, sent: Sequence[Sent]) -> None:
        if not sent:
            return
        for one in sent:
            self.under_way.end(one)
        outcomes = [outcome for one in sent for outcome in one.result()]
        _record_patiently(outcomes)
        self._hold(outcomes, is_shut=len(self.accounts) == 1)
        if any(outcome.route.error is not None for outcome in outcomes):
            self.looks_at = 0.0  # the next way may be on this channel

    def _record_rest(self) -> None:
        """Whatever ended the run: what is under way may arrive, and must not be sent again."""
        rest: list[Sent] = []
        while len(rest) < len(self.under_way):
            if (sent := self.inbox.get()) is not None:
                rest.append(sent)
        self._record(rest)


def send_parcel(
    channel: Channel, pages: Sequence[Page], accounts: Sequence[ProviderConfig]
) -> list[Outcome]:
    """Render and send pages as one message, or keep it for the sandbox; never raises.

    Returns what became of each page. One that cannot be rendered does not keep the others back.
    """
    try:
        return _send_together(channel, pages, accounts)
    except Exception:
        # The outermost edge of one message: a defect here must not stop the others.
        logger.exception("Pages %s could not be sent.", [page.notification_id for page in pages])
    good = [page for page in pages if _renders(channel, page)]
    if len(good) == len(pages):  # they were rendered, and may have been sent
        good = []
    defect = DeliveryError("OpsKnight could not build or send the message; see its log.")
    rest = [Outcome(page, Route(error=defect)) for page in pages if page not in good]
    return [*send_parcel(channel, good, accounts), *rest] if good else rest


def _renders(channel: Channel, page: Page) -> bool:
    try:
        channel.render([page])
    except DeliveryError:
        return True
    except Exception:
        logger.exception("Page %s could not be rendered.", page.notification_id)
        return False
    return True


def _send_together(
    channel: Channel, pages: Sequence[Page], accounts: Sequence[ProviderConfig]
) -> list[Outcome]:
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
                idempotency_key=bundle_id(pages),
            )
    except DeliveryError as failure:
        route.error = failure
    except Postponed as postponed:
        route.postponed = postponed
    is_kept = not accounts and route.error is None and route.postponed is None
    return [Outcome(page, route, message if is_kept else None, len(pages)) for page in pages]


def _record_patiently(outcomes: Sequence[Outcome]) -> None:
    """Record outcomes, also across a restart of the database.

    One that cannot be written takes no others with it. Raises OperationalError when the database
    stays away, DatabaseError for what cannot be written; these pages are sent again when their
    leases end.
    """
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
        except DatabaseError:
            if len(outcomes) == 1:
                raise
            return _record_each(outcomes)


def _record_each(outcomes: Sequence[Outcome]) -> None:
    failure: DatabaseError | None = None
    for outcome in outcomes:
        try:
            _record_patiently([outcome])
        except OperationalError:
            raise  # it has been away for long enough
        except DatabaseError as error:
            logger.error("No outcome of page %s: %s", outcome.page.notification_id, error)
            failure = error
    if failure is not None:
        raise failure
