"""Saves schedules with their layers: checked as a whole, written as a whole."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from django.db import transaction
from django.utils import timezone

from escalations.models import Schedule
from escalations.selectors import Rota, rotas_of
from escalations.services import deletion
from escalations.services.departures import ask_about_gaps
from escalations.services.history import record_versions
from escalations.services.layers import LayerInput, check_layers, write_layers
from escalations.services.rotations import keep_turns, turn_orders
from opsknight.models import Team, User
from opsknight.services.audit import Changes
from opsknight.services.configuration import (
    check,
    record_deletion,
    save_changes,
    save_new,
)
from opsknight.services.versions import count_version, lock_version

SCHEDULE_FIELDS = ("name", "description", "time_zone", "team")


class ScheduleValues(TypedDict, total=False):
    """What can be set on a schedule beside its layers; what is left out stays as it is."""

    name: str
    description: str
    time_zone: str
    team: Team | None


@transaction.atomic
def create_schedule(
    *,
    values: ScheduleValues,
    layers: Sequence[LayerInput],
    actor: User | None,
    ip: str | None = None,
    now: datetime | None = None,
) -> Schedule:
    """Create a schedule; raises InvalidInput that names every wrong field ("layers.0.name")."""
    now = now or timezone.now()
    schedule = Schedule(**values, created_at=now, saved_at=now, saved_by=actor)
    check(schedule)
    check_layers(schedule, layers)
    save_new(
        entity=schedule,
        fields=SCHEDULE_FIELDS,
        action="schedule.created",
        actor=actor,
        ip=ip,
        extra=lambda: write_layers(schedule=schedule, layers=layers, before={}, now=now),
    )
    record_versions([schedule.pk], now=now, actor=actor)
    return schedule


@transaction.atomic
def update_schedule(
    *,
    schedule: Schedule,
    values: ScheduleValues,
    layers: Sequence[LayerInput] | None,
    actor: User | None,
    ip: str | None = None,
    now: datetime | None = None,
    version: int | None = None,
    is_confirmed: bool = False,
) -> Schedule:
    """Change a schedule and, unless `layers` is None, its layers.

    Layers with an id stay what they are, with whoever is on call in them; those without one are
    new, those not listed are deleted. Raises InvalidInput; SavedMeanwhile unless the schedule is
    the `version` that was edited (None: whichever it is); NeedsConfirmation that names the times in
    which nobody would be on call any more, when a layer loses its people, unless `is_confirmed`.
    """
    now = now or timezone.now()
    lock_version(entity=schedule, expected=version)
    before = rotas_of([schedule.pk], since=now)[schedule.pk]
    turns = turn_orders(schedule=schedule, now=now)
    if layers is not None:
        check_layers(schedule, layers)

    def write() -> Changes:
        if layers is None:  # another time zone would move everybody's turn
            keep_turns(schedule=schedule, before=turns, now=now)
            return {}
        return write_layers(schedule=schedule, layers=layers, before=turns, now=now)

    changes = save_changes(
        entity=schedule,
        values=values,
        action="schedule.updated",
        actor=actor,
        ip=ip,
        extra=write,
    )
    if not changes:
        return schedule
    ask_about_gaps(before=before, is_confirmed=is_confirmed, now=now)
    count_version(entity=schedule, actor=actor, now=now)
    record_versions([schedule.pk], now=now, actor=actor)
    return schedule


@transaction.atomic
def delete_schedule(
    *,
    schedule: Schedule,
    actor: User | None,
    ip: str | None = None,
    version: int | None = None,
) -> None:
    """Delete a schedule; raises Conflict while policies page it."""
    lock_version(entity=schedule, expected=version)
    record_deletion(
        entity=schedule, fields=SCHEDULE_FIELDS, action="schedule.deleted", actor=actor, ip=ip
    )
    deletion.delete_schedule(schedule=schedule)


def preview_schedule(
    *,
    schedule: Schedule | None,
    values: ScheduleValues,
    layers: Sequence[LayerInput] | None,
    actor: User,
    now: datetime,
) -> Rota:
    """What a change would lead to, exactly, with nothing saved; raises InvalidInput.

    `schedule` None: of a new one. The rows of the answer exist no more.
    """
    with transaction.atomic():
        if schedule is None:
            saved = create_schedule(values=values, layers=layers or [], actor=actor, now=now)
        else:
            saved = update_schedule(
                schedule=schedule,
                values=values,
                layers=layers,
                actor=actor,
                now=now,
                is_confirmed=True,
            )
        rota = rotas_of([saved.pk], since=now)[saved.pk]
        transaction.set_rollback(True)
    return rota
