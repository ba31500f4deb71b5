"""Statements of a batch: together, prepared, and right whatever has become of the connection."""

from typing import Any

import pytest
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    OperationalError,
    connection,
    transaction,
)
from django.db.transaction import TransactionManagementError

from incidents.models import Service
from incidents.services.statements import are_stale, run_all
from tests.factories import ServiceFactory

ONE = ("SELECT %s::int", [1])


def name_service(name: str) -> tuple[str, list[Any]]:
    return "UPDATE incidents_service SET name = %s::text", [name]


@pytest.mark.django_db
def test_each_statement_has_its_rows() -> None:
    two = ("SELECT * FROM unnest(%s::text[], %s::int[])", ["{a,b}", "{1,NULL}"])

    rows = run_all([ONE, None, two])

    assert rows == [[(1,)], [], [("a", 1), ("b", None)]]


@pytest.mark.django_db(transaction=True)
def test_commit_goes_along_with_the_last_statement() -> None:
    ServiceFactory(name="Shop")

    with transaction.atomic():
        run_all([name_service("Search")], commits=True)
        transaction.set_rollback(True)  # too late

    assert Service.objects.get().name == "Search"


@pytest.mark.django_db(transaction=True)
def test_inside_another_transaction_nothing_is_committed() -> None:
    ServiceFactory(name="Shop")

    with transaction.atomic():
        with transaction.atomic():
            run_all([name_service("Search")], commits=True)
        transaction.set_rollback(True)

    assert Service.objects.get().name == "Shop"


@pytest.mark.django_db(transaction=True)
def test_what_follows_a_failure_is_not_run_and_not_committed() -> None:
    ServiceFactory(name="Shop")
    twice = (
        "INSERT INTO incidents_service SELECT s.* FROM incidents_service s WHERE s.id > %s::int",
        [0],
    )

    with pytest.raises(IntegrityError), transaction.atomic():
        run_all([name_service("Search"), twice, name_service("Mail")], commits=True)

    assert Service.objects.get().name == "Shop"
    with transaction.atomic():
        assert run_all([ONE]) == [[(1,)]]


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_they_are_refused() -> None:
    with pytest.raises(TransactionManagementError):
        run_all([ONE])


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_text_that_postgresql_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises((DataError, ValueError)):
        run_all([("SELECT %s::text", [text])])


@pytest.mark.django_db
def test_more_than_the_socket_holds_goes_both_ways() -> None:
    large = "x" * 30_000_000

    rows = run_all([("SELECT %s::text", [large]), ("SELECT %s::text", [large]), ONE])

    assert [len(rows[0][0][0]), len(rows[1][0][0]), rows[2]] == [len(large), len(large), [(1,)]]


@pytest.mark.django_db(transaction=True)
def test_statements_that_are_gone_are_prepared_anew() -> None:
    with transaction.atomic():
        run_all([ONE])
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")

    with pytest.raises(DatabaseError) as gone, transaction.atomic():
        run_all([ONE])

    assert are_stale(gone.value)
    with transaction.atomic():
        assert run_all([ONE]) == [[(1,)]]


@pytest.mark.django_db(transaction=True)
def test_statements_of_changed_tables_are_prepared_anew() -> None:
    look = ("SELECT * FROM changing", [])
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE changing AS SELECT 1 AS number")
    with transaction.atomic():
        run_all([look])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE changing ALTER number TYPE text")

    with pytest.raises(DatabaseError) as changed, transaction.atomic():
        run_all([look])

    assert are_stale(changed.value)
    with transaction.atomic():
        assert run_all([look]) == [[("1",)]]


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_ends_is_an_operational_error() -> None:
    ending = ("SELECT pg_terminate_backend(pg_backend_pid())", [])

    with pytest.raises(OperationalError), transaction.atomic():
        run_all([ONE, ending, ONE], commits=True)

    connection.close()
    with transaction.atomic():
        assert run_all([ONE]) == [[(1,)]]


@pytest.mark.django_db(transaction=True)
def test_plans_of_transactions_elsewhere_may_still_read_whole_tables() -> None:
    with transaction.atomic():
        run_all([ONE], commits=True)

    with connection.cursor() as cursor:
        cursor.execute("SHOW enable_seqscan")
        assert cursor.fetchone() == ("on",)
