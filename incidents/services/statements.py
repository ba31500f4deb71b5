"""Several statements in one round trip: what a batch costs is mostly waiting and waking."""

from collections.abc import Sequence
from typing import Any

from django.db import connection

Statement = tuple[str, Sequence[Any]]


def fetch_all(statements: Sequence[Statement]) -> list[list[tuple[Any, ...]]]:
    """The rows of each statement; all of them must be queries."""
    with connection.cursor() as cursor:
        cursor.execute(*_joined(statements))
        rows = [cursor.fetchall()]
        while cursor.nextset():
            rows.append(cursor.fetchall())
        return rows


def run_all(statements: Sequence[Statement | None]) -> list[int]:
    """Run those that are not None, in order; how many rows each touched, 0 for None."""
    wanted = [statement for statement in statements if statement is not None]
    if not wanted:
        return [0] * len(statements)
    with connection.cursor() as cursor:
        cursor.execute(*_joined(wanted))
        counts = [cursor.rowcount]
        while cursor.nextset():
            counts.append(cursor.rowcount)
    touched = iter(counts)
    return [0 if statement is None else int(next(touched)) for statement in statements]


def _joined(statements: Sequence[Statement]) -> tuple[str, list[Any]]:
    texts = [text for text, _ in statements]
    return ";\n".join(texts), [value for _, values in statements for value in values]
