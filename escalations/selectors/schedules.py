"""Schedules: what a person may see and change."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, QuerySet

from escalations.models import (
    ImportedShift,
    LayerMember,
    LayerRestriction,
    Override,
    Schedule,
    ScheduleLayer,
    ScheduleVersion,
    SwapRequest,
    TemporarySchedule,
    TemporaryShift,
)
from opsknight.errors import NotAllowed, NotFound
from opsknight.models import User


def visible_schedules(user: User) -> QuerySet[Schedule]:
    """Everybody who is signed in may see who is on call."""
    schedules = Schedule.objects.select_related("team", "saved_by")
    return schedules if user.is_active else schedules.none()


def get_schedule_for(user: User, pk: int) -> Schedule:
    """One schedule; raises NotFound."""
    schedule = visible_schedules(user).filter(pk=pk).first()
    if schedule is None:
        raise NotFound(f"There is no schedule {pk}.")
    return schedule


def may_change_schedules(user: User) -> bool:
    """Responders and administrators."""
    return user.is_responder


def get_schedule_to_change_for(user: User, pk: int) -> Schedule:
    """One schedule to edit; raises NotFound or NotAllowed."""
    schedule = get_schedule_for(user, pk)
    if not may_change_schedules(user):
        raise NotAllowed(f"Only responders may change {schedule.name}.")
    return schedule


def layers_of(schedule_ids: Iterable[int]) -> QuerySet[ScheduleLayer]:
    """The layers of many schedules in their order, with everything in them; 4 queries."""
    return (
        ScheduleLayer.objects.filter(schedule_id__in=list(schedule_ids))
        .prefetch_related(*_within_layers())
        .order_by("schedule_id", "position", "id")
    )


def _within_layers() -> "tuple[Prefetch[Any], Prefetch[Any]]":
    members = LayerMember.objects.select_related("user").order_by("turn", "id")
    restrictions = LayerRestriction.objects.order_by("id")
    return Prefetch("members", members), Prefetch("restrictions", restrictions)


def schedules_with_layers(user: User) -> QuerySet[Schedule]:
    """Visible schedules with layers and what is in them, for the API; 4 queries."""
    layers = ScheduleLayer.objects.order_by("position", "id")
    layers = layers.prefetch_related(*_within_layers())
    return visible_schedules(user).prefetch_related(Prefetch("layers", layers))


def users_in(layers: Iterable[ScheduleLayer]) -> dict[int, User]:
    """The people of prefetched layers, by id; no query."""
    return {m.user.pk: m.user for layer in layers for m in layer.members.all() if m.user}


def schedule_ids_with(user_ids: Collection[int], *, since: datetime) -> set[int]:
    """The schedules in which any of these people takes turns, or is named for a time after
    `since`; 1 query.
    """
    later = {"ends_at__gt": since, "user__in": user_ids}
    overrides = Override.objects.filter(**later).order_by().values_list("schedule_id")
    temporary = TemporaryShift.objects.filter(**later).order_by()
    imported = ImportedShift.objects.filter(**later).order_by()
    members = LayerMember.objects.filter(user__in=user_ids).order_by()
    found = members.values_list("layer__schedule_id").union(
        overrides,
        temporary.values_list("temporary__schedule_id"),
        imported.values_list("layer__schedule_id"),
    )
    return {pk for (pk,) in found}


def schedule_ids_recorded_with(user_id: int) -> set[int]:
    """The schedules whose past names a person; 1 query."""
    versions = ScheduleVersion.objects.filter(people__has_key=str(user_id)).order_by()
    return set(versions.values_list("schedule_id", flat=True).distinct())


# What differs from the layers for a while


def overrides_of(schedule: Schedule) -> QuerySet[Override]:
    """The overrides of a schedule with their people, in the order in which they apply."""
    overrides = Override.objects.filter(schedule=schedule)
    return overrides.select_related("user", "replaces", "created_by").order_by("id")


def get_override_of(schedule: Schedule, pk: int) -> Override:
    """One override of a schedule; raises NotFound."""
    override = overrides_of(schedule).filter(pk=pk).first()
    if override is None:
        raise NotFound(f"There is no override {pk} of {schedule.name}.")
    return override


def temporaries_of(schedule: Schedule) -> QuerySet[TemporarySchedule]:
    """The temporary schedules of a schedule with their shifts and people, by start; 2 queries."""
    shifts = TemporaryShift.objects.select_related("user").order_by("starts_at", "id")
    temporaries = TemporarySchedule.objects.filter(schedule=schedule)
    return temporaries.prefetch_related(Prefetch("shifts", shifts)).order_by("starts_at", "id")


def get_temporary_of(schedule: Schedule, pk: int) -> TemporarySchedule:
    """One temporary schedule of a schedule; raises NotFound."""
    temporary = temporaries_of(schedule).filter(pk=pk).first()
    if temporary is None:
        raise NotFound(f"There is no temporary schedule {pk} of {schedule.name}.")
    return temporary


def swap_requests_of(schedule: Schedule) -> QuerySet[SwapRequest]:
    """The swap requests of a schedule with their people, by start."""
    requests = SwapRequest.objects.filter(schedule=schedule)
    return requests.select_related("schedule", "requester", "taken_by").order_by("starts_at", "id")


def get_swap_request_of(schedule: Schedule, pk: int) -> SwapRequest:
    """One swap request of a schedule; raises NotFound."""
    request = swap_requests_of(schedule).filter(pk=pk).first()
    if request is None:
        raise NotFound(f"There is no swap request {pk} of {schedule.name}.")
    return request
