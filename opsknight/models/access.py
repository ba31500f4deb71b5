"""Keys, one-time links and lockouts."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from opsknight.models.people import User


class ApiKey(models.Model):
    """A key of the REST API. Only its hash is stored; it acts with its owner's rights."""

    class Scope(models.TextChoices):
        EVENTS_WRITE = "events:write", "Send events"
        INCIDENTS_READ = "incidents:read", "Read incidents"
        INCIDENTS_WRITE = "incidents:write", "Change incidents"
        SERVICES_READ = "services:read", "Read services and integrations"
        SERVICES_WRITE = "services:write", "Change services and integrations"
        SCHEDULES_READ = "schedules:read", "Read schedules and policies"
        SCHEDULES_WRITE = "schedules:write", "Change schedules and policies"
        USERS_READ = "users:read", "Read users and teams"
        USERS_WRITE = "users:write", "Change users and teams"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=12, editable=False)
    # SHA-256 of the key; the key has 256 random bits, so a slow hash would add nothing.
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope))
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class UserToken(models.Model):
    """A one-time link: set up the installation, accept an invitation, reset a password."""

    class Purpose(models.TextChoices):
        SETUP = "setup", "Set up"
        INVITE = "invite", "Invitation"
        PASSWORD_RESET = "password_reset", "Password reset"

    purpose = models.CharField(max_length=16, choices=Purpose)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True)
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                # A set-up link makes the first user; the others belong to one.
                condition=models.Q(purpose="setup", user=None)
                | models.Q(purpose__in=["invite", "password_reset"], user__isnull=False),
                name="user_token_owner",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} link"


class LoginLockout(models.Model):
    """Failed sign-ins per address and network, shared by all processes."""

    # "<e-mail>|<network>": a stranger elsewhere cannot lock the owner out.
    key = models.CharField(max_length=400, unique=True)
    failures = models.PositiveIntegerField(default=0)
    last_failed_at = models.DateTimeField()
    locked_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.key
