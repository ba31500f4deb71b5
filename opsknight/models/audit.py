"""Who changed what."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone

from opsknight.models.people import User


class AuditEntry(models.Model):
    """One change of configuration, or one sign-in event. Written once, never changed."""

    at = models.DateTimeField(default=timezone.now, db_index=True)  # newest first in the log
    actor = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    actor_label = models.CharField(max_length=320, blank=True)  # kept when the actor is deleted
    action = models.CharField(max_length=64)  # "service.created", "login.failed"
    entity_type = models.CharField(max_length=64, blank=True)  # "incidents.service"
    entity_id = models.CharField(max_length=64, blank=True)
    entity_label = models.CharField(max_length=320, blank=True)
    # {"field": ["before", "after"]}; secrets appear as "•••".
    changes = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    ip = models.GenericIPAddressField(null=True)

    class Meta:
        ordering = ("-at", "-id")
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.action} {self.entity_label}".strip()
