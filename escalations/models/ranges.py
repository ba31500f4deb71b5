"""Constraints that keep time spans of one thing from overlapping.

`int8range(id, id, '[]') &&` says "of the same thing" without the extension btree_gist, which not
every installation of PostgreSQL may create.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, DateTimeRangeField, RangeOperators
from django.db.models import F, Func, Q, Value


def never_overlap(
    name: str, same: tuple[str, ...], message: str, condition: Q | None = None
) -> ExclusionConstraint:
    """Spans (`starts_at`, `ends_at`) of rows whose columns `same` are equal never overlap."""
    return ExclusionConstraint(
        name=name,
        expressions=[
            *[(_id_range(column), RangeOperators.OVERLAPS) for column in same],
            (_span(), RangeOperators.OVERLAPS),
        ],
        condition=condition,
        violation_error_message=message,
    )


def _id_range(column: str) -> Func:
    return Func(
        F(column),
        F(column),
        Value("[]"),
        function="int8range",
        output_field=BigIntegerRangeField(),
    )


def _span() -> Func:
    return Func(
        F("starts_at"), F("ends_at"), function="tstzrange", output_field=DateTimeRangeField()
    )
