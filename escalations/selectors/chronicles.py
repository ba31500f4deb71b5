"""Who was on call: what schedules were, from their stored versions, and are, from their rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from escalations.models import ScheduleVersion
from escalations.oncall import (
    History,
    Layer,
    ScheduleSpec,
    Shift,
    Version,
    next_change,
    on_call_at,
    shifts_between,
    shifts_of,
    spec_from_json,
    spec_to_json,
)
from escalations.oncall.stored import SpecJson
from escalations.selectors.rotas import LOOK_AHEAD, Rota, rotas_of
from escalations.selectors.schedules import schedule_ids_recorded_with, schedule_ids_with
from opsknight.wall_clock import FIRST_YEAR, whole_minute

_BEGINNING = datetime(FIRST_YEAR + 1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Chronicle:
    """A schedule through time."""

    rota: Rota  # as it is
    # As it was since when, and as it is: what pages, feeds and the API ask. It holds from the
    # `start` that was asked for.
    history: History
    names: dict[int, str]  # of everybody in it, also those whose account is gone


@dataclass(frozen=True)
class Duty:
    """Who is, was or will be on call at an instant."""

    user_ids: tuple[int, ...]
    until: datetime | None  # when somebody else is, or nobody; None: not within a year
    next_user_ids: tuple[int, ...]


@dataclass(frozen=True)
class Stretch:
    """A time in which the same people are on call, or nobody."""

    starts_at: datetime
    ends_at: datetime
    user_ids: tuple[int, ...]


def chronicles_of(
    schedule_ids: Iterable[int], *, now: datetime, start: datetime | None = None
) -> dict[int, Chronicle]:
    """Many schedules through time, the past from `start` on (None: all of it); 9 queries."""
    rotas = rotas_of(schedule_ids, since=now)
    versions: dict[int, list[ScheduleVersion]] = {}
    for version in _versions_since(rotas, start):
        versions.setdefault(version.schedule_id, []).append(version)
    return {pk: _chronicle(rota, versions.get(pk, []), now) for pk, rota in rotas.items()}


def history_of(
    schedule_ids: Iterable[int], *, now: datetime | None = None, start: datetime | None = None
) -> dict[int, History]:
    """What schedules were and are, by id, the past from `start` on (None: all of it); 9 queries."""
    chronicles = chronicles_of(schedule_ids, now=now or timezone.now(), start=start)
    return {pk: chronicle.history for pk, chronicle in chronicles.items()}


def _versions_since(
    schedule_ids: Iterable[int], start: datetime | None
) -> QuerySet[ScheduleVersion]:
    """The versions in force from `start` on, oldest first, the last one in any case."""
    versions = ScheduleVersion.objects.filter(schedule_id__in=list(schedule_ids))
    if start is not None:
        of_schedule = ScheduleVersion.objects.filter(schedule=OuterRef("schedule"))
        reigning = of_schedule.filter(since__lte=start).order_by("-since")
        versions = versions.filter(
            Q(since__gt=start) | Q(since=Subquery(reigning.values("since")[:1]))
        )
    return versions.order_by("schedule_id", "since")


def _chronicle(rota: Rota, stored: list[ScheduleVersion], now: datetime) -> Chronicle:
    specs = [(row, stored_spec(row.spec)) for row in stored]
    versions = [Version(row.since, spec) for row, spec in specs if spec is not None]
    if not versions or has_changed(stored[-1].spec, rota.spec, now):
        # A change that the sweep has not recorded yet.
        since = max(now, versions[-1].since) if versions else now
        versions.append(Version(since, rota.spec))
    # Before the first record nothing else is known: it is calculated, and no edit changes that.
    versions[0] = replace(versions[0], since=_BEGINNING)
    names = {int(pk): name for row in stored for pk, name in row.people.items()}
    names |= {pk: str(user) for pk, user in rota.people.items()}
    return Chronicle(rota, History(tuple(versions)), names)


def has_changed(stored: Mapping[str, object], spec: ScheduleSpec, now: datetime) -> bool:
    """Whether a schedule differs, from `now` on, from its last version."""
    last = stored_spec(stored)
    return last is None or as_of(last, now) != as_of(spec, now)


def stored_spec(stored: Mapping[str, object]) -> ScheduleSpec | None:
    """A schedule from a version of it; None for what cannot be read, written by SQL or by a newer
    OpsKnight: one such row must not hide the other schedules."""
    try:
        return spec_from_json(stored)
    except (KeyError, TypeError, ValueError):
        return None


def as_of(spec: ScheduleSpec, now: datetime) -> SpecJson:
    """A schedule as JSON without what was over by `now`: equal for as long as nobody edits it."""
    this_minute = whole_minute(now)
    return spec_to_json(
        replace(
            spec,
            layers=tuple(_without_past(layer, this_minute) for layer in spec.layers),
            overrides=tuple(
                one for one in spec.overrides if whole_minute(one.ends_at) > this_minute
            ),
            temporaries=tuple(
                one for one in spec.temporaries if whole_minute(one.ends_at) > this_minute
            ),
        )
    )


def _without_past(layer: Layer, this_minute: datetime) -> Layer:
    if not layer.fixed:
        return layer
    fixed = tuple(shift for shift in layer.fixed if whole_minute(shift.ends_at) > this_minute)
    return replace(layer, fixed=fixed)


# Answers


def duty_at(chronicle: Chronicle, at: datetime) -> Duty:
    """Who is on call at an instant, past or future, and who is next; no query."""
    history = chronicle.history
    until = next_change(history, at, until=at + LOOK_AHEAD)
    next_ids = on_call_at(history, until) if until else ()
    return Duty(on_call_at(history, at), until, next_ids)


def stretches_between(chronicle: Chronicle, start: datetime, end: datetime) -> list[Stretch]:
    """All of [start, end), cut wherever somebody comes or goes; no query."""
    shifts = shifts_between(chronicle.history, start, end)
    borders = sorted({start, end, *(s.starts_at for s in shifts), *(s.ends_at for s in shifts)})
    stretches: list[Stretch] = []
    running: list[Shift] = []
    coming = iter([*shifts, None])
    shift = next(coming)
    for moment, until in pairwise(borders):
        running = [each for each in running if each.ends_at > moment]
        while shift is not None and shift.starts_at <= moment:
            running.append(shift)
            shift = next(coming)
        ids = tuple(dict.fromkeys(each.user_id for each in running))
        if stretches and set(stretches[-1].user_ids) == set(ids):
            stretches[-1] = replace(stretches[-1], ends_at=until)
        else:
            stretches.append(Stretch(moment, until, ids))
    return stretches


def shifts_of_person(
    user_id: int, *, start: datetime, end: datetime, now: datetime
) -> list[tuple[Chronicle, Shift]]:
    """The shifts of a person in all schedules in [start, end), by start; 11 queries."""
    ids = schedule_ids_with([user_id], since=now)
    if start < now:
        ids |= schedule_ids_recorded_with(user_id)
    found = [
        (chronicle, shift)
        for chronicle in chronicles_of(ids, now=now, start=start).values()
        for shift in shifts_of(chronicle.history, user_id, start, end)
    ]
    return sorted(found, key=lambda pair: (pair[1].starts_at, pair[0].rota.schedule.pk))
