"""Records what schedules are, so that edits never change who was on call before them."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import OuterRef, Subquery

from escalations.models import Schedule, ScheduleVersion
from escalations.selectors import Rota, rotas_of
from escalations.selectors.chronicles import as_of, has_changed
from opsknight.models import User
from realtime.publish import on_call_changed

TICK = timedelta(microseconds=1)  # between two versions of one instant

# Schedules that are locked at once by the sweep.
BATCH = 200


@transaction.atomic
def record_versions(
    schedule_ids: Iterable[int], *, now: datetime, actor: User | None = None
) -> int:
    """Write a version of each of these schedules that is not what its last version says.

    Call it in the transaction of a change, with the schedules locked (`lock_schedules`), or two
    changes at once would each record a schedule without the other. Returns how many were written.
    """
    rotas = rotas_of(schedule_ids, since=now)
    last = _last_versions(rotas)
    versions = [
        _version(rota, last.get(pk), now, actor)
        for pk, rota in rotas.items()
        if pk not in last or has_changed(last[pk].spec, rota.spec, now)
    ]
    on_call_changed(version.schedule_id for version in versions)
    return len(ScheduleVersion.objects.bulk_create(versions, ignore_conflicts=True))


def record_unrecorded_versions(*, now: datetime) -> int:
    """Write what changed by other ways: disabled accounts, deleted people, edits by SQL.

    Schedules that somebody edits at this moment are left to them. Returns how many were written.
    """
    ids = list(Schedule.objects.order_by("pk").values_list("pk", flat=True))
    written = 0
    for first in range(0, len(ids), BATCH):
        with transaction.atomic():
            free = Schedule.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
            locked = free.filter(pk__in=ids[first : first + BATCH]).order_by("pk")
            written += record_versions(locked.values_list("pk", flat=True), now=now)
    return written


def lock_schedules(schedule_ids: Iterable[int]) -> list[Schedule]:
    """Lock schedules until the end of the transaction; those that are gone are left out."""
    rows = Schedule.objects.select_for_update(of=("self",), no_key=True)
    return list(rows.filter(pk__in=list(schedule_ids)).order_by("pk"))


def _last_versions(schedule_ids: Iterable[int]) -> dict[int, ScheduleVersion]:
    of_schedule = ScheduleVersion.objects.filter(schedule=OuterRef("schedule")).order_by("-since")
    rows = ScheduleVersion.objects.filter(
        schedule_id__in=list(schedule_ids), since=Subquery(of_schedule.values("since")[:1])
    )
    return {row.schedule_id: row for row in rows}


def _version(
    rota: Rota, last: ScheduleVersion | None, now: datetime, actor: User | None
) -> ScheduleVersion:
    # What nobody recorded was like this since it was made.
    since = max(now, last.since + TICK) if last else min(rota.schedule.created_at, now)
    return ScheduleVersion(
        schedule=rota.schedule,
        since=since,
        spec=as_of(rota.spec, since if last is None else now),
        people={str(pk): str(user) for pk, user in rota.people.items()},
        changed_by=actor,
    )
