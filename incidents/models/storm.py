"""The alerts that a storm incident holds."""

from django.db import models

from incidents.models.incident import Alert, Incident
from incidents.models.service import Service


class StormMember(models.Model):
    """One key folded into a storm. Its row lives as long as the storm; a re-trigger renews it."""

    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, related_name="storm_members", db_index=False
    )
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="+", db_index=False)
    dedup_key = models.CharField(max_length=512)
    title = models.CharField(max_length=500)
    source = models.CharField(max_length=200, blank=True)
    severity = models.CharField(max_length=16, choices=Alert.Severity)
    opened_at = models.DateTimeField()  # for the last time
    resolved_at = models.DateTimeField(null=True)  # None: it fires

    class Meta:
        ordering = ("-id",)
        constraints = (
            # Two processes fold one key once; where a key was folded is found by it.
            models.UniqueConstraint(fields=["incident", "dedup_key"], name="storm_member_once"),
        )
        indexes = (
            # How many alerts of a service were folded in the last minute.
            models.Index(fields=["service", "opened_at"], name="storm_member_of_service"),
            # The list on the storm's page.
            models.Index(fields=["incident", "-id"], name="storm_member_newest"),
        )

    def __str__(self) -> str:
        return self.title
