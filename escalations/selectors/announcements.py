"""Which channels are told who is on call."""

from django.db.models import QuerySet

from escalations.models import OnCallAnnouncement, Schedule
from opsknight.errors import NotFound
from opsknight.models import User


def announcements_of(schedule: Schedule) -> QuerySet[OnCallAnnouncement]:
    """The announcements of a schedule with their channels, without the secrets; one query."""
    rows = OnCallAnnouncement.objects.filter(schedule=schedule)
    return (
        rows.select_related("destination")
        .defer("destination__secret")
        .order_by("destination__name", "when", "time", "pk")
    )


def visible_announcements(user: User) -> QuerySet[OnCallAnnouncement]:
    """Everybody who is signed in may see who is told."""
    rows = OnCallAnnouncement.objects.select_related("schedule", "destination")
    return rows.defer("destination__secret") if user.is_active else rows.none()


def get_announcement_for(user: User, pk: int) -> OnCallAnnouncement:
    """One announcement; raises NotFound."""
    row = visible_announcements(user).filter(pk=pk).first()
    if row is None:
        raise NotFound(f"There is no on-call announcement {pk}.")
    return row


def get_announcement_of(schedule: Schedule, pk: int) -> OnCallAnnouncement:
    """One announcement of a schedule; raises NotFound."""
    row = announcements_of(schedule).filter(pk=pk).first()
    if row is None:
        raise NotFound(f"There is no announcement {pk} of {schedule.name}.")
    return row
