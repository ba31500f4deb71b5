"""How a person wants to be reached."""

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models
from django.db.models import Q
from django.utils import timezone

from notifications.health import Health, health_of
from opsknight.models.fields import EncryptedTextField


class Channel(models.TextChoices):
    """The ways a message can go out; each has its own Celery queue."""

    EMAIL = "email", "E-mail"
    SMS = "sms", "SMS"
    VOICE = "voice", "Voice call"
    WHATSAPP = "whatsapp", "WhatsApp"
    PUSH = "push", "Push"
    SLACK = "slack", "Slack"
    TEAMS = "teams", "Microsoft Teams"
    GOOGLE_CHAT = "google_chat", "Google Chat"
    DISCORD = "discord", "Discord"
    TELEGRAM = "telegram", "Telegram"
    WEBHOOK = "webhook", "Webhook"
    IN_APP = "in_app", "In the app"


# What a person can be reached by, and what a destination can be.
PERSONAL_CHANNELS = (
    Channel.EMAIL,
    Channel.SMS,
    Channel.VOICE,
    Channel.WHATSAPP,
    Channel.PUSH,
    Channel.SLACK,
    Channel.TELEGRAM,
    Channel.WEBHOOK,
)
PLACE_CHANNELS = (
    Channel.WEBHOOK,
    Channel.EMAIL,
    Channel.SLACK,
    Channel.TEAMS,
    Channel.GOOGLE_CHAT,
    Channel.DISCORD,
    Channel.TELEGRAM,
)
# The same as choices.
PERSONAL_CHOICES = [(c.value, c.label) for c in PERSONAL_CHANNELS]
PLACE_CHOICES = [(c.value, c.label) for c in PLACE_CHANNELS]
PHONE_CHANNELS = (Channel.SMS, Channel.VOICE, Channel.WHATSAPP)
# Whose address is a URL that everybody who knows it may post to.
URL_CHANNELS = (Channel.WEBHOOK, Channel.TEAMS, Channel.GOOGLE_CHAT, Channel.DISCORD)
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
# Ids in Slack: of a channel (C, G, D), a member (U, W) or a user group (S).
SLACK_ID = re.compile(r"[CGDUWS][A-Z0-9]{7,20}")
# A chat in Telegram: the number of a person (positive) or a group (negative), or a public @name.
TELEGRAM_CHAT = re.compile(r"-?[1-9][0-9]{0,18}|@[A-Za-z][A-Za-z0-9_]{3,31}")
MAX_ADDRESS_LENGTH = 1000  # endpoints of web push are long


class ContactMethod(models.Model):
    """One address of one person.

    By channel: an e-mail address; a telephone number in E.164 (SMS, voice, WhatsApp); the endpoint
    of a browser's push subscription; the id of a Slack member; the id of a Telegram chat; the URL
    of a webhook.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="contact_methods"
    )
    channel = models.CharField(max_length=16, choices=PERSONAL_CHOICES)
    label = models.CharField(max_length=100, blank=True)
    address = models.CharField(max_length=MAX_ADDRESS_LENGTH)
    # Signs webhook bodies; of a browser, the JSON `{"p256dh": …, "auth": …}` of its subscription.
    secret = EncryptedTextField(blank=True, default="")
    enabled = models.BooleanField(default=True)
    # When its owner proved to be its owner; until then nothing but the code is sent there.
    verified_at = models.DateTimeField(null=True, blank=True)
    # Tell it, too, when an incident that it was paged for is acknowledged or resolved.
    status_updates = models.BooleanField(default=False)
    # Since when it wants them: what it was paged for before is not told (see
    # services/status_updates.py).
    status_updates_since = models.DateTimeField(null=True, blank=True)
    # The owner answered STOP, and nothing may be sent until START.
    stopped_at = models.DateTimeField(null=True, blank=True)
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
                condition=Q(channel__in=[c.value for c in PERSONAL_CHANNELS]),
                name="contact_method_channel",
            ),
        )
        indexes = (
            # Whose number a reply comes from.
            models.Index(fields=["channel", "address"], name="contact_method_by_address"),
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

    @property
    def is_verified(self) -> bool:
        """Its owner proved to be its owner."""
        return self.verified_at is not None

    @property
    def health(self) -> Health:
        """What stands between it and its use."""
        return health_of(
            enabled=self.enabled,
            broken_reason=self.broken_reason,
            stopped_at=self.stopped_at,
            verified_at=self.verified_at,
        )

    @property
    def is_usable(self) -> bool:
        """Pages may go there."""
        return self.health is Health.USABLE


def clean_address(channel: str, address: str) -> str:
    """The address as it is kept; raises ValidationError for "address" when it cannot be used."""
    address = address.strip()
    try:
        if channel == Channel.EMAIL:
            address = address.lower()
            validate_email(address)
        elif channel in PHONE_CHANNELS:
            address = clean_number(address)
        elif channel == Channel.SLACK and not address.startswith("http"):
            validate_slack_id(address)
        elif channel == Channel.TELEGRAM:
            validate_telegram_chat(address)
        elif channel in URL_CHANNELS or address.startswith("http"):
            validate_webhook_address(address)
    except ValidationError as error:
        raise ValidationError({"address": error}) from error
    return address


def clean_number(number: str) -> str:
    """The number in E.164, without blanks and marks that people write; raises ValidationError."""
    plain = re.sub(r"[\s().\-/]", "", number)
    if not E164.fullmatch(plain):
        raise ValidationError("Write the number with its country, such as +49 151 23456789.")
    return plain


def validate_slack_id(address: str) -> None:
    """Names change and ids do not; raises ValidationError."""
    if not SLACK_ID.fullmatch(address):
        raise ValidationError(
            "Enter the id of a channel in Slack, such as C012AB3CD (at the end of its details), "
            "or the address of an incoming webhook."
        )


def is_user_group(address: str) -> bool:
    """Whether an address in Slack is a user group, which has members and no messages."""
    return address.startswith("S") and SLACK_ID.fullmatch(address) is not None


def is_telegram_chat(address: str) -> bool:
    """Whether an address is a chat in Telegram."""
    return TELEGRAM_CHAT.fullmatch(address) is not None


def validate_telegram_chat(address: str) -> None:
    """The number of a chat, or the @name of a public one; raises ValidationError."""
    if not is_telegram_chat(address):
        raise ValidationError(
            "Enter the number of the chat, such as -1001234567890: add the bot to the group and "
            "write /id there."
        )


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

    class Urgency(models.TextChoices):
        HIGH = "high", "High urgency"
        OTHER = "other", "Medium and low urgency"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_rules"
    )
    contact_method = models.ForeignKey(
        ContactMethod, on_delete=models.CASCADE, related_name="rules"
    )
    # Of the incidents it is for.
    urgency = models.CharField(max_length=16, choices=Urgency, default=Urgency.HIGH)
    delay_minutes = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("urgency", "delay_minutes", "id")
        constraints = (
            models.UniqueConstraint(
                fields=["contact_method", "urgency", "delay_minutes"],
                name="notification_rule_once",
            ),
            models.CheckConstraint(
                condition=Q(urgency__in=["high", "other"]), name="notification_rule_urgency"
            ),
            models.CheckConstraint(
                condition=Q(delay_minutes__lte=24 * 60), name="notification_rule_within_a_day"
            ),
        )

    def __str__(self) -> str:
        return f"{self.contact_method} after {self.delay_minutes} min"
