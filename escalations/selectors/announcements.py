"""Which channels are told who is on call."""

from django.db.models import QuerySet

from escalations.models import OnCallAnnouncement, Schedule
from opsknight.errors import NotFound


def announcements_of(schedule: Schedule) -> QuerySet[OnCallAnnouncement]:
    """The announcements of a schedule with their channels, without the secrets; one query."""
    rows = OnCallAnnouncement.objects.filter(schedule=schedule)
    return (
        rows.select_related("destination")
        .defer("destination__secret")
        .order_by("destination__name", "when", "time", "pk")
    )


def get_announcement_of(schedule: Schedule, pk: int) -> OnCallAnnouncement:
    """One announcement of a schedule; raises NotFound."""
    row = announcements_of(schedule).filter(pk=pk).first()
    if row is None:
        raise NotFound(f"There is no announcement {pk} of {schedule.name}.")
    return row
