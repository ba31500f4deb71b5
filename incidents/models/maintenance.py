"""Times at which alerts of a service are expected."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from incidents.models.service import Service
from opsknight.models.people import validate_time_zone


class MaintenanceWindow(models.Model):
    """While it lasts, alerts of the service are recorded and page nobody."""

    class Repeat(models.TextChoices):
        NEVER = "never", "Once"
        DAILY = "daily", "Daily"
        WEEKLY = "weekly", "Weekly"
        MONTHLY = "monthly", "Monthly"

    service = models.ForeignKey(
        Service, on_delete=models.CASCADE, related_name="maintenance_windows"
    )
    reason = models.CharField(max_length=200)
    starts_at = models.DateTimeField()  # of its first occurrence
    ends_at = models.DateTimeField()
    repeat = models.CharField(max_length=16, choices=Repeat, default=Repeat.NEVER)
    # Occurrences keep the wall-clock time of this zone.
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    repeat_until = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Over for good: ended by hand with all later occurrences, or noted by the sweep.
    ended_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("starts_at", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="maintenance_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(repeat__in=["never", "daily", "weekly", "monthly"]),
                name="maintenance_repeat",
            ),
        )
        indexes = (
            # Windows that may hold now or later, for every batch of events and every engine pass.
            models.Index(
                fields=["service"], condition=Q(ended_at__isnull=True), name="maintenance_not_over"
            ),
        )

    def __str__(self) -> str:
        return f"{self.service}: {self.reason}"
