"""Who follows what happens: destinations that hear of the events of a service or a team."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from incidents.models import Service
from notifications.models.destinations import Destination
from opsknight.models import Team


class EventSubscription(models.Model):
    """Events of incidents of one service, or of all services of one team, go to a destination."""

    destination = models.ForeignKey(
        Destination, on_delete=models.CASCADE, related_name="subscriptions"
    )
    service = models.ForeignKey(Service, on_delete=models.CASCADE, null=True, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, related_name="+")
    # Names of events, "incident.triggered"; empty: all.
    events = models.JSONField(default=list, blank=True)
    # Of a webhook: the body, a template; empty: ours.
    template = models.TextField(blank=True)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(service__isnull=False, team__isnull=True)
                | Q(service__isnull=True, team__isnull=False),
                name="event_subscription_service_or_team",
            ),
            models.UniqueConstraint(
                fields=["destination", "service", "team"],
                nulls_distinct=False,
                name="event_subscription_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.destination} follows {self.service or self.team}"
