"""What differs from the layers of a schedule for a while: overrides, other plans, swaps."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from escalations.models.ranges import never_overlap
from escalations.models.schedule import Schedule


class Override(models.Model):
    """Somebody is on call in addition, not at all, or instead of somebody else."""

    class Kind(models.TextChoices):
        ADD = "add", "Add a person"
        REMOVE = "remove", "Remove a person"
        REPLACE = "replace", "Replace a person, or everybody"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="overrides")
    kind = models.CharField(max_length=16, choices=Kind)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who comes; empty only when somebody is removed.",
    )
    replaces = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who goes, whenever on call in this time; empty in a replacement: everybody.",
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("starts_at", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="override_ends_after_start",
                violation_error_message="The end must be later than the start.",
            ),
            models.CheckConstraint(
                condition=Q(kind="add", user__isnull=False, replaces__isnull=True)
                | Q(kind="remove", user__isnull=True, replaces__isnull=False)
                | Q(kind="replace", user__isnull=False),
                name="override_people_fit_kind",
                violation_error_message="Name who comes (add, replace) or who goes (remove).",
            ),
            models.CheckConstraint(
                condition=Q(replaces__isnull=True) | Q(user__isnull=True) | ~Q(user=F("replaces")),
                name="override_by_somebody_else",
                violation_error_message="Nobody can replace themselves.",
            ),
            never_overlap(
                "override_adds_once",
                ("schedule_id", "user_id"),
                "This person is added at this time already.",
                Q(kind="add"),
            ),
            never_overlap(
                "override_takes_away_once",
                ("schedule_id", "replaces_id"),
                "This person is removed or replaced at this time already.",
                Q(kind__in=["remove", "replace"], replaces__isnull=False),
            ),
            never_overlap(
                "override_replaces_everybody_once",
                ("schedule_id",),
                "Everybody is replaced at this time already.",
                Q(kind="replace", replaces__isnull=True),
            ),
        )
        indexes = (
            # Overrides of schedules that are not over, for every question about who is on call.
            models.Index(fields=["schedule", "ends_at"], name="override_not_over"),
        )

    def __str__(self) -> str:
        span = f"{self.starts_at:%Y-%m-%d %H:%M} to {self.ends_at:%Y-%m-%d %H:%M} UTC"
        match self.kind:
            case self.Kind.ADD:
                return f"{self.user} in addition, {span}"
            case self.Kind.REMOVE:
                return f"without {self.replaces}, {span}"
            case _:
                return f"{self.user} instead of {self.replaces or 'everybody'}, {span}"


class TemporarySchedule(models.Model):
    """Replaces everything in its span, overrides too, with its own shifts, or with nobody."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="temporaries")
    name = models.CharField(max_length=200, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("starts_at", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="temporary_ends_after_start",
                violation_error_message="The end must be later than the start.",
            ),
            never_overlap(
                "temporary_once",
                ("schedule_id",),
                "There is a temporary schedule at this time already.",
            ),
        )

    def __str__(self) -> str:
        name = self.name or "Temporary schedule"
        return f"{name}, {self.starts_at:%Y-%m-%d %H:%M} to {self.ends_at:%Y-%m-%d %H:%M} UTC"


class TemporaryShift(models.Model):
    """Somebody's time on call within a temporary schedule."""

    temporary = models.ForeignKey(
        TemporarySchedule, on_delete=models.CASCADE, related_name="shifts"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        ordering = ("starts_at", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="temporary_shift_ends_after_start",
                violation_error_message="The end must be later than the start.",
            ),
            never_overlap(
                "temporary_shift_once",
                ("temporary_id", "user_id"),
                "This person has a shift at this time already.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user}, {self.starts_at:%Y-%m-%d %H:%M} to {self.ends_at:%Y-%m-%d %H:%M} UTC"


class SwapRequest(models.Model):
    """Somebody asks that another person takes their shifts in a span; taken, it is an override."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        TAKEN = "taken", "Taken"
        CANCELLED = "cancelled", "Cancelled"
        EXPIRED = "expired", "Expired"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="swap_requests")
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="swap_requests"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    taken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    override = models.OneToOneField(
        Override, on_delete=models.SET_NULL, null=True, related_name="swap_request"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_at = models.DateTimeField(null=True, editable=False)  # taken, cancelled or expired

    class Meta:
        ordering = ("starts_at", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(state__in=["open", "taken", "cancelled", "expired"]),
                name="swap_state",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="swap_ends_after_start",
                violation_error_message="The end must be later than the start.",
            ),
            never_overlap(
                "swap_asked_once",
                ("schedule_id", "requester_id"),
                "This person asked for this time already.",
                Q(state="open"),
            ),
        )
        indexes = (
            # Open requests of a schedule, for its page; open ones that are over, for the sweep.
            models.Index(
                fields=["schedule", "ends_at"], condition=Q(state="open"), name="swap_open"
            ),
        )

    def __str__(self) -> str:
        return f"{self.requester}, {self.starts_at:%Y-%m-%d %H:%M} UTC"
