"""How a person wants to be reached."""

from django.conf import settings
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
