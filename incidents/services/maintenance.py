"""Maintenance windows: plan one, start one now, end one.

They check nothing about the person; the edge got the service from `selectors`.
"""

from datetime import datetime, timedelta
from typing import TypedDict

from django.db import transaction

from incidents.maintenance import LONGEST, next_occurrence, occurrence_at
from incidents.models import MaintenanceWindow, Service
from incidents.services.maintenance_effects import hold_service, release_service
from incidents.services.maintenance_now import database_now
from opsknight.errors import Conflict, NotFound
from opsknight.models import User
from opsknight.services.configuration import (
    check,
    delete_recorded,
    invalid,
    save_changes,
    save_new,
)
from opsknight.wall_clock import FIRST_YEAR, LAST_YEAR

FIELDS = ("service", "reason", "starts_at", "ends_at", "repeat", "time_zone", "repeat_until")
TOO_LONG = {
    "never": "A window lasts at most 90 days.",
    "daily": "A window that repeats daily lasts at most a day.",
    "weekly": "A window that repeats weekly lasts at most a week.",
    "monthly": "A window that repeats monthly lasts at most 28 days.",
}


class WindowValues(TypedDict, total=False):
    """What can be set on a window."""

    reason: str
    starts_at: datetime
    ends_at: datetime
    repeat: str
    time_zone: str
    repeat_until: datetime | None


def start_maintenance(
    *,
    service: Service,
    length: timedelta,
    reason: str,
    actor: User | None,
    ip: str | None = None,
) -> MaintenanceWindow:
    """Begin maintenance now; raises InvalidInput for a length that is not allowed."""
    now = database_now()
    values: WindowValues = {
        "reason": reason,
        "starts_at": now,
        "ends_at": now + length,
        "time_zone": actor.time_zone if actor else "UTC",
    }
    return schedule_maintenance(service=service, values=values, actor=actor, ip=ip)


def schedule_maintenance(
    *, service: Service, values: WindowValues, actor: User | None, ip: str | None = None
) -> MaintenanceWindow:
    """Plan a window; one that holds already takes effect at once. Raises InvalidInput."""
    window = MaintenanceWindow(service=service, created_by=actor, **values)
    check(window, exclude=["ends_at"])  # its constraint is said better below
    _check_times(window, database_now())
    with transaction.atomic():
        save_new(entity=window, fields=FIELDS, action="maintenance.scheduled", actor=actor, ip=ip)
        hold_service(service.pk)
    return window


def _check_times(window: MaintenanceWindow, now: datetime) -> None:
    """Refuse windows that cannot be meant: empty, over, endless, or longer than their period."""
    reasons: dict[str, list[str]] = {}
    for name in ("starts_at", "ends_at", "repeat_until"):
        moment = getattr(window, name)
        if moment is not None and not FIRST_YEAR < moment.year < LAST_YEAR:
            reasons[name] = [f"Use a year between {FIRST_YEAR} and {LAST_YEAR}."]
    if reasons:
        raise invalid(reasons)
    length = window.ends_at - window.starts_at
    if length <= timedelta(0):
        reasons["ends_at"] = ["It must end after it starts."]
    elif length > LONGEST[window.repeat]:
        reasons["ends_at"] = [TOO_LONG[window.repeat]]
    if window.repeat_until is not None:
        if window.repeat == MaintenanceWindow.Repeat.NEVER:
            reasons["repeat_until"] = ["Leave this empty for a window that happens once."]
        elif window.repeat_until < window.starts_at:
            reasons["repeat_until"] = ["It must not stop before it starts."]
    if not reasons and next_occurrence(window, now) is None:
        field = "ends_at" if window.repeat_until is None else "repeat_until"
        reasons[field] = ["This is in the past."]
    if reasons:
        raise invalid(reasons)


def end_maintenance(
    *, window: MaintenanceWindow, actor: User | None, ip: str | None = None
) -> MaintenanceWindow:
    """End a window now, with all later occurrences; what it held back pages at once.

    Raises Conflict when it is over already.
    """
    with transaction.atomic():
        now = _lock(window)
        if window.ended_at is not None or next_occurrence(window, now) is None:
            raise Conflict("This maintenance is over already.")
        has_held = occurrence_at(window, now) is not None
        values = {"ended_at": now}
        save_changes(entity=window, values=values, action="maintenance.ended", actor=actor, ip=ip)
        if has_held:
            release_service(window.service_id)
    return window


def delete_maintenance(
    *, window: MaintenanceWindow, actor: User | None, ip: str | None = None
) -> None:
    """Delete a window; one that holds now ends by that."""
    service_id = window.service_id
    with transaction.atomic():
        has_held = occurrence_at(window, _lock(window)) is not None
        delete_recorded(
            entity=window, fields=FIELDS, action="maintenance.deleted", actor=actor, ip=ip
        )
        if has_held:
            release_service(service_id)


def _lock(window: MaintenanceWindow) -> datetime:
    """The time when we are alone with the window: the sweep holds nothing more for it, and nobody
    else ends it. Its `ended_at` is as it is then; raises NotFound when it was deleted meanwhile.
    """
    rows = MaintenanceWindow.objects.select_for_update().filter(pk=window.pk)
    for ended_at in rows.values_list("ended_at", flat=True):
        window.ended_at = ended_at
        return database_now()
    raise NotFound("This maintenance was deleted meanwhile.")
