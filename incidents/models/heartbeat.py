"""Silence as an alarm: something must report regularly, and does not."""

from datetime import timedelta

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from incidents.models.service import Integration

MIN_INTERVAL = 60  # seconds
MAX_INTERVAL = 31 * 24 * 3600
MAX_GRACE = 31 * 24 * 3600


class Heartbeat(models.Model):
    """What is expected of an integration of kind heartbeat; its key is the integration's."""

    class State(models.TextChoices):
        MUTED = "muted", "Muted"  # the integration is disabled
        FAILED = "failed", "Failed"  # the job itself said so
        LATE = "late", "Late"
        WAITING = "waiting", "Waiting for the first beat"
        ON_TIME = "on_time", "On time"

    integration = models.OneToOneField(
        Integration, on_delete=models.CASCADE, related_name="heartbeat"
    )
    interval_seconds = models.PositiveIntegerField(
        default=3600,
        validators=[
            MinValueValidator(MIN_INTERVAL, "Use at least 60 seconds."),
            MaxValueValidator(MAX_INTERVAL, "Use at most 31 days."),
        ],
    )
    grace_seconds = models.PositiveIntegerField(
        default=300, validators=[MaxValueValidator(MAX_GRACE, "Use at most 31 days.")]
    )
    # Whether silence from the beginning is an alarm too.
    expects_first = models.BooleanField(default=True)
    last_beat_at = models.DateTimeField(null=True, editable=False)
    # When silence becomes an alarm; None: nothing is waited for. The database's clock decides.
    due_at = models.DateTimeField(null=True, editable=False)
    # When a beat was missed, and when the job reported a failure; None after the next good beat.
    missed_at = models.DateTimeField(null=True, editable=False)
    failed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(interval_seconds__gte=MIN_INTERVAL, interval_seconds__lte=MAX_INTERVAL),
                name="heartbeat_interval",
            ),
            models.CheckConstraint(
                condition=Q(grace_seconds__lte=MAX_GRACE), name="heartbeat_grace"
            ),
            # An alarm that is on is not waited for.
            models.CheckConstraint(
                condition=Q(due_at__isnull=True)
                | Q(missed_at__isnull=True, failed_at__isnull=True),
                name="heartbeat_waits_or_alarms",
            ),
        )
        indexes = (
            # The sweep: what is due, oldest first.
            models.Index(fields=["due_at"], name="heartbeat_due"),
        )

    def __str__(self) -> str:
        return f"Heartbeat of {self.integration.name}"

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.interval_seconds)

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.grace_seconds)

    @property
    def state(self) -> State:
        """What people are told; needs the integration."""
        if not self.integration.enabled:
            return self.State.MUTED
        if self.failed_at is not None:
            return self.State.FAILED
        if self.missed_at is not None:
            return self.State.LATE
        if self.last_beat_at is None:
            return self.State.WAITING
        return self.State.ON_TIME


class HeartbeatSweep(models.Model):
    """When missed beats were last looked for; one row. A long gap means that we were away."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    at = models.DateTimeField()
    # Since when deliveries on disk hold it up; None: they do not.
    held_since = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(id=1), name="heartbeat_sweep_only_one"),)

    def __str__(self) -> str:
        return f"Heartbeats were swept at {self.at}"
