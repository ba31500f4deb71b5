"""What goes when something is deleted: counted in the database, never loaded."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import CASCADE, PROTECT, Model, Q, QuerySet
from django.db.models.deletion import RESTRICT
from django.utils.text import capfirst

NAMED_ROWS = 10


@dataclass(frozen=True)
class Deletion:
    """What deleting some rows means."""

    lines: list[Any]  # nested as Django's `unordered_list` filter wants it
    counts: dict[str, int] = field(default_factory=dict)  # plural name to number of rows
    protected: list[str] = field(default_factory=list)  # rows that forbid the deletion


def describe_deletion(objs: Sequence[Model], named: set[type[Model]]) -> Deletion:
    """Describe it; rows of the models in `named` appear by name, the others as numbers only."""
    if not objs:
        return Deletion(lines=[])
    going: dict[type[Model], list[QuerySet[Any]]] = defaultdict(list)
    stopping: list[QuerySet[Any]] = []
    model = type(objs[0])
    _follow(model, model._base_manager.filter(pk__in=[o.pk for o in objs]), going, stopping)
    counts = {str(model._meta.verbose_name_plural): len(objs)}
    below: list[Any] = []
    for other, sources in going.items():
        rows = other._base_manager.filter(reduce(or_, [Q(pk__in=s.values("pk")) for s in sources]))
        if number := rows.count():
            counts[str(other._meta.verbose_name_plural)] = number
            below += _lines_of(rows, number, is_named=other in named)
    lines: list[Any] = [f"{capfirst(model._meta.verbose_name)} {obj}" for obj in objs]
    protected = [
        f"{capfirst(row._meta.verbose_name)} {row}"
        for rows in stopping
        for row in rows[:NAMED_ROWS]
    ]
    return Deletion([*lines, below] if below else lines, counts, protected)


def _lines_of(rows: QuerySet[Any], number: int, *, is_named: bool) -> list[Any]:
    meta = rows.model._meta
    title = f"{number} {meta.verbose_name if number == 1 else meta.verbose_name_plural}"
    if not is_named:
        return [title]
    names = [str(row) for row in rows[:NAMED_ROWS]]
    return [title, names + (["…"] if number > NAMED_ROWS else [])]


def _follow(
    model: type[Model],
    rows: QuerySet[Any],
    going: dict[type[Model], list[QuerySet[Any]]],
    stopping: list[QuerySet[Any]],
) -> None:
    """Walk the foreign keys that point here, with a subquery per hop."""
    for relation in model._meta.related_objects:
        key = relation.field
        other: Any = relation.related_model
        others = other._base_manager.filter(**{f"{key.name}__in": rows})
        match relation.on_delete:
            case _ if relation.many_to_many:
                continue
            case action if action is CASCADE:
                going[other].append(others)
                _follow(other, others, going, stopping)
            case action if action in (PROTECT, RESTRICT):
                stopping.append(others)
            case _:
                continue
