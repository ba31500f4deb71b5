"""Many rows as one array per column, as `unnest` wants them.

As array literals of our own: psycopg's dumper of lists asks the type of each value in Python, which
took a quarter of the time of an event at the door. The statement casts: `%s::text[]`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime


def columns(rows: Iterable[Sequence[object]], width: int) -> list[str]:
    """One array literal per column of the rows, all of which have that width."""
    literals = [array_literal(column) for column in zip(*rows, strict=True)]
    return literals or ["{}"] * width


def array_literal(values: Iterable[object]) -> str:
    """PostgreSQL's text form of an array of texts, numbers, flags, times, UUIDs or bytes."""
    return "{" + ",".join([_element(value) for value in values]) + "}"


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
