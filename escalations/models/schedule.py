"""Schedules: who is on call when."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from escalations.oncall import MAX_LENGTH
from opsknight.models import Team
from opsknight.models.people import validate_time_zone


class Schedule(models.Model):
    """Ordered layers in one time zone; the first layer that has somebody on call decides."""

    name = models.CharField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[validate_time_zone],
        help_text="IANA name, such as Europe/Vienna. Handoffs keep its time of day all year.",
    )
    team = models.ForeignKey(
        Team,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="schedules",
        help_text="Whose schedule it is; says nothing about who is on call.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class ScheduleLayer(models.Model):
    """One rotation of people. Position 1 wins over position 2."""

    class Rotation(models.TextChoices):
        HOURLY = "hourly", "Hours"
        DAILY = "daily", "Days"
        WEEKLY = "weekly", "Weeks"
        MONTHLY = "monthly", "Months"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="layers")
    name = models.CharField(max_length=200)
    position = models.PositiveIntegerField(
        default=1, help_text="The lowest number that has somebody on call decides."
    )
    rotation = models.CharField(
        "turns last", max_length=16, choices=Rotation, default=Rotation.WEEKLY
    )
    rotation_length = models.PositiveIntegerField(
        "length", default=1, help_text="How many hours, days, weeks or months a turn lasts."
    )
    starts_at = models.DateTimeField(
        help_text="One handoff; all others follow from it, at the same time of day in the zone of "
        "the schedule. Entered and shown here in your own time zone."
    )
    ends_at = models.DateTimeField(
        null=True, blank=True, help_text="From then on nobody is on call in this layer."
    )

    class Meta:
        ordering = ("position", "id")
        constraints = (
            models.UniqueConstraint(
                fields=["schedule", "position"],
                name="layer_position_once",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.CheckConstraint(
                condition=Q(rotation__in=["hourly", "daily", "weekly", "monthly"]),
                name="layer_rotation",
            ),
            models.CheckConstraint(
                condition=Q(rotation_length__gte=1, rotation_length__lte=MAX_LENGTH),
                name="layer_rotation_length",
                violation_error_message=f"A turn lasts 1 to {MAX_LENGTH} of its unit.",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="layer_ends_after_start",
                violation_error_message="The end must be later than the start.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.schedule}: {self.name}"


class LayerMember(models.Model):
    """A person's place in a rotation; the same person may stand in it more than once.

    A place outlives its person: its turns pass to the next one, and everybody else keeps theirs.
    """

    layer = models.ForeignKey(ScheduleLayer, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="layer_memberships",
    )
    position = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("position", "id")
        constraints = (
            models.UniqueConstraint(
                fields=["layer", "position"],
                name="layer_member_position_once",
                deferrable=models.Deferrable.DEFERRED,
            ),
        )

    def __str__(self) -> str:
        return f"{self.position}. {self.user or 'deleted person'}"
