"""Shifts as people think of them: somebody who stays on call has one shift."""

from collections.abc import Iterable
from dataclasses import replace

from escalations.oncall import Shift


def merged_shifts(shifts: Iterable[Shift]) -> list[Shift]:
    """The same shifts, in order of start; those of one person that follow each other are one.

    `source` then names all layers it comes from. An override stays apart from the layers.
    """
    found: list[Shift] = []
    last: dict[int, int] = {}  # by user id, the place of their last shift
    for shift in shifts:
        place = last.get(shift.user_id)
        before = found[place] if place is not None else None
        if place is not None and before and _continues(before, shift):
            sources = before.source.split(", ")
            if shift.source not in sources:
                sources.append(shift.source)
            found[place] = replace(before, ends_at=shift.ends_at, source=", ".join(sources))
            continue
        last[shift.user_id] = len(found)
        found.append(shift)
    return found


def _continues(before: Shift, shift: Shift) -> bool:
    return before.ends_at == shift.starts_at and before.kind == shift.kind
