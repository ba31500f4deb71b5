"""Django's backend for PostgreSQL, with a pool that throws away all dead connections at once.

Django's checks each connection as it hands it out, and after a dead one it waits, twice as long
each time. A restart of PostgreSQL kills all that lie idle: with four of them, whoever asks is told
after ten seconds that there is no database, although it is back.
"""

from typing import Any, ClassVar

import psycopg
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool

Pool = ConnectionPool[psycopg.Connection[Any]]


class DatabaseWrapper(base.DatabaseWrapper):
    """Named by `ENGINE` in the settings; `OPTIONS["pool"]` must be a dict."""

    _connection_pools: ClassVar[dict[str, Pool]] = {}  # by alias, in this process

    @property
    def pool(self) -> Pool | None:
        """The pool of this process; None for the connection that creates databases."""
        if self.alias == NO_DB_ALIAS:
            return None
        if self.alias not in self._connection_pools:
            # Of several threads that come here first, one wins; a pool costs nothing until opened.
            self._connection_pools.setdefault(self.alias, self._new_pool())
        return self._connection_pools[self.alias]

    def _new_pool(self) -> Pool:
        def check(connection: psycopg.Connection[Any]) -> None:
            try:
                ConnectionPool.check_connection(connection)
            except psycopg.OperationalError:
                pool.drain()  # what killed this one killed the others
                raise

        pool: Pool = ConnectionPool(
            # Without a transaction around the set-up; Django begins its own later.
            kwargs=self.get_connection_params() | {"autocommit": True},
            configure=self._configure_connection,  # type: ignore[attr-defined]  # stubs lack it
            check=check,
            open=False,
            **self.settings_dict["OPTIONS"]["pool"],
        )
        return pool
