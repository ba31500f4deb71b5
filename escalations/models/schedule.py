"""Schedules: who is on call when."""

from datetime import time

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from escalations.oncall import MAX_LENGTH
from opsknight.models import Team, VersionedModel
from opsknight.models.fields import EncryptedTextField
from opsknight.models.people import validate_time_zone

ALL_WEEKDAYS = 0b111_1111
MAX_SHIFT_HOURS = 24 * 366


def weekday_bits(weekdays: frozenset[int] | set[int]) -> int:
    """Days of the week, 0 is Monday, as the bits a restriction stores."""
    return sum(1 << day for day in weekdays)


def weekdays_in(bits: int) -> frozenset[int]:
    """The days of the week, 0 is Monday, of stored bits."""
    return frozenset(day for day in range(7) if bits >> day & 1)


def validate_weekdays(bits: int) -> None:
    """Refuse what is not a set of seven bits."""
    if not 0 <= bits <= ALL_WEEKDAYS:
        raise ValidationError("Add up the days: Monday 1, Tuesday 2, Wednesday 4 … Sunday 64.")


class Schedule(VersionedModel):
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
    """One rotation of people, or a calendar. Position 1 wins over position 2."""

    class Rotation(models.TextChoices):
        HOURLY = "hourly", "Hours"
        DAILY = "daily", "Days"
        WEEKLY = "weekly", "Weeks"
        MONTHLY = "monthly", "Months"

    class Source(models.TextChoices):
        ROTATION = "rotation", "People who take turns"
        CALENDAR = "calendar", "An iCal address"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="layers")
    name = models.CharField(max_length=200)
    position = models.PositiveIntegerField(
        default=1, help_text="The lowest number that has somebody on call decides."
    )
    is_together = models.BooleanField(
        "together with the layer above",
        default=False,
        help_text="Both layers are on call at the same time, instead of the upper one alone.",
    )
    rotation = models.CharField(
        "turns last", max_length=16, choices=Rotation, default=Rotation.WEEKLY
    )
    rotation_length = models.PositiveIntegerField(
        "length", default=1, help_text="How many hours, days, weeks or months a turn lasts."
    )
    shift_hours = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Hours on call at the start of each turn; nobody for the rest of it. Empty: the "
        "whole turn.",
    )
    starts_at = models.DateTimeField(
        help_text="One handoff; all others follow from it, at the same time of day in the zone of "
        "the schedule. Entered and shown here in your own time zone."
    )
    begins_at = models.DateTimeField(
        null=True, blank=True, help_text="Before then nobody is on call in this layer."
    )
    ends_at = models.DateTimeField(
        null=True, blank=True, help_text="From then on nobody is on call in this layer."
    )
    skips_inactive = models.BooleanField(
        "skip inactive days",
        default=False,
        help_text="A turn without any time within the restrictions, such as a weekend, is nobody's "
        "turn: the next person starts when the layer is active again.",
    )
    source = models.CharField(max_length=16, choices=Source, default=Source.ROTATION)
    calendar_url = EncryptedTextField(
        "iCal address", blank=True, default="", help_text="Read again and again; may hold a secret."
    )
    calendar_checked_at = models.DateTimeField(null=True, editable=False)
    # Why the calendar could not be read last time; empty: it could. Its shifts stay meanwhile.
    calendar_error = models.TextField(blank=True, default="", editable=False)

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
                condition=Q(source__in=["rotation", "calendar"]), name="layer_source"
            ),
            models.CheckConstraint(
                condition=Q(rotation_length__gte=1, rotation_length__lte=MAX_LENGTH),
                name="layer_rotation_length",
                violation_error_message=f"A turn lasts 1 to {MAX_LENGTH} of its unit.",
            ),
            models.CheckConstraint(
                condition=Q(shift_hours__isnull=True)
                | Q(shift_hours__gte=1, shift_hours__lte=MAX_SHIFT_HOURS),
                name="layer_shift_hours",
                violation_error_message=f"A shift lasts 1 to {MAX_SHIFT_HOURS} hours.",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="layer_ends_after_start",
                violation_error_message="The end must be later than the start.",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True)
                | Q(begins_at__isnull=True)
                | Q(ends_at__gt=F("begins_at")),
                name="layer_ends_after_begin",
                violation_error_message="The end must be later than the begin.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.schedule}: {self.name}"


class LayerRestriction(models.Model):
    """A time of the week in which a layer is active; a layer without any always is."""

    layer = models.ForeignKey(ScheduleLayer, on_delete=models.CASCADE, related_name="restrictions")
    weekdays = models.PositiveSmallIntegerField(
        default=ALL_WEEKDAYS,
        validators=[validate_weekdays],
        help_text="The days on which it starts, added up: Monday 1, Tuesday 2, Wednesday 4, "
        "Thursday 8, Friday 16, Saturday 32, Sunday 64.",
    )
    starts = models.TimeField(default=time(0), help_text="In the time zone of the schedule.")
    ends = models.TimeField(
        default=time(0), help_text="Not later than the start: on the next day. The same: 24 hours."
    )

    class Meta:
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(weekdays__gte=0, weekdays__lte=ALL_WEEKDAYS),
                name="restriction_weekdays",
            ),
        )

    def __str__(self) -> str:
        return f"{self.starts:%H:%M} to {self.ends:%H:%M}"


class LayerMember(models.Model):
    """A person's place in a turn; people of one turn are on call together.

    The same person may have several turns. A place outlives its person: its turns pass to the next
    one, and everybody else keeps theirs.
    """

    layer = models.ForeignKey(ScheduleLayer, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="layer_memberships",
    )
    turn = models.PositiveIntegerField(
        default=1, help_text="Turns come in this order; people of one number are on call together."
    )

    class Meta:
        ordering = ("turn", "id")
        constraints = (
            models.UniqueConstraint(
                fields=["layer", "turn", "user"],
                name="layer_member_once_per_turn",
                deferrable=models.Deferrable.DEFERRED,
            ),
        )

    def __str__(self) -> str:
        return f"{self.turn}. {self.user or 'deleted person'}"
