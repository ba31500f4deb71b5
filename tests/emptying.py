"""Empties the database after a test that committed, forty times as fast as Django's flush.

TRUNCATE gives each of our tables and indexes a new file, filled or not; and flush asks every
application to fill its permissions in again.
"""

from functools import cache
from typing import Any

from django.db import connection
from django.test import TransactionTestCase
from psycopg.sql import SQL, Composed, Identifier

# What migrations fill, and tests leave alone.
KEPT = {"auth_permission", "django_content_type", "django_migrations"}
LARGE_BYTES = 1024 * 1024  # rows that were deleted still cost whoever reads past them


@cache
def tables() -> list[str]:
    """The tables of all models."""
    return sorted(set(connection.introspection.django_table_names(only_existing=True)) - KEPT)


def empty_tables(_: TransactionTestCase) -> None:
    """Delete all rows; it stands in for `TransactionTestCase._fixture_teardown`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_relation_size(oid) FROM pg_class"
            " WHERE relkind = 'r' AND relname = ANY(%s) AND pg_relation_size(oid) > 0",
            [tables()],
        )
        used: list[tuple[str, int]] = cursor.fetchall()
        # Everything goes, so nobody need look who refers to whom.
        steps: list[Any] = [SQL("SET LOCAL session_replication_role = replica")]
        steps += [_emptying(name, size) for name, size in used]
        cursor.execute(SQL("BEGIN; {}; COMMIT").format(SQL("; ").join(steps)))


def _emptying(name: str, size: int) -> Composed:
    if size < LARGE_BYTES:
        return SQL("DELETE FROM {}").format(Identifier(name))
    return SQL("TRUNCATE {} CASCADE").format(Identifier(name))
