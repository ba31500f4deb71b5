"""Stores what requests brought, so that a poisoned one fails alone."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from django.db import DataError, Error, IntegrityError

from incidents.models import Delivery
from incidents.services.delivery_records import DeliveryRecord, stored_deliveries
from incidents.services.intake import Batch, Outcome, TryAgain, receive_events
from incidents.services.received import Received
from opsknight.errors import OpsKnightError

logger = logging.getLogger(__name__)

# What one submission can do to the transaction that it shares with others.
POISON = (DataError, IntegrityError, TryAgain, ValueError)


class Rejected(OpsKnightError):
    """The database refuses the values of this event."""

    code = "invalid_payload"
    status = 400


class Failed(OpsKnightError):
    """Our mistake; the delivery is kept."""

    code = "server_error"
    status = 500


@dataclass(slots=True)
class Submission:
    """What one request brought; its events are answered together."""

    received: Sequence[Received]
    # None: nothing is recorded of it, and it cannot wait on disk.
    record: DeliveryRecord | None = None
    # None: nobody waits for the outcomes.
    future: "Future[list[Outcome]] | asyncio.Future[list[Outcome]] | None" = None
    outcomes: list[Outcome] | None = None
    error: OpsKnightError | None = None

    @property
    def weight(self) -> tuple[int, int]:
        """Rows and bytes that it adds to a transaction, about."""
        return max(len(self.received), 1), len(self.record.body) if self.record else 0


def store(submissions: Sequence[Submission], announce: Callable[[Batch], None]) -> None:
    """Store them in one transaction, or each alone where one is poisoned; sets their outcomes.

    Raises django.db.Error when the database is away, and TryAgain for a busy key of what waited on
    disk; then `outcomes` says which are stored.
    """
    try:
        _store_together(submissions, announce)
        return
    except POISON as error:
        failure: Exception = error
    except Error as error:
        if not _is_too_much(error):
            raise
        failure = error
    except Exception as error:  # our own mistake with one of them must not hold up the others
        logger.exception("Storing %d submissions failed.", len(submissions))
        failure = error
    if len(submissions) > 1:
        for submission in submissions:
            store([submission], announce)
    else:
        _reject(submissions[0], failure, announce)


def _is_too_much(error: Error) -> bool:
    """Whether one value is more than PostgreSQL can take: its class 54, program limit exceeded."""
    state = getattr(error.__cause__, "sqlstate", None)
    return isinstance(state, str) and state.startswith("54")


def _store_together(submissions: Sequence[Submission], announce: Callable[[Batch], None]) -> None:
    received = [r for s in submissions for r in s.received]
    records = [s.record for s in submissions if s.record is not None]
    try:
        batch = receive_events(received, records)
    except IntegrityError:  # an integration that was deleted at this moment; now we see that
        batch = receive_events(received, records)
    outcomes = iter(batch.outcomes)
    for submission in submissions:
        submission.outcomes = [next(outcomes) for _ in submission.received]
    announce(batch)


def _reject(submission: Submission, error: Exception, announce: Callable[[Batch], None]) -> None:
    record = submission.record
    if record is not None and stored_deliveries([record.id]):
        submission.outcomes = queued(submission)  # it is in already: see `Spool`
        return
    if record is not None and record.was_spooled and isinstance(error, TryAgain):
        raise error  # its sender cannot send it again; whoever empties the spool does
    logger.warning("The database refused an event: %s", error)
    submission.error = _explained(error)
    if record is not None and submission.received:
        record.verdict, record.reason = Delivery.Verdict.INVALID, submission.error.message
        store([Submission([], record)], announce)


def queued(submission: Submission) -> list[Outcome]:
    """What a sender is told of events that wait on disk."""
    reason = "The database is away. The event is kept on disk and is taken when it is back."
    return [Outcome(r.event.dedup_key, "queued", reason) for r in submission.received]


def _explained(error: Exception) -> OpsKnightError:
    if isinstance(error, OpsKnightError):
        return error
    if isinstance(error, (*POISON, Error)):
        text = "The event has a value that cannot be stored. Send it with plain text fields."
        return Rejected(text)
    return Failed(
        "Something broke on our side. It was logged; replay the delivery when it is mended."
    )
