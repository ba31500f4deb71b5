"""Several statements in one round trip: what a batch costs is mostly waiting and waking."""

from collections.abc import Sequence

from django.db import Error, connection
from django.db.transaction import TransactionManagementError

from incidents.services.prepared import Rows, Statement, run_on

__all__ = ["Rows", "Statement", "are_stale", "run_all"]

# Prepared for tables that have changed since; gone or there already, behind a pooler that hands
# connections around.
_STALE = ("0A000", "26000", "42P05")


def run_all(statements: Sequence[Statement | None], *, commits: bool = False) -> list[Rows]:
    """Run those that are not None, in order; the rows of each, none for None and for commands.

    The caller holds a transaction. `commits`: this ends it, unless it is inside another.
    """
    wanted = [s for s in statements if s is not None]
    connection.validate_no_broken_transaction()
    if not connection.in_atomic_block:
        raise TransactionManagementError("These statements belong in a transaction.")
    if connection.queries_logged:
        connection.queries_log.append({"sql": ";\n".join(t for t, _ in wanted), "time": "0"})
    commits = commits and connection.commit_on_exit and not connection.savepoint_ids
    if not wanted and not commits:
        return [[] for _ in statements]
    with connection.wrap_database_errors:
        found = iter(run_on(connection.connection, wanted, commits=commits))
    return [[] if statement is None else next(found) for statement in statements]


def are_stale(error: Error) -> bool:
    """Whether the next try will do: then the statements are prepared anew."""
    return getattr(error.__cause__, "sqlstate", None) in _STALE
