"""Group commit: what arrives together is stored together, and answered after COMMIT.

One thread per web process owns one database connection. While it commits one batch the next
collects by itself, so a quiet door answers at once and a busy one grows its batches.

What the database does not take goes to the spool on disk, and is answered when it is there.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import cache

from django.db import Error, connection

from incidents.intake.announcer import Announcer
from incidents.intake.spool import Spool, SpoolFull
from incidents.intake.spooling import Drainer, keep, parts, shared_spool
from incidents.intake.storing import Submission, queued, store
from incidents.services.delivery_records import DeliveryRecord
from incidents.services.intake import Outcome
from incidents.services.received import Received
from opsknight.errors import OpsKnightError

logger = logging.getLogger(__name__)

MAX_EVENTS = 500  # in one transaction; a delivery without events counts as one
MAX_BYTES = 16 * 1024 * 1024  # of bodies in one transaction
MAX_WAITING = 20_000  # submissions; beyond, senders are told to come back
# After a batch of so many, the next one is not begun while more come every millisecond.
CROWD = 6
GATHER_SECONDS = 0.001
GATHER_STEPS = 6
IDLE_SECONDS = 0.5  # then the connection goes back to the pool
PATIENCE_SECONDS = 4.0  # then a database that does not answer is taken for one that is away
WATCH_EVERY_SECONDS = 0.25


class Unavailable(OpsKnightError):
    """Neither the database nor the disk takes it; the sender should repeat."""

    code = "unavailable"
    status = 503


class GroupCommitter:
    """Collects submissions and commits them in batches."""

    def __init__(self, spool: Spool | None = None, announcer: Announcer | None = None) -> None:
        self._spool = spool or shared_spool()
        self._announce = (announcer or Announcer()).announce
        self._queue: queue.SimpleQueue[Submission] = queue.SimpleQueue()
        self._crowd = 0  # submissions in the last batch
        self._lock = threading.Lock()  # around the two below
        self._working: Sequence[Submission] = ()
        self._since: float | None = None  # None: not at work
        self.is_idle = threading.Event()  # set while no connection is held
        threading.Thread(target=self._run, name="committer", daemon=True).start()
        threading.Thread(target=self._watch, name="committer-watch", daemon=True).start()

    def submit(
        self, received: Sequence[Received], record: DeliveryRecord | None = None
    ) -> "Future[list[Outcome]]":
        """Hand over the events of one request; the future holds one outcome for each.

        The future raises Unavailable when nothing was kept. Without a record the events cannot
        wait on disk for the database.
        """
        future: Future[list[Outcome]] = Future()
        self._put(Submission(received, record, future))
        return future

    def submit_async(
        self, received: Sequence[Received], record: DeliveryRecord | None = None
    ) -> "asyncio.Future[list[Outcome]]":
        """The same for a coroutine; the answers of one batch wake its event loop once."""
        future = asyncio.get_running_loop().create_future()
        self._put(Submission(received, record, future))
        return future

    def _put(self, submission: Submission) -> None:
        if self._queue.qsize() < MAX_WAITING:
            self._queue.put(submission)
        else:
            submission.error = _unavailable("Too many events wait to be stored.")
            _answer([submission])

    def _run(self) -> None:
        while True:
            batch = self._collect()
            with self._lock:
                self._working, self._since = batch, time.monotonic()
            try:
                self._commit(batch)
            except Exception:  # the thread must outlive whatever one batch does to it
                logger.exception("A batch of %d submissions failed.", len(batch))
                self._keep(batch)
                with suppress(Error):
                    connection.close()
            with self._lock:
                self._working, self._since = (), None
            _answer(batch)

    def _collect(self) -> list[Submission]:
        """Wait for one submission, then take what else is there."""
        try:
            batch = [self._queue.get(timeout=IDLE_SECONDS)]
        except queue.Empty:
            with suppress(Error):  # whatever it was: the next batch asks for another one
                connection.close()
            self.is_idle.set()
            batch = [self._queue.get()]
            self.is_idle.clear()
        if self._crowd >= CROWD:
            self._gather()
        count, size = batch[0].weight
        while count < MAX_EVENTS and size < MAX_BYTES:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
            more, larger = batch[-1].weight
            count, size = count + more, size + larger
        self._crowd = len(batch)
        return batch

    def _gather(self) -> None:
        """Let those who are on the way come along: a transaction costs more than an event in it."""
        waiting = self._queue.qsize()
        for _ in range(GATHER_STEPS):
            time.sleep(GATHER_SECONDS)
            if (now_waiting := self._queue.qsize()) == waiting:
                return
            waiting = now_waiting

    def _commit(self, submissions: list[Submission]) -> None:
        if self._spool.is_waiting():
            self._keep(submissions)  # behind what came before it
            return
        try:
            store(submissions, self._announce)
        except Error as error:
            logger.error("Intake cannot store: %s", error)
            connection.close()
            self._keep(submissions)

    def _keep(self, submissions: Sequence[Submission]) -> None:
        """Put on disk what has no answer yet, so that it has one."""
        open_ones = [s for s in submissions if s.outcomes is None and s.error is None]
        recorded = [s for s in open_ones if s.record is not None]
        try:
            for part in parts(recorded, MAX_WAITING):
                keep(self._spool, part)
                for submission in part:
                    if submission.error is None:
                        submission.outcomes = queued(submission)
        except SpoolFull as error:
            logger.error("The spool cannot keep all of %d deliveries: %s", len(recorded), error)
        except Exception:  # the last resort: everybody gets an answer
            logger.exception("Keeping %d deliveries failed.", len(recorded))
        for submission in open_ones:
            if submission.outcomes is None and submission.error is None:
                submission.error = _unavailable("The database does not answer.")

    def _watch(self) -> None:
        """Answer from disk while the database hangs: senders wait for seconds only."""
        while True:
            time.sleep(WATCH_EVERY_SECONDS)
            try:
                self._rescue()
            except Exception:  # the thread must live
                logger.exception("Watching the committer failed.")

    def _rescue(self) -> None:
        with self._lock:
            if self._since is None or time.monotonic() - self._since < PATIENCE_SECONDS:
                return
            stuck, self._working = list(self._working), ()
        with suppress(queue.Empty):
            while True:
                stuck.append(self._queue.get_nowait())
        # Copies: the committer may come back to the originals at any moment.
        rescued = [Submission(s.received, s.record, s.future) for s in stuck]
        if rescued:
            logger.error("The database hangs; %d deliveries go to disk.", len(rescued))
            self._keep(rescued)
            _answer(rescued)


@cache
def shared_committer() -> GroupCommitter:
    """The one committer of this process, with what empties the spool."""
    spool, announcer = shared_spool(), Announcer()
    Drainer(spool, announcer.announce)
    return GroupCommitter(spool, announcer)


def _answer(submissions: Sequence[Submission]) -> None:
    """Wake whoever waits: threads one by one, each event loop once for all of its requests."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Submission]] = {}
    for submission in submissions:
        if isinstance(submission.future, asyncio.Future):
            by_loop.setdefault(submission.future.get_loop(), []).append(submission)
        else:
            _settle([submission])
    for loop, waiting in by_loop.items():
        # A closed loop belongs to a server that is gone; the events are stored all the same.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, waiting)


def _settle(submissions: Sequence[Submission]) -> None:
    for submission in submissions:
        if submission.future is None or submission.future.done():
            continue  # the sender went away; its events are stored all the same
        with suppress(InvalidStateError):  # it goes away at this very moment
            if submission.error is not None:
                submission.future.set_exception(submission.error)
            else:
                submission.future.set_result(submission.outcomes or [])


def _unavailable(why: str) -> Unavailable:
    return Unavailable(f"The event was not stored: {why} Send it again.")
