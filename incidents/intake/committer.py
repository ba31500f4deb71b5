"""Group commit: what arrives together is stored together, and answered after COMMIT.

One thread per web process owns one database connection. While it commits one batch the next
collects by itself, so a quiet door answers at once and a busy one grows its batches.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from django.db import DataError, Error, IntegrityError, connection

from incidents.services.intake import Batch, Outcome, Received, TryAgain, receive_events
from opsknight.errors import OpsKnightError
from opsknight.wake import DEFAULT_QUEUES, Wake, send_nudge
from realtime.publish import publish_now

logger = logging.getLogger(__name__)

MAX_EVENTS = 500  # in one transaction
MAX_WAITING = 20_000  # submissions; beyond, senders are told to come back
ANNOUNCE_EVERY_SECONDS = 0.02
IDLE_SECONDS = 0.5  # then the connection goes back to the pool


class Unavailable(OpsKnightError):
    """The database does not answer; nothing was stored and the sender should repeat."""

    code = "unavailable"
    status = 503


class Rejected(OpsKnightError):
    """The database refuses the values of this event."""

    code = "invalid_payload"
    status = 400


@dataclass(slots=True)
class Submission:
    """What one request brought; its events are answered together."""

    received: Sequence[Received]
    future: "Future[list[Outcome]] | asyncio.Future[list[Outcome]]"
    outcomes: list[Outcome] | None = None
    error: OpsKnightError | None = None


class GroupCommitter:
    """Collects submissions and commits them in batches."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Submission] = queue.Queue(MAX_WAITING)
        self._announcer = Announcer()
        self.is_idle = threading.Event()  # set while no connection is held
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def submit(self, received: Sequence[Received]) -> "Future[list[Outcome]]":
        """Hand over the events of one request; the future holds one outcome for each.

        The future raises Unavailable when nothing was stored.
        """
        future: Future[list[Outcome]] = Future()
        self._put(Submission(received, future))
        return future

    def submit_async(self, received: Sequence[Received]) -> "asyncio.Future[list[Outcome]]":
        """The same for a coroutine; the answers of one batch wake its event loop once."""
        future = asyncio.get_running_loop().create_future()
        self._put(Submission(received, future))
        return future

    def _put(self, submission: Submission) -> None:
        try:
            self._queue.put_nowait(submission)
        except queue.Full:
            submission.error = _unavailable()
            _answer([submission])

    def _run(self) -> None:
        while True:
            batch = self._collect()
            try:
                self._commit(batch)
            except Exception:  # the thread must outlive whatever one batch does to it
                logger.exception("A batch of %d submissions failed.", len(batch))
                _fail(batch)
                connection.close()
            _answer(batch)

    def _collect(self) -> list[Submission]:
        """Wait for one submission, then take what else is there."""
        try:
            batch = [self._queue.get(timeout=IDLE_SECONDS)]
        except queue.Empty:
            connection.close()
            self.is_idle.set()
            batch = [self._queue.get()]
            self.is_idle.clear()
        count = len(batch[0].received)
        while count < MAX_EVENTS:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
            count += len(batch[-1].received)
        return batch

    def _commit(self, submissions: list[Submission]) -> None:
        try:
            self._store(submissions)
        except (DataError, IntegrityError, TryAgain, ValueError) as error:
            if len(submissions) > 1:
                # One of them is poisoned: each for itself, so that only that one fails.
                for submission in submissions:
                    self._commit([submission])
            else:
                logger.warning("The database refused an event: %s", error)
                submissions[0].error = _rejected(error)
        except Error as error:
            logger.error("Intake cannot store: %s", error)
            connection.close()
            _fail(submissions)

    def _store(self, submissions: list[Submission]) -> None:
        everything = [r for s in submissions for r in s.received]
        batch = receive_events(everything)
        outcomes = iter(batch.outcomes)
        for submission in submissions:
            submission.outcomes = [next(outcomes) for _ in submission.received]
        self._announcer.announce(batch)


class Announcer:
    """Tells Redis what a batch changed, beside the commits: a slow Redis delays no answer.

    The first change of a quiet door is told at once; under load many batches share one message.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._changed: set[int] = set()
        self._wakes: set[Wake] = set()
        threading.Thread(target=self._run, name="announcer", daemon=True).start()

    def announce(self, batch: Batch) -> None:
        """Remember and return; what comes close together goes out as one."""
        with self._lock:
            self._changed.update(batch.changed_ids)
            if batch.has_triggered:
                self._wakes.add(Wake.ESCALATE)
            if batch.has_settled:
                self._wakes.add(Wake.CANCEL_SETTLED)
        self._ready.set()

    def _run(self) -> None:
        while True:
            self._ready.wait()
            self._ready.clear()
            with self._lock:
                changed, self._changed = self._changed, set()
                wakes, self._wakes = self._wakes, set()
            try:
                for task in wakes:
                    send_nudge(task, queue=DEFAULT_QUEUES[task])
                if changed:
                    publish_now("incident", sorted(changed))
            except Exception:  # the thread must live; sweeps and polling cover what was lost
                logger.exception("Announcing a batch failed.")
            time.sleep(ANNOUNCE_EVERY_SECONDS)


@cache
def shared_committer() -> GroupCommitter:
    """The one committer of this process."""
    return GroupCommitter()


def _fail(submissions: Sequence[Submission]) -> None:
    for submission in submissions:
        if submission.outcomes is None and submission.error is None:
            submission.error = _unavailable()


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
        if submission.future.done():
            continue  # the sender went away; its events are stored all the same
        with suppress(InvalidStateError):  # it goes away at this very moment
            if submission.error is not None:
                submission.future.set_exception(submission.error)
            else:
                submission.future.set_result(submission.outcomes or [])


def _unavailable() -> Unavailable:
    return Unavailable("The event was not stored: the database does not answer. Send it again.")


def _rejected(error: Exception) -> OpsKnightError:
    if isinstance(error, TryAgain):
        return error
    return Rejected("The event has a value that cannot be stored. Send it with plain text fields.")
