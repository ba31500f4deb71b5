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
    service = models.ForeignKey(
        Service, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    team = models.ForeignKey(
        Team, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
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


class EventCursor(models.Model):
    """How far the timeline has been read for those who follow it; one row.

    Entries become visible when their transaction ends, so a lower number may appear after a higher
    one. The cursor follows only when every transaction of that time has ended.
    """

    # Every entry up to this one has been read, and none can appear below it any more.
    read_until = models.BigIntegerField()
    # The newest entry that was there at `seen_at`, and the first transaction after those that were
    # under way then (`pg_snapshot_xmax`).
    seen_until = models.BigIntegerField()
    seen_before_xid = models.BigIntegerField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"read until {self.read_until}"
