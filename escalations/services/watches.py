"""What people were told of each schedule."""

from escalations.models import Schedule, ScheduleWatch


def watch_all() -> None:
    """Make the row of every schedule that has none yet."""
    ids = Schedule.objects.filter(watch=None).values_list("pk", flat=True)
    rows = [ScheduleWatch(schedule_id=pk) for pk in ids]
    ScheduleWatch.objects.bulk_create(rows, ignore_conflicts=True)
