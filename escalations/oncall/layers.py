"""Who is on call by the layers alone: each one for itself, and all of them by their ranks."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from escalations.oncall.clock import clock_of, minute_of
from escalations.oncall.restrictions import ALWAYS, openings_between, week_of
from escalations.oncall.spec import FixedShift, Layer
from escalations.oncall.timeline import NOBODY, Duties, Duty, Piece, overlay, together
from escalations.oncall.turns import turns_of


def duties_by_rank(layers: Iterable[Layer], zone: str, start: int, end: int) -> list[Piece[Duties]]:
    """Return all of [start, end) in parts with who is on call: by the lowest rank with somebody."""
    parts: list[Piece[Duties]] = [(start, end, NOBODY)]
    for _, rank in groupby(sorted(layers, key=_rank_of), key=_rank_of):
        holes = [(starts_at, ends_at) for starts_at, ends_at, duties in parts if not duties]
        if not holes:
            break
        first, last = holes[0][0], holes[-1][1]
        below = _duties_together(list(rank), zone, first, last)
        parts = [
            (starts_at, ends_at, here[0] if here else NOBODY)
            for starts_at, ends_at, here in overlay(
                [*(part for part in parts if part[2]), *below], start, end
            )
        ]
    return parts


def _rank_of(layer: Layer) -> int:
    return layer.rank


def _duties_together(
    layers: Sequence[Layer], zone: str, start: int, end: int
) -> list[Piece[Duties]]:
    """Return when somebody is on call by layers of one rank, and who, by all of them."""
    pieces = [piece for layer in layers for piece in layer_pieces(layer, zone, start, end)]
    if len(layers) == 1 and not layers[0].fixed:
        return pieces  # one after the other already
    return [
        (starts_at, ends_at, together(groups))
        for starts_at, ends_at, groups in overlay(pieces, start, end)
        if groups
    ]


def layer_pieces(layer: Layer, zone: str, start: int, end: int) -> list[Piece[Duties]]:
    """Return when somebody is on call by one layer in [start, end), and who.

    Turns come one after the other; fixed shifts, after them, may overlap.
    """
    start, end = within_life(layer, start, end)
    if start >= end:
        return []
    clock = clock_of(zone)  # also where nothing depends on it: a zone that is none is an error
    turns = _turn_pieces(layer, zone, start, end)
    fixed = [_fixed_piece(layer, shift, start, end) for shift in layer.fixed if shift.user_ids]
    week = week_of(layer.restrictions)
    if week == ALWAYS:
        return [piece for piece in [*turns, *fixed] if piece[0] < piece[1]]
    openings = openings_between(week, clock, start, end)
    pieces = _cut_to(openings, turns)
    for piece in fixed:
        pieces += _cut_to(openings, [piece])
    return pieces


def within_life(layer: Layer, start: int, end: int) -> tuple[int, int]:
    """Return the part of [start, end) in which a layer has begun and not ended."""
    if layer.begins_at is not None:
        start = max(start, minute_of(layer.begins_at))
    if layer.ends_at is not None:
        end = min(end, minute_of(layer.ends_at))
    return start, end


def _turn_pieces(layer: Layer, zone: str, start: int, end: int) -> list[Piece[Duties]]:
    if layer.rotation is None or not layer.turns:
        return []
    people = [_duties(layer, user_ids) for user_ids in layer.turns]
    if len(people) == 1 and layer.shift_hours is None:
        return [(start, end, people[0])] if people[0] else []
    turns = turns_of(layer, layer.rotation, zone)
    return [
        (max(starts_at, start), min(ends_at, end), duties)
        for slot, number, starts_at, slot_ends_at in turns.slots_between(start, end)
        if (duties := people[number % len(people)])
        and (ends_at := turns.shift_ends_at(slot, slot_ends_at)) > max(starts_at, start)
    ]


def _fixed_piece(layer: Layer, shift: FixedShift, start: int, end: int) -> Piece[Duties]:
    starts_at = max(minute_of(shift.starts_at), start)
    return starts_at, min(minute_of(shift.ends_at), end), _duties(layer, shift.user_ids)


def _duties(layer: Layer, user_ids: Iterable[int]) -> Duties:
    return tuple(Duty(user_id, layer.name, "layer") for user_id in dict.fromkeys(user_ids))


def _cut_to(
    openings: Sequence[tuple[int, int]], pieces: Iterable[Piece[Duties]]
) -> list[Piece[Duties]]:
    """Return the parts of pieces that lie in openings; both come in order and do not overlap."""
    cut: list[Piece[Duties]] = []
    index = 0
    for starts_at, ends_at, duties in pieces:
        # The last opening before may go on; from there until one opens too late.
        while index and openings[index - 1][1] > starts_at:
            index -= 1
        while index < len(openings) and openings[index][0] < ends_at:
            opens, closes = openings[index]
            if closes > starts_at:
                cut.append((max(opens, starts_at), min(closes, ends_at), duties))
            index += 1
    return cut
