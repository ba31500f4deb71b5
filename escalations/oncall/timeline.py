"""Laying times over one another: the one sweep that every answer is made of."""

from bisect import insort
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias, TypeVar

from escalations.oncall.spec import ShiftKind

T = TypeVar("T")

# A value and when it holds, [start, end) in seconds since 1970.
Piece: TypeAlias = tuple[int, int, T]


class Duty(NamedTuple):
    """Somebody on call, and why."""

    user_id: int
    source: str
    kind: ShiftKind


Duties: TypeAlias = tuple[Duty, ...]  # everybody on call, each person once

NOBODY: Duties = ()


def overlay(pieces: Iterable[Piece[T]], start: int, end: int) -> list[Piece[tuple[T, ...]]]:
    """Return [start, end) cut where a piece starts or ends, each part with all that hold in it.

    The parts follow each other without holes; the values come in the order of the pieces.
    """
    borders: list[tuple[int, int, bool]] = []
    values: list[T] = []
    for index, (starts_at, ends_at, value) in enumerate(pieces):
        values.append(value)
        if starts_at < ends_at and starts_at < end and ends_at > start:
            borders.append((max(starts_at, start), index, True))
            borders.append((ends_at, index, False))
    borders.sort()
    parts: list[Piece[tuple[T, ...]]] = []
    holding: list[int] = []
    moment = start
    for at, index, begins in borders:
        if at > moment:
            if at >= end:
                break
            parts.append((moment, at, tuple([values[i] for i in holding])))
            moment = at
        if begins:
            insort(holding, index)
        else:
            holding.remove(index)
    if moment < end:
        parts.append((moment, end, tuple([values[i] for i in holding])))
    return parts


def together(groups: Iterable[Duties]) -> Duties:
    """Return everybody in some groups, each person once, as the first group has them."""
    people: dict[int, Duty] = {}
    for group in groups:
        for duty in group:
            people.setdefault(duty.user_id, duty)
    return tuple(people.values())


def joined(pieces: Iterable[Piece[T]]) -> list[Piece[T]]:
    """Return pieces that follow each other, those with the same value as one."""
    whole: list[Piece[T]] = []
    for starts_at, ends_at, value in pieces:
        if whole and whole[-1][1] == starts_at and whole[-1][2] == value:
            whole[-1] = (whole[-1][0], ends_at, value)
        else:
            whole.append((starts_at, ends_at, value))
    return whole
