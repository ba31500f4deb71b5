"""What people changed by hand, for a while: one override after the other."""

from collections.abc import Sequence
from typing import assert_never

from escalations.oncall.clock import minute_of
from escalations.oncall.spec import Override
from escalations.oncall.timeline import Duties, Duty, Piece, overlay, together

SOURCE = "Override"


def overridden(
    parts: Sequence[Piece[Duties]], overrides: Sequence[Override], start: int, end: int
) -> list[Piece[Duties]]:
    """Return the parts of [start, end) after the overrides, each on the result of those before."""
    spans = [(minute_of(one.starts_at), minute_of(one.ends_at), one) for one in overrides]
    spans = [span for span in spans if span[0] < end and span[1] > start]
    if not spans:
        return list(parts)
    changed = []
    both: list[Piece[Duties | Override]] = [*parts, *spans]
    for starts_at, ends_at, values in overlay(both, start, end):
        duties: Duties = ()
        for value in values:
            duties = apply_override(duties, value) if isinstance(value, Override) else value
        changed.append((starts_at, ends_at, duties))
    return changed


def apply_override(duties: Duties, override: Override) -> Duties:
    """Return who is on call after one override; whoever already is stays as they are."""
    match override.kind:
        case "add":
            return together([duties, _by_hand(override)])
        case "remove":
            return tuple(duty for duty in duties if duty.user_id != override.replaces)
        case "replace" if override.replaces is None:
            return _by_hand(override)
        case "replace":
            return _replaced(duties, override)
        case _:
            assert_never(override.kind)


def _replaced(duties: Duties, override: Override) -> Duties:
    """Somebody takes the place of somebody who is on call; of nobody else."""
    if all(duty.user_id != override.replaces for duty in duties):
        return duties
    others = {duty.user_id for duty in duties if duty.user_id != override.replaces}
    instead = () if override.user_id in others else _by_hand(override)
    groups = [instead if duty.user_id == override.replaces else (duty,) for duty in duties]
    return together(groups)


def _by_hand(override: Override) -> Duties:
    return () if override.user_id is None else (Duty(override.user_id, SOURCE, "override"),)
