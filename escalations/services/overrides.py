"""Overrides: somebody comes, goes, or takes somebody else's place for a while.

An override that began is part of the past: it can be ended, not deleted or moved.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from escalations.models import Override, Schedule
from escalations.oncall import next_change, on_call_at, shifts_of
from escalations.selectors import LOOK_AHEAD, rotas_of
from escalations.services.history import TICK, lock_schedules, record_versions
from escalations.services.people import people_by_id, why_not_pageable
from escalations.services.spans import Reasons, ahead_of, reasons_against
from opsknight.errors import Conflict, NotFound
from opsknight.models import User
from opsknight.services.audit import changes_of, record_change, values_of
from opsknight.services.configuration import invalid, record_deletion
from opsknight.wall_clock import whole_minute

FIELDS = ("kind", "user", "replaces", "starts_at", "ends_at", "note")
MAX_NOTE = 200


@dataclass(frozen=True, kw_only=True)
class OverrideInput:
    """What is asked for: who comes (`user_id`: add, replace), who goes (`replaces`).

    In a replacement `replaces` None means everybody, also where nobody is on call.
    """

    kind: str  # Override.Kind
    starts_at: datetime  # aware; in the past: from now on
    ends_at: datetime
    user_id: int | None = None
    replaces_id: int | None = None
    note: str = ""


@transaction.atomic
def add_override(
    *,
    schedule: Schedule,
    wanted: OverrideInput,
    actor: User | None,
    now: datetime,
    ip: str | None = None,
) -> Override:
    """Make an override; raises InvalidInput that names the fields and the override in the way."""
    _lock(schedule)
    override = Override(schedule=schedule, created_by=actor, created_at=now)
    _fill(override, wanted, now)
    _write(override)
    changes = changes_of(None, override, FIELDS)
    _record(override, "added", changes, actor=actor, ip=ip)
    record_versions([schedule.pk], now=now, actor=actor)
    return override


@transaction.atomic
def change_override(
    *,
    override: Override,
    wanted: OverrideInput,
    actor: User | None,
    now: datetime,
    ip: str | None = None,
) -> Override:
    """Change an override; of one that began only the end and the note. Raises InvalidInput."""
    override = _locked(override)
    _require_open(override, now)
    before = values_of(override, FIELDS)
    if has_begun(override, now):
        _check_only_end(override, wanted)
        wanted = replace(wanted, starts_at=override.starts_at)
        _fill(override, wanted, now, begun_at=override.starts_at)
    else:
        _fill(override, wanted, now)
    changes = changes_of(before, override, FIELDS)
    if changes:
        _write(override)
        _record(override, "changed", changes, actor=actor, ip=ip)
        record_versions([override.schedule_id], now=now, actor=actor)
    return override


@transaction.atomic
def end_override(
    *, override: Override, actor: User | None, now: datetime, ip: str | None = None
) -> None:
    """End an override that began: from this minute on it has no effect; raises Conflict."""
    override = _locked(override)
    _require_open(override, now)
    if not has_begun(override, now):
        raise Conflict("This override has not begun. Delete it instead.")
    before = values_of(override, ["ends_at"])
    # In the very minute in which it began, nothing of it is left.
    override.ends_at = max(whole_minute(now), override.starts_at + TICK)
    override.save(update_fields=["ends_at"])
    _record(override, "ended", changes_of(before, override, ["ends_at"]), actor=actor, ip=ip)
    record_versions([override.schedule_id], now=now, actor=actor)


@transaction.atomic
def delete_override(
    *, override: Override, actor: User | None, now: datetime, ip: str | None = None
) -> None:
    """Delete an override that has not begun; raises Conflict for any other one."""
    override = _locked(override)
    if has_begun(override, now):
        raise Conflict(
            "This override has begun, and what was cannot be changed. End it now instead."
            if override.ends_at > now
            else "This override is over, and what was cannot be changed."
        )
    record_deletion(entity=override, fields=FIELDS, action="override.deleted", actor=actor, ip=ip)
    override.delete()
    record_versions([override.schedule_id], now=now, actor=actor)


@transaction.atomic
def take_over(
    *,
    schedule: Schedule,
    actor: User,
    now: datetime,
    until: datetime | None = None,
    replaces_id: int | None = None,
    ip: str | None = None,
) -> Override:
    """Put the actor on call now, instead of whoever is: until the handoff, or `until`.

    Where several are on call, `replaces_id` says whose place. Raises InvalidInput.
    """
    _lock(schedule)
    rota = rotas_of([schedule.pk], since=now)[schedule.pk]
    present = on_call_at(rota.spec, now)
    if actor.pk in present:
        raise invalid({"user": ["You are on call already."]})
    if replaces_id is None and len(present) > 1:
        names = " or ".join(str(rota.people[user_id]) for user_id in present)
        raise invalid({"replaces": [f"Say whose place you take: {names}."]})
    if replaces_id is not None and replaces_id not in present:
        raise invalid({"replaces": ["This person is not on call now."]})
    until = until or next_change(rota.spec, now, until=now + LOOK_AHEAD)
    if until is None:
        raise invalid({"until": ["There is no handoff ahead: say until when."]})
    kind = Override.Kind.REPLACE if present else Override.Kind.ADD
    wanted = OverrideInput(
        kind=kind,
        starts_at=now,
        ends_at=until,
        user_id=actor.pk,
        replaces_id=replaces_id or next(iter(present), None),
        note="Taken over",
    )
    return add_override(schedule=schedule, wanted=wanted, actor=actor, now=now, ip=ip)


@transaction.atomic
def cover_shifts(
    *,
    user_id: int,
    by_id: int,
    starts_at: datetime,
    ends_at: datetime,
    actor: User,
    now: datetime,
    schedule_ids: list[int],
    note: str = "",
    ip: str | None = None,
) -> list[Override]:
    """Let somebody take all shifts of a person in a span, in each of these schedules.

    The shifts keep their borders and the times between them. Raises InvalidInput, also when there
    is no such shift.
    """
    if reasons := reasons_against(starts_at, ends_at, now=now):
        raise invalid(reasons)
    span = ahead_of(starts_at, ends_at, now=now)
    schedules = lock_schedules(schedule_ids)
    rotas = rotas_of((schedule.pk for schedule in schedules), since=now)
    wanted = OverrideInput(
        kind=Override.Kind.REPLACE,
        starts_at=span.starts_at,
        ends_at=span.ends_at,
        user_id=by_id,
        replaces_id=user_id,
        note=note,
    )
    covered = [
        add_override(schedule=schedule, wanted=wanted, actor=actor, now=now, ip=ip)
        for schedule in schedules
        if shifts_of(rotas[schedule.pk].spec, user_id, span.starts_at, span.ends_at)
    ]
    if not covered:
        raise invalid({"replaces": ["This person has no shift in this time. Choose another time."]})
    return covered


def has_begun(override: Override, now: datetime) -> bool:
    """Whether a part of an override is past, so that only its end can change."""
    return override.starts_at <= now


# Checks


def _lock(schedule: Schedule) -> None:
    if not lock_schedules([schedule.pk]):
        raise NotFound(f"{schedule} was deleted meanwhile.")


def _locked(override: Override) -> Override:
    """The override as it is now, its schedule locked; raises NotFound when it was deleted."""
    _lock(override.schedule)
    stored = Override.objects.select_related("schedule", "user", "replaces")
    found = stored.filter(pk=override.pk).first()
    if found is None:
        raise NotFound("This override was deleted meanwhile.")
    return found


def _require_open(override: Override, now: datetime) -> None:
    if override.ends_at <= now:
        raise Conflict("This override is over, and what was cannot be changed.")


def _check_only_end(override: Override, wanted: OverrideInput) -> None:
    text = "This override has begun: only its end and its note can change."
    same = {
        "kind": wanted.kind == override.kind,
        "user": wanted.user_id == override.user_id,
        "replaces": wanted.replaces_id == override.replaces_id,
        "starts_at": whole_minute(wanted.starts_at) == whole_minute(override.starts_at),
    }
    if reasons := {name: [text] for name, is_same in same.items() if not is_same}:
        raise invalid(reasons)


def _fill(
    override: Override, wanted: OverrideInput, now: datetime, begun_at: datetime | None = None
) -> None:
    """Set what is wanted; raises InvalidInput with every wrong field."""
    reasons = reasons_against(wanted.starts_at, wanted.ends_at, now=now)
    reasons |= _reasons_of_people(wanted)
    if len(wanted.note) > MAX_NOTE:
        reasons["note"] = [f"Use at most {MAX_NOTE} characters."]
    if reasons:
        raise invalid(reasons)
    span = ahead_of(wanted.starts_at, wanted.ends_at, now=now)
    override.kind, override.note = wanted.kind, wanted.note.strip()
    override.user_id, override.replaces_id = wanted.user_id, wanted.replaces_id
    override.starts_at, override.ends_at = begun_at or span.starts_at, span.ends_at
    if reason := _reason_of_conflict(override):
        raise invalid({"starts_at": [reason]})


def _reasons_of_people(wanted: OverrideInput) -> Reasons:
    if wanted.kind not in Override.Kind.values:
        return {"kind": [f"Use one of {', '.join(Override.Kind.values)}."]}
    people = people_by_id(i for i in (wanted.user_id, wanted.replaces_id) if i is not None)
    reasons: Reasons = {}
    match Override.Kind(wanted.kind):
        case Override.Kind.ADD:
            if wanted.replaces_id is not None:
                reasons["replaces"] = ["Leave it out: this person comes in addition."]
        case Override.Kind.REMOVE:
            if wanted.user_id is not None:
                reasons["user"] = ["Leave it out: nobody comes instead. To replace, use replace."]
            if wanted.replaces_id is None:
                reasons["replaces"] = ["Say who goes."]
        case Override.Kind.REPLACE:
            if wanted.user_id is not None and wanted.user_id == wanted.replaces_id:
                reasons["replaces"] = ["Nobody can replace themselves."]
        case kind:
            assert_never(kind)
    if wanted.user_id is None and wanted.kind != Override.Kind.REMOVE:
        reasons["user"] = ["Say who comes."]
    elif (
        wanted.user_id is not None
        and "user" not in reasons
        and (reason := why_not_pageable(wanted.user_id, people))
    ):
        reasons["user"] = [reason]
    if wanted.replaces_id is not None and wanted.replaces_id not in people:
        reasons["replaces"] = [f"There is no user {wanted.replaces_id}."]
    return reasons


def _rivals(override: Override) -> QuerySet[Override]:
    """Other overrides that the database would not let stand beside this one."""
    taken_away = Q(kind__in=[Override.Kind.REMOVE, Override.Kind.REPLACE])
    if override.kind == Override.Kind.ADD:
        same = Q(kind=Override.Kind.ADD, user=override.user_id)
    elif override.replaces_id is None:
        same = Q(kind=Override.Kind.REPLACE, replaces=None)
    else:
        same = taken_away & Q(replaces=override.replaces_id)
    rivals = Override.objects.filter(
        same,
        schedule=override.schedule_id,
        starts_at__lt=override.ends_at,
        ends_at__gt=override.starts_at,
    )
    return rivals.exclude(pk=override.pk).select_related("user", "replaces").order_by("starts_at")


def _reason_of_conflict(override: Override) -> str:
    rival = _rivals(override).first()
    if rival is None:
        return ""
    return (
        f"There is another override at this time: {rival} (number {rival.pk}). "
        "Change or end that one, or choose another time."
    )


def _write(override: Override) -> None:
    """Save; a rival that somebody wrote at this moment is named as any other."""
    try:
        with transaction.atomic():
            override.save()
    except IntegrityError as error:
        if reason := _reason_of_conflict(override):
            raise invalid({"starts_at": [reason]}) from error
        raise


def _record(
    override: Override,
    verb: str,
    changes: dict[str, list[object]],
    *,
    actor: User | None,
    ip: str | None,
) -> None:
    record_change(actor=actor, action=f"override.{verb}", entity=override, changes=changes, ip=ip)
