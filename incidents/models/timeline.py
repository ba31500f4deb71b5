"""What happened to an incident, in order."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone

from incidents.models.incident import Incident


class TimelineEntry(models.Model):
    """One thing that happened, written in the same transaction as the thing itself."""

    class Kind(models.TextChoices):
        TRIGGERED = "triggered", "Triggered"
        ALERT = "alert", "Alert joined"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        UNACKNOWLEDGED = "unacknowledged", "Acknowledgement withdrawn"
        RESOLVED = "resolved", "Resolved"
        REASSIGNED = "reassigned", "Reassigned"
        NOTE = "note", "Note"
        CHANGED = "changed", "Changed"
        ROUTED = "routed", "Routed"  # what a route of its integration chose
        MAINTENANCE = "maintenance", "Maintenance"  # it keeps the incident from paging, or ended
        FLAPPING = "flapping", "Flapping"  # its key opens and resolves again and again
        ESCALATED = "escalated", "Escalated"  # a step was taken and paged somebody
        NOBODY_TO_PAGE = "nobody_to_page", "Nobody to page"
        # By hand, by its policy, or by the auditor, beside its steps.
        ESCALATION_MOVED = "escalation_moved", "Escalation moved"
        ESCALATION_ENDED = "escalation_ended", "Escalation ended"
        PAGED = "paged", "Page sent"
        PAGE_FAILED = "page_failed", "Page failed"
        PAGE_CANCELLED = "page_cancelled", "Page cancelled"

    incident = models.ForeignKey(  # found by the index timeline_of_incident
        Incident, on_delete=models.CASCADE, related_name="timeline", db_index=False
    )
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=32, choices=Kind)
    # None: the system, or a monitoring system named in `actor_label`.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
    )
    actor_label = models.CharField(max_length=200, blank=True)
    message = models.TextField()  # one plain sentence; for a note, its text
    data = models.JSONField(default=dict, encoder=DjangoJSONEncoder)

    class Meta:
        ordering = ("at", "id")
        verbose_name_plural = "timeline entries"
        indexes = (
            # An incident's page reads its entries in order.
            models.Index(fields=["incident", "at", "id"], name="timeline_of_incident"),
            models.Index(fields=["actor"], condition=Q(actor__isnull=False), name="timeline_actor"),
            # Who was assigned lately and has not been told yet.
            models.Index(fields=["at"], condition=Q(kind="reassigned"), name="timeline_reassigned"),
            # What was taken or is over lately, for those who want to hear of it.
            models.Index(
                fields=["at"],
                condition=Q(kind__in=["acknowledged", "resolved"]),
                name="timeline_settled",
            ),
        )

    def __str__(self) -> str:
        return self.message
