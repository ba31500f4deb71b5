"""Prepared statements in libpq's pipeline mode.

To plan a statement takes PostgreSQL as long as to run it, and a cursor of psycopg takes a tenth of
a millisecond of Python. Here a statement is planned once in a while, and several go together.
"""

import select
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

# Text with a %s for each value, which it casts where its type is not clear; arrays as `columns`
# makes them. There is a fixed number of texts: each is kept on each connection.
Value = str | int | datetime
Statement = tuple[str, Sequence[Value]]
Connection = psycopg.Connection[Any]
Rows = list[tuple[Any, ...]]

# A plan is believed for so long; the tables grow meanwhile.
PLAN_SECONDS = 5.0
# For the transaction. Whoever asks for the rows of some keys wants an index and nothing else,
# however small the tables were when the plan was made; and a plan for whatever values come.
_HOW_TO_PLAN: Final[Statement] = (
    """
    SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
           set_config('enable_mergejoin', 'off', true),
           set_config('plan_cache_mode', 'force_generic_plan', true)
    """,
    (),
)
_DONE: Final = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


class Link:
    """One connection and what is prepared on it."""

    def __init__(self) -> None:
        self._names: set[bytes] = set()
        self._planned_at = time.monotonic()

    def run(
        self, connection: Connection, statements: Sequence[Statement], *, commits: bool
    ) -> list[Rows]:
        """The rows of each statement; all of them in one round trip and in one transaction."""
        pgconn = connection.pgconn
        asked = len(statements)
        before: list[bytes] = []
        if pgconn.transaction_status == TransactionStatus.IDLE:
            before.append(b"BEGIN")
            statements = [_HOW_TO_PLAN, *statements]
        values = [_encoded(given) for _, given in statements]
        named = [_named(text) for text, _ in statements]
        if not self._names.issuperset(name for name, _ in named):
            for command in before:  # a pooler keeps to one server from here on
                _check(pgconn.exec_(command))
            before.clear()
            self._prepare(pgconn, named)
        if time.monotonic() - self._planned_at > PLAN_SECONDS:
            before.append(b"DISCARD PLANS")
            self._planned_at = time.monotonic()
        after = [b"COMMIT"] if commits else []
        runs = [(name, given) for (name, _), given in zip(named, values, strict=True)]
        results = _exchange(pgconn, before, runs, after)
        for result in results:
            _check(result)
        done = len(results) - len(after)
        return [_rows(result, connection) for result in results[done - asked : done]]

    def _prepare(self, pgconn: PGconn, named: Iterable[tuple[bytes, bytes]]) -> None:
        if not self._names:
            _check(pgconn.exec_(b"DEALLOCATE ALL"))
        for name, command in named:
            if name not in self._names:
                _check(pgconn.prepare(name, command))
                self._names.add(name)


_links: WeakKeyDictionary[Connection, Link] = WeakKeyDictionary()


def run_on(connection: Connection, statements: Sequence[Statement], *, commits: bool) -> list[Rows]:
    """Run them in one round trip, and begin a transaction where there is none; their rows.

    An error that may be due to what is prepared forgets it: the next try prepares it anew.
    """
    with connection.lock:
        link = _links.get(connection)
        if link is None:
            link = _links[connection] = Link()
        try:
            return link.run(connection, statements, commits=commits)
        except (psycopg.NotSupportedError, psycopg.OperationalError, psycopg.ProgrammingError):
            del _links[connection]
            raise


@lru_cache(maxsize=128)
def _named(text: str) -> tuple[bytes, bytes]:
    """Name and text as the server knows it. The same name is the same text, whoever prepared it."""
    pieces = " ".join(text.split()).split("%s")
    command = "".join(f"${n}{piece}" if n else piece for n, piece in enumerate(pieces)).encode()
    return b"opsknight_" + sha256(command).hexdigest()[:24].encode(), command


def _encoded(values: Sequence[Value]) -> list[bytes]:
    encoded = []
    for value in values:
        text = value if isinstance(value, str) else str(value)
        if "\x00" in text:  # libpq would take what is before it
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
        encoded.append(text.encode())
    return encoded


def _exchange(
    pgconn: PGconn,
    before: Sequence[bytes],
    runs: Sequence[tuple[bytes, Sequence[bytes]]],
    after: Sequence[bytes],
) -> list[PGresult]:
    """The results of all these, in order; what comes after a failure is not run, and says so."""
    pgconn.enter_pipeline_mode()
    try:
        for command in before:
            pgconn.send_query_params(command, None)
        for name, values in runs:
            pgconn.send_query_prepared(name, values)
        for command in after:
            pgconn.send_query_params(command, None)
        pgconn.pipeline_sync()
        results = list(_results(pgconn))
        pgconn.exit_pipeline_mode()
    except BaseException:
        pgconn.finish()  # nobody knows what is still on its way
        raise
    return results


def _results(pgconn: PGconn) -> Iterator[PGresult]:
    """What the server answers to each command, until it has answered the last one."""
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN | select.POLLOUT)
    while pgconn.flush():
        poll.poll()
        pgconn.consume_input()  # it may wait for us to read before it reads on
    poll.modify(pgconn.socket, select.POLLIN)
    ends = 0
    while ends < 2:  # after each command there is one
        while pgconn.is_busy():
            poll.poll()  # other threads work meanwhile; in `get_result` they could not
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            ends += 1
        elif result.status == ExecStatus.PIPELINE_SYNC:
            return
        else:
            ends = 0
            yield result
    raise psycopg.OperationalError("The connection ended in the middle of a batch.")


def _check(result: PGresult) -> None:
    if result.status not in _DONE:
        raise psycopg.errors.error_from_result(result)


def _rows(result: PGresult, connection: Connection) -> Rows:
    if not result.ntuples:
        return []
    transformer = Transformer(connection)
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, tuple)
