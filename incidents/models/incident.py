"""Incidents and the alerts that made them."""

from typing import ClassVar

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from incidents.models.service import Integration, Service
from opsknight.models import Team


class Incident(models.Model):
    """Something is wrong with a service and somebody must know. `escalate_at` is its timer."""

    class Status(models.TextChoices):
        TRIGGERED = "triggered", "Triggered"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        RESOLVED = "resolved", "Resolved"
        SNOOZED = "snoozed", "Snoozed"
        SUPPRESSED = "suppressed", "Suppressed"

    class Urgency(models.TextChoices):
        HIGH = "high", "High"
        MEDIUM = "medium", "Medium"
        LOW = "low", "Low"

    class Visibility(models.TextChoices):
        PUBLIC = "public", "Everybody"
        PRIVATE = "private", "Its team only"

    class Priority(models.TextChoices):
        P1 = "P1", "P1"
        P2 = "P2", "P2"
        P3 = "P3", "P3"
        P4 = "P4", "P4"
        P5 = "P5", "P5"

    # Statuses of an incident that is not over.
    OPEN: ClassVar[tuple[Status, ...]] = (
        Status.TRIGGERED,
        Status.ACKNOWLEDGED,
        Status.SNOOZED,
        Status.SUPPRESSED,
    )

    service = models.ForeignKey(  # found by the index incident_of_service
        Service, on_delete=models.CASCADE, related_name="incidents", db_index=False
    )
    title = models.CharField(max_length=500)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.TRIGGERED)
    urgency = models.CharField(max_length=16, choices=Urgency, default=Urgency.HIGH)
    priority = models.CharField(max_length=2, choices=Priority, null=True, blank=True)  # noqa: DJ001 — null means "none set", as in the API
    visibility = models.CharField(max_length=16, choices=Visibility, default=Visibility.PUBLIC)
    # None: an incident opened by hand, which joins nothing.
    dedup_key = models.CharField(max_length=512, null=True, blank=True)  # noqa: DJ001 — unique where present
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="assigned_incidents",
        db_index=False,
    )
    team = models.ForeignKey(
        Team,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="assigned_incidents",
        db_index=False,
    )
    # Chosen by a route; None: the service's. An upward link, by string.
    escalation_policy = models.ForeignKey(
        "escalations.EscalationPolicy",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    # Many alerts of one service in one incident, which joins no key.
    is_storm = models.BooleanField(default=False, editable=False)
    # Of a storm: how many different alerts it holds, and how many of them still fire.
    folded_count = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    firing_count = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    # Its key opens and resolves again and again; it stays open until the key has been quiet.
    is_flapping = models.BooleanField(default=False, editable=False)
    # Of a flapping one: its last word was a resolve, then. None: it is firing.
    quiet_since = models.DateTimeField(null=True, editable=False)
    # When the engine must look at it next; None: never. The database's clock decides.
    escalate_at = models.DateTimeField(null=True, blank=True, editable=False)
    alert_count = models.PositiveIntegerField(default=0, editable=False)
    last_alert_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    acknowledged_at = models.DateTimeField(null=True, editable=False)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
    )
    resolved_at = models.DateTimeField(null=True, editable=False)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
    )
    snoozed_until = models.DateTimeField(null=True, editable=False)
    # Everybody who was paged acknowledges for themselves; set by the engine from the policy.
    is_multi_ack = models.BooleanField(default=False, db_default=False, editable=False)
    # End of the maintenance that suppresses it; None: suppressed by a route or by hand.
    suppressed_until = models.DateTimeField(null=True, editable=False)
    # Raised by every change; a page that holds an older version knows it is stale.
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            # The promise behind dedup: two triggers at once cannot open two incidents.
            models.UniqueConstraint(
                fields=["service", "dedup_key"],
                condition=~Q(status="resolved") & Q(dedup_key__isnull=False),
                name="incident_one_open_per_key",
            ),
            models.UniqueConstraint(
                fields=["service"],
                condition=~Q(status="resolved") & Q(is_storm=True),
                name="incident_one_open_storm",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["triggered", "acknowledged", "resolved", "snoozed", "suppressed"]
                ),
                name="incident_status",
            ),
            models.CheckConstraint(
                condition=Q(urgency__in=["high", "medium", "low"]), name="incident_urgency"
            ),
            models.CheckConstraint(
                condition=Q(visibility__in=["public", "private"]), name="incident_visibility"
            ),
            models.CheckConstraint(
                condition=Q(priority__isnull=True) | Q(priority__in=["P1", "P2", "P3", "P4", "P5"]),
                name="incident_priority",
            ),
            models.CheckConstraint(
                condition=Q(assignee__isnull=True) | Q(team__isnull=True),
                name="incident_assignee_or_team",
            ),
            # An incident that somebody works on, or that is over, pages nobody.
            models.CheckConstraint(
                condition=Q(escalate_at__isnull=True) | Q(status="triggered"),
                name="incident_timer_only_while_triggered",
            ),
            models.CheckConstraint(
                condition=Q(status="resolved", resolved_at__isnull=False)
                | (~Q(status="resolved") & Q(resolved_at__isnull=True)),
                name="incident_resolved_at_with_status",
            ),
            models.CheckConstraint(
                condition=Q(status="snoozed", snoozed_until__isnull=False)
                | (~Q(status="snoozed") & Q(snoozed_until__isnull=True)),
                name="incident_snoozed_until_with_status",
            ),
            models.CheckConstraint(
                condition=Q(suppressed_until__isnull=True) | Q(status="suppressed"),
                name="incident_suppressed_until_only_while_suppressed",
            ),
        )
        indexes = (
            # The engine's claim: due incidents, oldest first.
            models.Index(
                fields=["escalate_at"],
                condition=Q(escalate_at__isnull=False),
                name="incident_due",
            ),
            # Open incidents on the dashboard and the list, newest first.
            models.Index(
                F("created_at").desc(),
                F("id").desc(),
                condition=~Q(status="resolved"),
                name="incident_open_newest",
            ),
            # The list of everything, and its cursor.
            models.Index(F("created_at").desc(), F("id").desc(), name="incident_newest"),
            # A service's page; how many incidents it opened in the last minute.
            models.Index(fields=["service", "-created_at"], name="incident_of_service"),
            # How often a key opened lately. Whatever it opened before is resolved, so that an
            # incident costs nothing here until then.
            models.Index(
                fields=["service", "dedup_key", "created_at"],
                condition=Q(status="resolved") & Q(dedup_key__isnull=False),
                name="incident_past_of_key",
            ),
            # Whose maintenance is over.
            models.Index(
                fields=["suppressed_until"],
                condition=Q(suppressed_until__isnull=False),
                name="incident_suppressed_until",
            ),
            # Whose acknowledgement has lasted too long.
            models.Index(
                fields=["acknowledged_at"],
                condition=Q(status="acknowledged"),
                name="incident_acknowledged_at",
            ),
            # Which flapping ones have been quiet.
            models.Index(
                fields=["quiet_since"],
                condition=Q(quiet_since__isnull=False),
                name="incident_quiet_since",
            ),
        )

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}"

    @property
    def is_open(self) -> bool:
        return self.status != self.Status.RESOLVED

    @property
    def paging_policy_id(self) -> int | None:
        """The policy that says who is paged: a route's choice, else the service's."""
        return self.escalation_policy_id or self.service.escalation_policy_id


class Participant(models.Model):
    """Somebody who was paged for an incident: may see it and act on it, whatever the team."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="participants")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="participations"
    )
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["incident", "user"], name="participant_once"),
        )

    def __str__(self) -> str:
        return f"{self.user} in {self.incident}"


class Alert(models.Model):
    """One event of a monitoring system, as it was understood. Kept also when it opened nothing."""

    class Action(models.TextChoices):
        TRIGGER = "trigger", "Trigger"
        ACKNOWLEDGE = "acknowledge", "Acknowledge"
        RESOLVE = "resolve", "Resolve"

    class Severity(models.TextChoices):
        CRITICAL = "critical", "Critical"
        ERROR = "error", "Error"
        WARNING = "warning", "Warning"
        INFO = "info", "Info"

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="alerts")
    integration = models.ForeignKey(Integration, on_delete=models.SET_NULL, null=True)
    # The delivery that brought it, as long as that is kept; no foreign key, deliveries are pruned.
    delivery_id = models.UUIDField(null=True)
    # None: nothing was open that it could belong to.
    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, null=True, related_name="alerts"
    )
    action = models.CharField(max_length=16, choices=Action)
    dedup_key = models.CharField(max_length=512)
    summary = models.CharField(max_length=500)
    source = models.CharField(max_length=200, blank=True)
    severity = models.CharField(max_length=16, choices=Severity)
    details = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    # [{"href": …, "text": …}] from the event.
    links = models.JSONField(default=list)
    # When it happened, as the monitoring system says; its clock may be wrong.
    occurred_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-received_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(action__in=["trigger", "acknowledge", "resolve"]), name="alert_action"
            ),
            models.CheckConstraint(
                condition=Q(severity__in=["critical", "error", "warning", "info"]),
                name="alert_severity",
            ),
        )
        indexes = (
            # "Was this already resolved before its trigger arrived?"
            models.Index(
                fields=["service", "dedup_key", "-received_at"],
                condition=Q(incident__isnull=True),
                name="alert_unmatched",
            ),
        )

    def __str__(self) -> str:
        return self.summary
