"""Rows of a statement, where an engine asks so often that building queries would take the time.

Django builds the text of a query anew each time, which takes longer than PostgreSQL takes to
answer a small one.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model

M = TypeVar("M", bound=Model)


def fetch_rows(
    statement: str, values: Sequence[Any] | Mapping[str, Any] = ()
) -> list[tuple[Any, ...]]:
    """Run it with these values and return every row."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def partly_read(model: type[M], **values: object) -> M:
    """A stored object of which these columns are known; others are read when they are asked for."""
    names = [field.attname for field in model._meta.concrete_fields if field.attname in values]
    return model.from_db(DEFAULT_DB_ALIAS, names, [values[name] for name in names])
