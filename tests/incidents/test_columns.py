"""Array literals arrive in PostgreSQL as what they were."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DataError, connection
from hypothesis import given
from hypothesis import strategies as st

from incidents.models import Delivery
from incidents.services.columns import array_literal, columns

pytestmark = pytest.mark.django_db
STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


def as_stored(values: list[Any], kind: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT unnest(%s::{kind}[])", [array_literal(values)])
        return [row[0] for row in cursor.fetchall()]


@given(st.lists(st.none() | STORABLE, min_size=1) | st.lists(STORABLE, min_size=1))
def test_texts_come_through_whatever_is_in_them(values: list[str | None]):
    assert as_stored(values, "text") == values


@given(st.lists(st.binary(), min_size=1))
def test_bytes_come_through(values: list[bytes]):
    assert [bytes(value) for value in as_stored(values, "bytea")] == values


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint", [1, -(2**63), None]),
        ("bool", [True, False, None]),
        ("uuid", [uuid.uuid4(), None]),
        ("timestamptz", [datetime(2026, 3, 29, 1, 30, 0, 123456, UTC), None]),
        ("bigint", [1, -1]),
        ("bool", [True, False]),
        ("uuid", [uuid.uuid4(), uuid.uuid4()]),
        ("timestamptz", [datetime(2026, 3, 29, 1, 30, 0, 123456, UTC)]),
        ("text", [None, None]),
        ("text", [Delivery.Verdict.ACCEPTED, "refused"]),
        ("text", ["NULL", "", "{}", '"', "\\", "a,b", "it's", "\\x00"]),
    ],
)
def test_other_values_come_through(kind: str, values: list[Any]):
    assert as_stored(values, kind) == values


def test_no_rows_are_as_many_empty_arrays():
    assert columns([], 3) == ["{}", "{}", "{}"]


@pytest.mark.parametrize("beside", ["b", None])
def test_a_text_that_postgresql_cannot_hold_is_refused(beside: str | None):
    with pytest.raises((DataError, ValueError)):
        as_stored(["a\x00b", beside], "text")
