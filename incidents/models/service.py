"""What is watched, and the doors through which its alerts come."""

import secrets

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from opsknight.models import Team
from opsknight.models.fields import EncryptedTextField

# The intake counts up to them for every batch.
MAX_STORM_THRESHOLD = 10_000
MAX_FLAPPING_OPENINGS = 1_000
MAX_FLAPPING_MINUTES = 24 * 60


def new_integration_key() -> str:
    """32 hexadecimal characters, the length PagerDuty clients expect of a routing key."""
    return secrets.token_hex(16)


class Service(models.Model):
    """Something that can break, owned by a team, with a policy that says who is paged."""

    name = models.CharField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, null=True, blank=True, related_name="services"
    )
    # An upward link: named by string, never imported.
    escalation_policy = models.ForeignKey(
        "escalations.EscalationPolicy",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="services",
    )
    # Beyond this many new incidents in a minute, further alerts fold into one storm incident; 0:
    # never.
    storm_threshold = models.PositiveIntegerField(
        default=60, validators=[MaxValueValidator(MAX_STORM_THRESHOLD)]
    )
    # A key that opened more often than this within so many minutes is flapping: marked, and paged
    # once. 0: never.
    flapping_openings = models.PositiveSmallIntegerField(
        default=5, validators=[MaxValueValidator(MAX_FLAPPING_OPENINGS)]
    )
    flapping_minutes = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(1), MaxValueValidator(MAX_FLAPPING_MINUTES)]
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Integration(models.Model):
    """One monitoring system's way into one service, known by its key."""

    class Kind(models.TextChoices):
        EVENTS = "events", "OpsKnight Events API"
        PAGERDUTY = "pagerduty", "PagerDuty Events API v2"
        PROMETHEUS = "prometheus", "Prometheus Alertmanager"
        WEBHOOK = "webhook", "Generic webhook"
        APPDYNAMICS = "appdynamics", "AppDynamics"
        AZURE = "azure", "Azure Monitor"
        BETTER_UPTIME = "better-uptime", "Better Uptime"
        BITBUCKET = "bitbucket", "Bitbucket"
        CLOUDWATCH = "cloudwatch", "Amazon CloudWatch"
        DATADOG = "datadog", "Datadog"
        DYNATRACE = "dynatrace", "Dynatrace"
        ELASTIC = "elastic", "Elastic"
        GITHUB = "github", "GitHub"
        GITLAB = "gitlab", "GitLab"
        GOOGLE_CLOUD_MONITORING = "google-cloud-monitoring", "Google Cloud Monitoring"
        GRAFANA = "grafana", "Grafana"
        HONEYCOMB = "honeycomb", "Honeycomb"
        ICINGA = "icinga", "Icinga"
        NAGIOS = "nagios", "Nagios"
        NEWRELIC = "newrelic", "New Relic"
        PINGDOM = "pingdom", "Pingdom"
        SENTRY = "sentry", "Sentry"
        SPLUNK_OBSERVABILITY = "splunk-observability", "Splunk Observability"
        SPLUNK_ONCALL = "splunk-oncall", "Splunk On-Call (VictorOps)"
        UPTIME_KUMA = "uptime-kuma", "Uptime Kuma"
        UPTIMEROBOT = "uptimerobot", "UptimeRobot"
        VERCEL = "vercel", "Vercel"
        ZABBIX = "zabbix", "Zabbix"
        OPSGENIE = "opsgenie", "Opsgenie Alert API"
        EMAIL = "email", "E-mail"
        HEARTBEAT = "heartbeat", "Heartbeat"

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="integrations")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=32, choices=Kind)
    key = models.CharField(max_length=64, unique=True, default=new_integration_key, editable=False)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Events in a minute; beyond, the door answers 429. 0: no limit.
    rate_limit = models.PositiveIntegerField(default=6000)
    # Whether a delivery without a valid signature is refused; for kinds whose vendor signs.
    signature_required = models.BooleanField(default=False)
    signing_secret = EncryptedTextField(blank=True, editable=False)
    # Still accepted until then, so that both sides can change at leisure.
    previous_signing_secret = EncryptedTextField(blank=True, editable=False)
    previous_secret_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("name", "id")

    def __str__(self) -> str:
        return f"{self.name} ({self.get_kind_display()})"
