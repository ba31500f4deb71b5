"""The pool of database connections after PostgreSQL was restarted."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection


@pytest.mark.django_db(transaction=True)
def test_dead_connections_lie_around_and_one_that_lives_is_got_within_seconds() -> None:
    many = 8
    everybody_has_one = Barrier(many)

    def open_one() -> None:
        try:
            connection.ensure_connection()
            everybody_has_one.wait(10)
        finally:
            connection.close()

    with ThreadPoolExecutor(many) as threads:
        for opened in [threads.submit(open_one) for _ in range(many)]:
            opened.result()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        (killed,) = cursor.fetchone()
    connection.close()

    began = time.monotonic()
    with ThreadPoolExecutor(1) as threads:
        threads.submit(open_alone).result()
    took = time.monotonic() - began

    assert killed >= many - 1
    assert took < 4


def open_alone() -> None:
    try:
        connection.ensure_connection()
    finally:
        connection.close()
