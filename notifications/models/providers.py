"""Who carries messages for us: mail services, telephone companies, bots."""

import json
from typing import Any

from django.db import models
from django.utils import timezone

from opsknight.models.fields import EncryptedTextField


class Provider(models.Model):
    """One account at one provider. What it takes to use it depends on its kind."""

    # A name of `notifications.providers.PROVIDERS`; the registry knows the fields.
    kind = models.CharField(max_length=32)
    name = models.CharField(max_length=100, unique=True)
    position = models.PositiveIntegerField(default=0)  # lower is asked first
    enabled = models.BooleanField(default=True)
    settings = models.JSONField(default=dict, blank=True)  # field → text
    secrets = EncryptedTextField(blank=True, default="")  # JSON, field → text
    # Messages a minute; None: what the channel allows.
    per_minute = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("position", "id")

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """What breakers, limits and the outbox call it."""
        return str(self.pk)

    def secret_values(self) -> dict[str, Any]:
        """The secret fields, plain; raises CannotDecrypt."""
        values: dict[str, Any] = json.loads(self.secrets) if self.secrets else {}
        return values
