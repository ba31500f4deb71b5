"""Several statements in one round trip: what a batch costs is mostly waiting and waking."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from django.db import connection

Statement = tuple[str, Sequence[Any]]

# psycopg remembers how it split a statement up to these sizes; beyond, it splits it each time.
MAX_LENGTH = 4096
MAX_VALUES = 50


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
    counts: list[int] = []
    with connection.cursor() as cursor:
        for group in _groups([s for s in statements if s is not None]):
            cursor.execute(*_joined(group))
            counts.append(cursor.rowcount)
            while cursor.nextset():
                counts.append(cursor.rowcount)
    touched = iter(counts)
    return [0 if statement is None else int(next(touched)) for statement in statements]


def _groups(statements: Sequence[Statement]) -> Iterator[list[Statement]]:
    """As few groups as psycopg remembers."""
    group: list[Statement] = []
    length = values = 0
    for text, given in statements:
        text = _without_indentation(text)
        length += len(text) + 2
        values += len(given)
        if group and (length > MAX_LENGTH or values > MAX_VALUES):
            yield group
            group, length, values = [], len(text), len(given)
        group.append((text, given))
    if group:
        yield group


@lru_cache(maxsize=64)
def _without_indentation(text: str) -> str:
    """The same statement; our statements have no text in quotes that spans lines."""
    return "\n".join(line.strip() for line in text.splitlines())


def _joined(statements: Sequence[Statement]) -> tuple[str, list[Any]]:
    texts = [text for text, _ in statements]
    return ";\n".join(texts), [value for _, values in statements for value in values]
