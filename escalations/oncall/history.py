"""Who is on call in a range: the one calculation, for a schedule and for all it has been.

The answer at an instant is that of the second in which it lies, so a list of shifts and an answer
cannot disagree.
"""

from escalations.oncall.clock import minute_of
from escalations.oncall.layers import duties_by_rank
from escalations.oncall.overrides import overridden
from escalations.oncall.spec import History, Plan, ScheduleSpec
from escalations.oncall.temporaries import with_temporaries
from escalations.oncall.timeline import NOBODY, Duties, Piece, joined


def duties_between(plan: Plan, start: int, end: int) -> list[Piece[Duties]]:
    """Return all of [start, end) in parts with who is on call, each part unlike its neighbours."""
    if start >= end:
        return []
    if isinstance(plan, ScheduleSpec):
        return joined(_duties_by_spec(plan, start, end))
    return joined(_duties_by_history(plan, start, end))


def _duties_by_spec(spec: ScheduleSpec, start: int, end: int) -> list[Piece[Duties]]:
    parts = duties_by_rank(spec.layers, spec.zone, start, end)
    parts = overridden(parts, spec.overrides, start, end)
    return with_temporaries(parts, spec.temporaries, start, end)


def _duties_by_history(history: History, start: int, end: int) -> list[Piece[Duties]]:
    """Each version for its own time, the last one for all the future."""
    parts: list[Piece[Duties]] = []
    moment = start
    for version, until in zip(history.versions, _reigns_until(history, end), strict=False):
        since = max(start, minute_of(version.since))
        if since < until:
            if moment < since:
                parts.append((moment, since, NOBODY))
            parts += _duties_by_spec(version.spec, since, until)
            moment = until
    if moment < end:
        parts.append((moment, end, NOBODY))
    return parts


def _reigns_until(history: History, end: int) -> list[int]:
    """Return when each version gave way to the next one, but no later than `end`."""
    starts = [minute_of(version.since) for version in history.versions[1:]]
    return [min(start, end) for start in [*starts, end]]
