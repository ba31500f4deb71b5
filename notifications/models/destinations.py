"""Places that are paged and belong to nobody: a channel of a team, an outgoing webhook."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from notifications.models.preferences import (
    MAX_ADDRESS_LENGTH,
    PLACE_CHANNELS,
    PLACE_CHOICES,
    clean_address,
)
from opsknight.models import Team
from opsknight.models.fields import EncryptedTextField
from opsknight.services.audit import without_path


class Destination(models.Model):
    """One address that steps of policies name. No personal rules: it is used at once."""

    name = models.CharField(max_length=200, unique=True)
    # None: of the whole installation, run by administrators. A deleted team leaves its channels
    # to them, so that the policies that name them go on.
    team = models.ForeignKey(
        Team, on_delete=models.SET_NULL, null=True, blank=True, related_name="destinations"
    )
    channel = models.CharField(max_length=16, choices=PLACE_CHOICES)
    # A URL, an e-mail address, the id of a channel in Slack or of a chat in Telegram.
    address = models.CharField(max_length=MAX_ADDRESS_LENGTH)
    # Signs webhook bodies; empty for channels that sign nothing.
    secret = EncryptedTextField(blank=True, default="")
    enabled = models.BooleanField(default=True)
    # Why it was switched off by the system.
    broken_reason = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=Q(channel__in=[c.value for c in PLACE_CHANNELS]),
                name="destination_channel",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Check the address for its channel; an e-mail address is kept in lower case."""
        self.address = clean_address(self.channel, self.address)

    @property
    def is_broken(self) -> bool:
        """The system switched it off because its provider refused it for good."""
        return bool(self.broken_reason)

    @property
    def masked_address(self) -> str:
        """What others than its managers see: addresses of webhooks often hold a token."""
        if not self.address.startswith("http"):
            return self.address
        return without_path(self.address)
