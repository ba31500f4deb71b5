"""What schedules were, so that edits never change the past."""

from django.conf import settings
from django.db import models

from escalations.models.schedule import Schedule


class ScheduleVersion(models.Model):
    """A schedule as it was from an instant on, until the next version. Never changed."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="versions")
    since = models.DateTimeField()
    spec = models.JSONField()  # as `oncall.spec_to_json`
    # Who edited it; null: nobody, such as when an account was disabled or a calendar changed.
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )
    people = models.JSONField(default=dict)  # {"7": "Bob"}: for those who are deleted later

    class Meta:
        ordering = ("schedule_id", "since")
        constraints = (
            # Also finds the versions of schedules in order.
            models.UniqueConstraint(fields=["schedule", "since"], name="schedule_version_once"),
        )

    def __str__(self) -> str:
        return f"{self.schedule} since {self.since:%Y-%m-%d %H:%M}"
