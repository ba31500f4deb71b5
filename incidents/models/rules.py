"""How an integration's events are rewritten and where they go."""

from django.db import models
from django.db.models import Q

from incidents.models.incident import Incident
from incidents.models.service import Integration


class EventTemplate(models.Model):
    """Sandboxed Jinja2 over the delivery; an empty text leaves what the parser found."""

    integration = models.OneToOneField(
        Integration, on_delete=models.CASCADE, related_name="template"
    )
    title = models.TextField(blank=True)
    description = models.TextField(blank=True)
    dedup_key = models.TextField(blank=True)
    urgency = models.TextField(blank=True)  # renders to high, medium or low
    resolve_when = models.TextField(blank=True)  # an expression

    def __str__(self) -> str:
        return f"Templates of {self.integration}"


class Route(models.Model):
    """Where events go that match; the first match wins, one without a condition always matches."""

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="routes")
    position = models.PositiveSmallIntegerField()  # from 0
    name = models.CharField(max_length=100)
    condition = models.TextField(blank=True)  # a Jinja2 expression
    # None: the service's.
    escalation_policy = models.ForeignKey(
        "escalations.EscalationPolicy",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    urgency = models.CharField(max_length=16, choices=Incident.Urgency, blank=True)
    priority = models.CharField(max_length=2, choices=Incident.Priority, blank=True)
    is_suppressed = models.BooleanField(default=False)  # recorded, pages nobody

    class Meta:
        ordering = ("integration", "position")
        constraints = (
            models.UniqueConstraint(
                fields=["integration", "position"],
                name="route_position",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.CheckConstraint(
                condition=Q(urgency__in=["", "high", "medium", "low"]), name="route_urgency"
            ),
            models.CheckConstraint(
                condition=Q(priority__in=["", "P1", "P2", "P3", "P4", "P5"]), name="route_priority"
            ),
        )

    def __str__(self) -> str:
        return self.name
