"""How a person wants to be reached."""

from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models
from django.db.models import Q
from django.utils import timezone

from opsknight.models.fields import EncryptedTextField


class Channel(models.TextChoices):
    """The ways a message can go out; each has its own Celery queue."""

    EMAIL = "email", "E-mail"
    WEBHOOK = "webhook", "Webhook"
    IN_APP = "in_app", "In the app"


class ContactMethod(models.Model):
    """One address of one person: an e-mail address, or a URL to post to."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="contact_methods"
    )
    channel = models.CharField(
        max_length=16, choices=[(c.value, c.label) for c in (Channel.EMAIL, Channel.WEBHOOK)]
    )
    label = models.CharField(max_length=100, blank=True)
    address = models.CharField(max_length=500)  # e-mail address or URL
    # Signs webhook bodies; empty for channels that sign nothing.
    secret = EncryptedTextField(blank=True, default="")
    enabled = models.BooleanField(default=True)
    # Why it was switched off by the system, shown to its owner.
    broken_reason = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=["user", "channel", "address"], name="contact_method_once"
            ),
            models.CheckConstraint(
                condition=Q(channel__in=["email", "webhook"]), name="contact_method_channel"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_channel_display()} {self.label or self.address}"

    def clean(self) -> None:
        """Check the address for its channel; an e-mail address is kept in lower case."""
        self.address = clean_address(self.channel, self.address)

    @property
    def is_broken(self) -> bool:
        """The system switched it off because its provider refused it for good."""
        return bool(self.broken_reason)


def clean_address(channel: str, address: str) -> str:
    """The address as it is kept; raises ValidationError for "address" when it cannot be used."""
    address = address.strip()
    try:
        if channel == Channel.EMAIL:
            address = address.lower()
            validate_email(address)
        elif channel == Channel.WEBHOOK:
            validate_webhook_address(address)
    except ValidationError as error:
        raise ValidationError({"address": error}) from error
    return address


def validate_webhook_address(address: str) -> None:
    """http and https only. Where it leads is checked at every send: names can change."""
    try:
        parts = urlsplit(address)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ValidationError("This is not a web address.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid:
        raise ValidationError("Use an address that starts with https:// or http://.")
    if parts.username is not None:
        raise ValidationError(
            "Leave user and password out of the address; the signature proves who sends."
        )
    if not address.isascii() or not address.isprintable() or " " in address:
        raise ValidationError("Write other than plain characters as %XX, names as xn--….")


class NotificationRule(models.Model):
    """Use this contact method so many minutes after I was paged, unless it was acknowledged."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_rules"
    )
    contact_method = models.ForeignKey(
        ContactMethod, on_delete=models.CASCADE, related_name="rules"
    )
    delay_minutes = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("delay_minutes", "id")
        constraints = (
            models.UniqueConstraint(
                fields=["contact_method", "delay_minutes"], name="notification_rule_once"
            ),
            models.CheckConstraint(
                condition=Q(delay_minutes__lte=24 * 60), name="notification_rule_within_a_day"
            ),
        )

    def __str__(self) -> str:
        return f"{self.contact_method} after {self.delay_minutes} min"
