"""Many rows as one array per column, as `unnest` wants them.

As array literals of our own: psycopg's dumper of lists asks the type of each value in Python, which
took a quarter of the time of an event at the door. The statement casts: `%s::text[]`.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from types import NoneType
from typing import Any, Final
from uuid import UUID


def columns(rows: Iterable[Sequence[object]], width: int) -> list[str]:
    """One array literal per column of the rows, all of which have that width."""
    literals = [array_literal(column) for column in zip(*rows, strict=True)]
    return literals or ["{}"] * width


def array_literal(values: Iterable[object]) -> str:
    """PostgreSQL's text form of an array of texts, numbers, flags, times, UUIDs or bytes."""
    column = list(values)
    kinds = set(map(type, column))
    write = _WRITERS.get(kinds.pop()) if len(kinds) == 1 else None
    elements = write(column) if write else ",".join([_element(value) for value in column])
    return "{" + elements + "}"


def _texts(column: list[str]) -> str:
    """All of them escaped at once; what has a NUL in it is refused later, by `run_all`."""
    joined = "\x00".join(column)
    if joined.count("\x00") >= len(column):
        return ",".join([_element(text) for text in column])
    escaped = joined.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\x00", '","') + '"'


def _plain(column: list[object]) -> str:
    return ",".join(map(str, column))


# For a column of one type; the usual one has no other.
_WRITERS: Final[dict[type, Callable[[list[Any]], str]]] = {
    str: _texts,
    int: _plain,
    bool: _plain,
    UUID: lambda column: ",".join([f"{value.int:032x}" for value in column]),
    NoneType: lambda column: ",".join(["NULL"] * len(column)),
    bytes: lambda column: ",".join([f'"\\\\x{value.hex()}"' for value in column]),
    datetime: lambda column: ",".join([f'"{value.isoformat()}"' for value in column]),
}


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, bytes):
        return '"\\\\x' + value.hex() + '"'
    if isinstance(value, datetime):
        return '"' + value.isoformat() + '"'
    return str(value)  # a number, True or False, or a UUID: nothing to escape
