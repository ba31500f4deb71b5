"""Which services are in maintenance, by the database's clock."""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from incidents.maintenance import Maintenance, maintenance_at
from incidents.models import MaintenanceWindow

# What `windows_not_over` reads of all services, for an engine that asks in every pass.
_NOT_OVER = """
SELECT *, statement_timestamp() AS database_now FROM incidents_maintenancewindow
WHERE ended_at IS NULL
"""


def database_now() -> datetime:
    """The clock that decides, whatever the machine of a web server thinks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        (now,) = cursor.fetchone()
    assert isinstance(now, datetime)  # noqa: S101 - for the type checker
    return now


def windows_not_over(service_ids: Iterable[int] | None = None) -> QuerySet[MaintenanceWindow]:
    """Windows that may hold now or later, of all services or of some, each with `database_now`."""
    windows = MaintenanceWindow.objects.filter(ended_at=None).annotate(database_now=Now())
    return windows if service_ids is None else windows.filter(service_id__in=list(service_ids))


def maintenance_now(
    service_ids: Iterable[int] | None = None, *, now: datetime | None = None
) -> dict[int, Maintenance]:
    """What holds on each service that is in maintenance; 1 query.

    `now`: the instant in question; None: the database's.
    """
    if service_ids is None:
        windows: Iterable[MaintenanceWindow] = MaintenanceWindow.objects.raw(_NOT_OVER)
    else:
        windows = windows_not_over(service_ids)
    return group_by_service(windows, now=now)


def group_by_service(
    windows: Iterable[MaintenanceWindow], *, now: datetime | None = None
) -> dict[int, Maintenance]:
    """The same for windows that were read with `windows_not_over`."""
    by_service: dict[int, list[MaintenanceWindow]] = {}
    clock = now
    for window in windows:
        by_service.setdefault(window.service_id, []).append(window)
        clock = clock or window.database_now  # type: ignore[attr-defined] # annotated
    if clock is None:
        return {}
    held = {pk: maintenance_at(own, clock) for pk, own in by_service.items()}
    return {pk: maintenance for pk, maintenance in held.items() if maintenance is not None}
