"""Settings of on call: of the installation, and of each person."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q


class OnCallSettings(models.Model):
    """One row: what administrators set for everybody."""

    ONLY: ClassVar[int] = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    calendar_feeds_enabled = models.BooleanField(
        default=True, help_text="Off: calendar addresses answer nothing, and none can be made."
    )
    heartbeat_url = models.URLField(
        blank=True,
        max_length=500,
        help_text="Asked for again and again while the engine is healthy, so that a monitor "
        "elsewhere notices when it is not.",
    )
    heartbeat_seconds = models.PositiveIntegerField(
        default=60, help_text="Seconds between two requests to the heartbeat address."
    )

    class Meta:
        verbose_name = "on-call settings"
        verbose_name_plural = "on-call settings"
        constraints = (
            models.CheckConstraint(condition=Q(id=1), name="on_call_settings_is_one_row"),
            models.CheckConstraint(
                condition=Q(heartbeat_seconds__gte=10, heartbeat_seconds__lte=86_400),
                name="on_call_settings_heartbeat_seconds",
                violation_error_message="Use 10 to 86400 seconds between two heartbeats.",
            ),
        )

    def __str__(self) -> str:
        return "On-call settings"


class OnCallPreference(models.Model):
    """Which notices of their shifts a person wants; without a row, those of the defaults."""

    MAX_MINUTES: ClassVar[int] = 7 * 24 * 60

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="on_call_preference"
    )
    minutes_before = models.PositiveIntegerField(
        default=60, help_text="How long before a shift starts. 0: when it starts."
    )
    tells_start = models.BooleanField("tell me when a shift starts", default=True)
    tells_end = models.BooleanField("tell me when a shift ends", default=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(minutes_before__gte=0, minutes_before__lte=7 * 24 * 60),
                name="on_call_preference_minutes",
                violation_error_message="Use 0 to 10080 minutes, which is a week.",
            ),
        )

    def __str__(self) -> str:
        return f"Notices of {self.user}"
