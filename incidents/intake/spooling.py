"""The spool at work: how submissions get onto disk, and from there into the database."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import msgspec
from django.conf import settings
from django.db import Error, connection

from incidents.intake.spool import Spool
from incidents.intake.storing import Failed, Submission, store
from incidents.services.delivery_records import DeliveryRecord, stored_deliveries
from incidents.services.intake import Batch
from incidents.services.received import Received

logger = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 0.25
TOGETHER = 100  # submissions in one transaction
PART_BYTES = 16 * 1024 * 1024  # of bodies that are written, or stored, together


@dataclass(slots=True)
class Entry:
    """One submission as it lies on disk."""

    record: DeliveryRecord
    received: list[Received]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)
_json_decoder = msgspec.json.Decoder(Entry)
# What no format can write, though it came through a parser.
UNWRITABLE = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)


@cache
def shared_spool() -> Spool:
    """The one spool of this machine."""
    return Spool(settings.SPOOL, settings.SPOOL_MAX_BYTES, settings.SECRET_KEY.encode())


def parts(submissions: Iterable[Submission], most: int) -> Iterator[list[Submission]]:
    """The submissions in order, as many at a time as memory bears, and at most so many."""
    part: list[Submission] = []
    size = 0
    for submission in submissions:
        part.append(submission)
        size += submission.weight[1]
        if len(part) >= most or size >= PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def keep(spool: Spool, submissions: Sequence[Submission]) -> None:
    """Put submissions, which all have a record, on disk; raises SpoolFull, then none is.

    One that cannot be written has `error` set and does not harm the others.
    """
    records = []
    for submission in submissions:
        if (record := submission.record) is None:
            continue
        try:
            records.append(_encoded(record, submission.received))
        except UNWRITABLE:
            logger.exception("Delivery %s cannot be kept on disk.", record.id)
            submission.error = Failed("The event was not stored: something broke on our side.")
    if records:
        spool.append(records)


def _encoded(record: DeliveryRecord, received: Sequence[Received]) -> bytes:
    waiting = [replace(r, received_at=record.received_at) for r in received]
    entry = Entry(replace(record, was_spooled=True), waiting)
    try:
        return _encoder.encode(entry)
    except OverflowError:  # a number of more than 64 bits; JSON has no limit
        return msgspec.json.encode(entry)


def _decoded(record: bytes) -> Entry:
    return _json_decoder.decode(record) if record[:1] == b"{" else _decoder.decode(record)


class Drainer:
    """Brings what waits on disk into the database, in order and exactly once.

    A delivery that is in the database already, because the answer to a COMMIT was lost or because
    a drainer was killed, is left out by its id.
    """

    def __init__(self, spool: Spool, announce: Callable[[Batch], None]) -> None:
        self._spool = spool
        self._announce = announce
        threading.Thread(target=self._run, name="drainer", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_SECONDS)
            try:
                if self._spool.is_waiting():
                    self._drain()
            except Error as error:
                logger.warning("The spool waits for the database: %s", error)
            except Exception:  # the thread must live: what waits on disk has no other way in
                logger.exception("Emptying the spool failed; it is tried again.")
            finally:
                connection.close()

    def _drain(self) -> None:
        with self._spool.draining() as is_ours:
            if not is_ours:
                return
            connection.ensure_connection()
            while (segment := self._spool.oldest()) is not None:
                self._drain_segment(segment)
                self._spool.remove(segment)

    def _drain_segment(self, segment: Path) -> None:
        waiting = (Submission(e.received, e.record) for e in self._entries(segment))
        count = 0
        for group in parts(waiting, TOGETHER):
            # By id: what was kept when the database hung is kept again when it breaks then.
            by_id = {s.record.id: s for s in group if s.record is not None}
            present = stored_deliveries(by_id)
            fresh = [submission for number, submission in by_id.items() if number not in present]
            if fresh:
                store(fresh, self._announce)
            count += len(fresh)
            for submission in fresh:
                if submission.error is not None and submission.record is not None:
                    logger.error("A kept delivery failed: %s", submission.error.message)
                    self._spool.put_aside(_encoded(submission.record, submission.received))
        logger.info("%d deliveries that waited on disk are in the database.", count)

    def _entries(self, segment: Path) -> Iterator[Entry]:
        for record in self._spool.read(segment):
            try:
                entry = _decoded(record)
            except (msgspec.DecodeError, ValueError, RecursionError):
                self._spool.put_aside(record)
                logger.exception("A record of the spool cannot be read; it is kept beside it.")
            else:
                yield entry
