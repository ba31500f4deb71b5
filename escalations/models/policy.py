"""Escalation policies: who is paged, in which order, how long between."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from escalations.models.schedule import Schedule
from opsknight.models import Team


class EscalationPolicy(models.Model):
    """Ordered steps, gone through once and then repeated, until somebody acknowledges."""

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
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "escalation policies"
        constraints = (
            models.CheckConstraint(condition=Q(repeat_times__lte=100), name="policy_repeat_times"),
            models.CheckConstraint(
                condition=Q(repeat_after_minutes__gte=1, repeat_after_minutes__lte=7 * 24 * 60),
                name="policy_repeat_after_minutes",
            ),
        )

    def __str__(self) -> str:
        return self.name


class PolicyStep(models.Model):
    """Wait, then page every target at once. Gaps between positions do no harm."""

    policy = models.ForeignKey(EscalationPolicy, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveIntegerField(
        default=1, help_text="Steps run in this order; gaps do no harm."
    )
    delay_minutes = models.PositiveIntegerField(
        default=0,
        help_text="Minutes to wait before this step, counted from the step before it; for the "
        "first step, from the incident.",
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
                condition=Q(delay_minutes__lte=7 * 24 * 60), name="step_delay_within_a_week"
            ),
        )

    def __str__(self) -> str:
        return f"{self.policy}, step {self.position}"


class StepTarget(models.Model):
    """One of user, team, schedule."""

    step = models.ForeignKey(PolicyStep, on_delete=models.CASCADE, related_name="targets")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    team = models.ForeignKey(
        Team, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    schedule = models.ForeignKey(
        Schedule, on_delete=models.PROTECT, null=True, blank=True, related_name="step_targets"
    )

    class Meta:
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(user__isnull=False, team__isnull=True, schedule__isnull=True)
                | Q(user__isnull=True, team__isnull=False, schedule__isnull=True)
                | Q(user__isnull=True, team__isnull=True, schedule__isnull=False),
                name="step_target_exactly_one",
                violation_error_message="Choose exactly one: a user, a team or a schedule.",
            ),
            models.UniqueConstraint(
                fields=["step", "user", "team", "schedule"],
                name="step_target_once",
                nulls_distinct=False,
                violation_error_message="This step names that target already.",
            ),
        )

    def __str__(self) -> str:
        return str(self.user or self.team or self.schedule)
