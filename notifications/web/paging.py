"""Long lists, newest first, cut by the number of the last row seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Stretch(Generic[Row]):
    """Some rows and where the next older ones begin."""

    rows: list[Row]
    older: str  # query of the next stretch; empty at the end


def stretch_of(rows: QuerySet[Row], query: Mapping[str, str], size: int) -> Stretch[Row]:
    """The rows below `?before=<number>`, at most `size`; one query."""
    before = query.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows.order_by("-pk")[: size + 1])
    shown = found[:size]
    older = f"?before={shown[-1].pk}" if len(found) > size else ""
    return Stretch(shown, older)
