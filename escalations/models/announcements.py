"""What the sweeps remember: who was told of what, and what a calendar was."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from escalations.models.schedule import (
    ALL_WEEKDAYS,
    Schedule,
    ScheduleLayer,
    validate_weekdays,
)
from notifications.models import Destination


class OnCallAnnouncement(models.Model):
    """A channel is told who is on call: whenever that changes, or at a time of day."""

    class When(models.TextChoices):
        ON_CHANGE = "on_change", "When somebody else is on call"
        TIMES = "times", "At a time of day"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="announcements")
    destination = models.ForeignKey(
        Destination, on_delete=models.CASCADE, related_name="on_call_announcements"
    )
    when = models.CharField(max_length=16, choices=When, default=When.ON_CHANGE)
    weekdays = models.PositiveSmallIntegerField(
        default=ALL_WEEKDAYS,
        validators=[validate_weekdays],
        help_text="The days of a time, added up: Monday 1, Tuesday 2, Wednesday 4, Thursday 8, "
        "Friday 16, Saturday 32, Sunday 64. 0: never.",
    )
    time = models.TimeField(
        null=True, blank=True, help_text="On the clock of the schedule; only for a time of day."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Up to when times were looked at; a time after it, and not after now, is due.
    looked_at = models.DateTimeField(default=timezone.now, editable=False)
    # Who was announced last, sorted; null: nobody has been told of anything yet.
    told_user_ids = models.JSONField(null=True, editable=False)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(when="on_change", time__isnull=True)
                | Q(when="times", time__isnull=False),
                name="announcement_time_fits_when",
                violation_error_message="Give a time of day exactly where one is wanted.",
            ),
            models.CheckConstraint(
                condition=Q(weekdays__gte=0, weekdays__lte=ALL_WEEKDAYS),
                name="announcement_weekdays",
            ),
            models.UniqueConstraint(
                fields=["schedule", "destination", "when", "weekdays", "time"],
                nulls_distinct=False,
                name="announcement_once",
                violation_error_message="This channel is told of this already.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.schedule} to {self.destination}"


class ScheduleWatch(models.Model):
    """What people were told of one schedule; written by the sweeps only."""

    schedule = models.OneToOneField(
        Schedule, on_delete=models.CASCADE, primary_key=True, related_name="watch"
    )
    # The version of the schedule whose shifts everybody knows; null: none is known yet.
    told_since = models.DateTimeField(null=True)
    empty_since = models.DateTimeField(null=True)  # nobody is on call; null: somebody is
    gaps_looked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Watch of {self.schedule}"


class KnownGap(models.Model):
    """A time without anybody on call of which the team knows."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="known_gaps")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    # The same hours of the week before were known, so nobody was told of these.
    is_repetition = models.BooleanField(default=False)

    class Meta:
        ordering = ("starts_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=["schedule", "starts_at", "ends_at"], name="known_gap_once"
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="known_gap_ends_after_start"
            ),
        )

    def __str__(self) -> str:
        return f"{self.schedule}, {self.starts_at:%Y-%m-%d %H:%M} UTC"


class CalendarRead(models.Model):
    """What the calendar of a layer was when it was read last; while it is the same, so are its
    shifts, and reading it again would be in vain.
    """

    layer = models.OneToOneField(
        ScheduleLayer, on_delete=models.CASCADE, primary_key=True, related_name="calendar_read"
    )
    # Of all that decides beside the text: address, zone, window, people.
    question_digest = models.CharField(max_length=64)
    text_digest = models.CharField(max_length=64)
    etag = models.CharField(max_length=255, blank=True)
    remark = models.TextField(blank=True)  # what was wrong with this text; empty: nothing
    read_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Calendar of {self.layer}"
