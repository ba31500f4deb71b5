"""Silence as an alarm: something must report regularly, and does not."""

from django.db import models

from incidents.models.service import Integration


class Heartbeat(models.Model):
    """What is expected of an integration of kind heartbeat; its key is the integration's."""

    integration = models.OneToOneField(
        Integration, on_delete=models.CASCADE, related_name="heartbeat"
    )
    interval_seconds = models.PositiveIntegerField(default=3600)
    grace_seconds = models.PositiveIntegerField(default=300)
    # Whether silence from the beginning is an alarm too.
    expects_first = models.BooleanField(default=True)
    last_beat_at = models.DateTimeField(null=True, editable=False)
    # When silence becomes an alarm; None: nothing is waited for. The database's clock decides.
    due_at = models.DateTimeField(null=True, editable=False)
    is_missed = models.BooleanField(default=False, editable=False)

    class Meta:
        indexes = (models.Index(fields=["due_at"], name="heartbeat_due"),)

    def __str__(self) -> str:
        return f"Heartbeat of {self.integration}"
