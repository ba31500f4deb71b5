"""When a person does not want to be reached as usual: at night, on holiday, for little things."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class PagingPreferences(models.Model):
    """Quiet hours and digest of one person; a person without a row has neither.

    Quiet hours are read on the wall clock of the person's time zone and may pass midnight.
    """

    class Quiet(models.TextChoices):
        NOTHING = "", "Nothing"
        LOW = "low", "Low urgency"
        MEDIUM = "medium", "Low and medium urgency"
        HIGH = "high", "Everything"

    class Digest(models.TextChoices):
        OFF = "", "At once, like the others"
        HOURLY = "hourly", "Every hour"
        DAILY = "daily", "Once a day"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="paging_preferences"
    )
    # Up to which urgency pages wait for the end of the quiet hours.
    quiet_up_to = models.CharField(max_length=16, choices=Quiet, blank=True)
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    # Weekdays on which quiet hours begin, 0 is Monday; empty: every day.
    quiet_weekdays = models.JSONField(default=list, blank=True)
    # How pages of low urgency come.
    digest = models.CharField(max_length=16, choices=Digest, blank=True)
    digest_at = models.TimeField(null=True, blank=True)  # of a daily digest

    class Meta:
        verbose_name_plural = "paging preferences"
        constraints = (
            models.CheckConstraint(
                condition=Q(quiet_up_to="")
                | (
                    Q(quiet_from__isnull=False, quiet_until__isnull=False)
                    & ~Q(quiet_from=F("quiet_until"))
                ),
                name="paging_preferences_quiet_hours",
            ),
            models.CheckConstraint(
                condition=~Q(digest="daily") | Q(digest_at__isnull=False),
                name="paging_preferences_daily_at",
            ),
        )

    def __str__(self) -> str:
        return f"Preferences of {self.user}"

    def clean(self) -> None:
        """Weekdays are numbers: what cannot be read would keep pages from being planned."""
        days = self.quiet_weekdays
        if not isinstance(days, list) or any(type(d) is not int or not 0 <= d <= 6 for d in days):
            message = "Use a list of numbers from 0, which is Monday, to 6."
            raise ValidationError({"quiet_weekdays": message})


class Absence(models.Model):
    """A time in which a substitute is paged in a person's place."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="absences"
    )
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    substitute = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("begins_at", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("begins_at")), name="absence_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=~Q(substitute=F("user")), name="absence_substitute_is_somebody_else"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} from {self.begins_at:%Y-%m-%d} to {self.ends_at:%Y-%m-%d}"


class VerificationCode(models.Model):
    """The code that was sent to an address and has not been entered yet."""

    contact_method = models.OneToOneField(
        "notifications.ContactMethod", on_delete=models.CASCADE, related_name="verification_code"
    )
    code_hash = models.CharField(max_length=128)
    expires_at = models.DateTimeField(db_index=True)
    attempts_left = models.PositiveSmallIntegerField()
    sent_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Code for {self.contact_method}"
