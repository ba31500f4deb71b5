"""Calendars going out (feeds) and coming in (imported shifts)."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from escalations.models.schedule import Schedule, ScheduleLayer
from opsknight.models.fields import EncryptedTextField


class CalendarFeed(models.Model):
    """A secret iCal address of one schedule's shifts, or of one person's."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="calendar_feeds"
    )
    schedule = models.ForeignKey(
        Schedule, on_delete=models.CASCADE, null=True, blank=True, related_name="calendar_feeds"
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    name = models.CharField(max_length=200)
    # Found by its digest; kept, encrypted, so that its owner can see the address again.
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    token = EncryptedTextField(editable=False)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("name", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(schedule__isnull=False, person__isnull=True)
                | Q(schedule__isnull=True, person__isnull=False),
                name="calendar_feed_of_one",
                violation_error_message="Choose exactly one: a schedule or a person.",
            ),
        )

    def __str__(self) -> str:
        return self.name


class ImportedShift(models.Model):
    """A shift read from the calendar of a layer."""

    layer = models.ForeignKey(
        ScheduleLayer, on_delete=models.CASCADE, related_name="imported_shifts"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    uid = models.CharField(max_length=255, blank=True)  # of the event it was read from

    class Meta:
        ordering = ("starts_at", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="imported_shift_ends_after_start"
            ),
        )
        indexes = (
            # Shifts of layers that are not over, for every question about who is on call.
            models.Index(fields=["layer", "ends_at"], name="imported_shift_not_over"),
        )

    def __str__(self) -> str:
        return f"{self.user}, {self.starts_at:%Y-%m-%d %H:%M} to {self.ends_at:%Y-%m-%d %H:%M} UTC"
