"""Escalation policies: who is paged, in which order, how long between."""

from functools import reduce
from operator import or_

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from escalations.models.schedule import ALL_WEEKDAYS, Schedule, validate_weekdays
from notifications.models import Destination
from opsknight.models import Team, VersionedModel
from opsknight.models.people import validate_time_zone

WEEK_MINUTES = 7 * 24 * 60


def _exactly_one(*names: str) -> Q:
    cases = [Q(**{f"{name}__isnull": name != chosen for name in names}) for chosen in names]
    return reduce(or_, cases)


class EscalationPolicy(VersionedModel):
    """Ordered steps, gone through once and then repeated, until somebody acknowledges.

    After the last round the final fallback is paged, and later the incident may resolve by itself.
    """

    name = models.CharField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    repeat_times = models.PositiveIntegerField(
        default=2,
        help_text="How often all steps are repeated when nobody acknowledged. 0: never.",
    )
    repeat_after_minutes = models.PositiveIntegerField(
        default=5,
        help_text="Minutes to wait after the last step before the first step runs again.",
    )
    fallback_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Paged when the steps reached nobody, and when nobody answered after the last "
        "round. Without one, the service's team and then the administrators are paged, but only "
        "when the steps reached nobody.",
    )
    fallback_team = models.ForeignKey(
        Team,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="A team instead of a person.",
    )
    ack_timeout_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Withdraw an acknowledgement after so many minutes without a resolve, and page "
        "step 1 again. Empty: an acknowledgement holds.",
    )
    resolve_after_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Resolve by itself so many minutes after everything was tried and nobody "
        "acknowledged. Empty: never.",
    )
    is_multi_ack = models.BooleanField(
        "everybody acknowledges",
        default=False,
        help_text="Whoever was paged is paged on until they acknowledge themselves.",
    )
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[validate_time_zone],
        help_text="The clock of the steps' time windows, such as Europe/Vienna.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "escalation policies"
        constraints = (
            models.CheckConstraint(
                condition=Q(fallback_user__isnull=True) | Q(fallback_team__isnull=True),
                name="policy_one_fallback",
                violation_error_message="Choose a person or a team as the final fallback, not "
                "both.",
            ),
            models.CheckConstraint(
                condition=Q(ack_timeout_minutes__isnull=True)
                | Q(ack_timeout_minutes__gte=1, ack_timeout_minutes__lte=WEEK_MINUTES),
                name="policy_ack_timeout_minutes",
                violation_error_message="An acknowledgement times out after 1 to 10080 minutes.",
            ),
            models.CheckConstraint(
                condition=Q(resolve_after_minutes__isnull=True)
                | Q(resolve_after_minutes__gte=1, resolve_after_minutes__lte=WEEK_MINUTES),
                name="policy_resolve_after_minutes",
                violation_error_message="Resolve after 1 to 10080 minutes.",
            ),
            models.CheckConstraint(condition=Q(repeat_times__lte=100), name="policy_repeat_times"),
            models.CheckConstraint(
                condition=Q(repeat_after_minutes__gte=1, repeat_after_minutes__lte=WEEK_MINUTES),
                name="policy_repeat_after_minutes",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse two fallbacks at the field that can be emptied."""
        if self.fallback_user_id is not None and self.fallback_team_id is not None:
            message = "Choose a person or a team as the final fallback, not both."
            raise ValidationError({"fallback_team": message})


class PolicyStep(models.Model):
    """Wait, then page every target at once, or one of them in turn. Gaps between positions do no
    harm."""

    class Urgency(models.TextChoices):
        ANY = "any", "Every incident"
        HIGH = "high", "High urgency only"
        OTHER = "other", "Other than high urgency"

    policy = models.ForeignKey(EscalationPolicy, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveIntegerField(
        default=1, help_text="Steps run in this order; gaps do no harm."
    )
    delay_minutes = models.PositiveIntegerField(
        default=0,
        help_text="Minutes to wait before this step, counted from the step before it; for the "
        "first step, from the incident.",
    )
    urgency = models.CharField(
        max_length=16,
        choices=Urgency,
        default=Urgency.ANY,
        help_text="Which incidents this step is for; the others go past it without a wait.",
    )
    is_round_robin = models.BooleanField(
        "in turn",
        default=False,
        help_text="Page one of its people per incident, each in turn, instead of all.",
    )
    # How many turns were given out.
    robin_count = models.BigIntegerField(default=0, editable=False)
    # No weekday: at any time. Weekdays name the day on which the window begins.
    window_weekdays = models.PositiveSmallIntegerField(
        default=0,
        validators=[validate_weekdays],
        help_text="Only on these days: the sum of 1 Monday, 2 Tuesday, 4 Wednesday, 8 Thursday, "
        "16 Friday, 32 Saturday, 64 Sunday. 0: at any time.",
    )
    window_starts = models.TimeField(
        null=True, blank=True, help_text="Only from this time of day, in the zone of the policy."
    )
    window_ends = models.TimeField(
        null=True,
        blank=True,
        help_text="Until this time; the same or earlier than the start: of the next day.",
    )
    condition_alerts = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Hold here until the incident got more than so many alerts …",
    )
    condition_minutes = models.PositiveIntegerField(
        null=True, blank=True, help_text="… within so many minutes."
    )

    class Meta:
        ordering = ("position", "id")
        constraints = (
            models.UniqueConstraint(
                fields=["policy", "position"],
                name="step_position_once",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.CheckConstraint(
                condition=Q(delay_minutes__lte=WEEK_MINUTES), name="step_delay_within_a_week"
            ),
            models.CheckConstraint(
                condition=Q(urgency__in=["any", "high", "other"]), name="step_urgency"
            ),
            models.CheckConstraint(
                condition=Q(window_weekdays=0, window_starts__isnull=True, window_ends__isnull=True)
                | Q(
                    window_weekdays__gte=1,
                    window_weekdays__lte=ALL_WEEKDAYS,
                    window_starts__isnull=False,
                    window_ends__isnull=False,
                ),
                name="step_window_whole",
                violation_error_message="A time window needs weekdays, a start and an end.",
            ),
            models.CheckConstraint(
                condition=Q(condition_alerts__isnull=True, condition_minutes__isnull=True)
                | Q(
                    condition_alerts__isnull=False,
                    condition_minutes__isnull=False,
                    condition_alerts__gte=1,
                    condition_alerts__lte=1_000_000,
                    condition_minutes__gte=1,
                    condition_minutes__lte=WEEK_MINUTES,
                ),
                name="step_condition_whole",
                violation_error_message="A condition needs a number of alerts (1 or more) and of "
                "minutes (1 to 10080).",
            ),
        )

    def __str__(self) -> str:
        return f"{self.policy}, step {self.position}"


class StepTarget(models.Model):
    """One of user, team (or its leads only), schedule, destination."""

    step = models.ForeignKey(PolicyStep, on_delete=models.CASCADE, related_name="targets")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    team = models.ForeignKey(
        Team, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    leads_only = models.BooleanField(
        default=False, help_text="Of the team, page its lead and nobody else."
    )
    schedule = models.ForeignKey(
        Schedule, on_delete=models.PROTECT, null=True, blank=True, related_name="step_targets"
    )
    destination = models.ForeignKey(
        Destination, on_delete=models.PROTECT, null=True, blank=True, related_name="step_targets"
    )

    class Meta:
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=_exactly_one("user", "team", "schedule", "destination"),
                name="step_target_exactly_one",
                violation_error_message="Choose exactly one: a user, a team, a schedule or a "
                "destination.",
            ),
            models.CheckConstraint(
                condition=Q(leads_only=False) | Q(team__isnull=False),
                name="step_target_leads_of_team",
                violation_error_message="Only a team has leads.",
            ),
            models.UniqueConstraint(
                fields=["step", "user", "team", "schedule", "destination"],
                name="step_target_once",
                nulls_distinct=False,
                violation_error_message="This step names that target already.",
            ),
        )

    def __str__(self) -> str:
        if self.leads_only:
            return f"lead of {self.team}"
        return str(self.user or self.team or self.schedule or self.destination)
