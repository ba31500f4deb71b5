"""The times in which nobody would be on call any more, named before it is too late."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from escalations.models import Schedule
from escalations.oncall import Gap, ScheduleSpec, gaps_between
from escalations.selectors import UNREADABLE, Rota, rotas_of, schedule_ids_with, spec_of
from opsknight.departures import require_confirmation
from opsknight.models import User
from opsknight.wall_clock import wall_time, whole_minute

# How far ahead gaps are looked for.
HORIZON = timedelta(days=90)
SHOWN_GAPS = 5  # of one schedule


@dataclass(frozen=True)
class OpenedGap:
    """A time in which a schedule would have nobody on call, and has somebody now."""

    schedule: Schedule
    starts_at: datetime
    ends_at: datetime
    goes_on: bool  # up to the end of what was looked at, and perhaps for ever


def ask_about_gaps(*, before: Rota, is_confirmed: bool, now: datetime) -> None:
    """Raise NeedsConfirmation when a layer lost its people and that leaves nobody on call.

    The caller holds the transaction of the change and `before`, the schedule as it was.
    """
    if is_confirmed:
        return
    after = rotas_of([before.schedule.pk], since=now)[before.schedule.pk]
    had = {layer.pk for layer in before.layers if _has_people(layer.pk, before)}
    if all(_has_people(pk, after) for pk in had):
        return
    gaps = _opened(before.schedule, before.spec, after.spec, now)
    require_confirmation(
        what=f"{before.schedule} would be without anybody",
        losses=_in_words(gaps),
        is_confirmed=False,
    )


def gaps_without(users: Iterable[User], now: datetime) -> list[OpenedGap]:
    """The times without anybody on call that these people would leave behind; 9 queries."""
    absent = {user.pk for user in users}
    rotas = rotas_of(schedule_ids_with(absent, since=now), since=now)
    gaps: list[OpenedGap] = []
    for rota in sorted(rotas.values(), key=lambda each: each.schedule.name):
        try:
            after = spec_of(
                rota.schedule, rota.layers, rota.overrides, rota.temporaries, absent=absent
            )
        except UNREADABLE:
            continue
        gaps += _opened(rota.schedule, rota.spec, after, now)
    return gaps


def losses_without(users: Iterable[User], now: datetime) -> list[str]:
    """The same, a sentence for each schedule: what `opsknight.departures` asks."""
    return _in_words(gaps_without(users, now))


def _has_people(layer_id: int, rota: Rota) -> bool:
    layers = [layer for layer in rota.layers if layer.pk == layer_id]
    return any(member.user_id for layer in layers for member in layer.members.all())


def _opened(
    schedule: Schedule, before: ScheduleSpec, after: ScheduleSpec, now: datetime
) -> list[OpenedGap]:
    start = whole_minute(now)
    end = start + HORIZON
    try:
        old, new = gaps_between(before, start, end), gaps_between(after, start, end)
    except UNREADABLE:
        return []
    return [
        OpenedGap(schedule, gap.starts_at, gap.ends_at, gap.ends_at >= end)
        for gap in _without(new, old)
    ]


def _without(gaps: Sequence[Gap], known: Sequence[Gap]) -> list[Gap]:
    """The parts of `gaps` that lie in none of `known`; both in order, without overlaps."""
    left: list[Gap] = []
    for gap in gaps:
        moment = gap.starts_at
        for other in known:
            if other.ends_at <= moment or other.starts_at >= gap.ends_at:
                continue
            if other.starts_at > moment:
                left.append(Gap(moment, other.starts_at))
            moment = other.ends_at
        if moment < gap.ends_at:
            left.append(Gap(moment, gap.ends_at))
    return left


def _in_words(gaps: Sequence[OpenedGap]) -> list[str]:
    by_schedule: dict[str, list[OpenedGap]] = {}
    for gap in gaps:
        by_schedule.setdefault(gap.schedule.name, []).append(gap)
    return [_sentence(name, found) for name, found in by_schedule.items()]


def _sentence(name: str, gaps: Sequence[OpenedGap]) -> str:
    """Such as "Primary: nobody is on call from … to … (Europe/Vienna), and 3 more times."."""
    zone = gaps[0].schedule.time_zone
    spans = [
        f"from {wall_time(gap.starts_at, zone):%Y-%m-%d %H:%M} "
        + ("on" if gap.goes_on else f"to {wall_time(gap.ends_at, zone):%Y-%m-%d %H:%M}")
        for gap in gaps[:SHOWN_GAPS]
    ]
    more = f", and {len(gaps) - SHOWN_GAPS} more times" if len(gaps) > SHOWN_GAPS else ""
    days = f" within {HORIZON.days} days" if more else ""
    return f"{name}: nobody is on call {', '.join(spans)} ({zone}){more}{days}."
