"""Objects that two people may edit at once: the second is told."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class VersionedModel(models.Model):
    """Counts its saves and remembers the last one; `services.versions` compares and counts."""

    version = models.PositiveIntegerField(default=1, editable=False)
    saved_at = models.DateTimeField(default=timezone.now, editable=False)
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )

    class Meta:
        abstract = True
